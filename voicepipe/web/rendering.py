"""The templates: Jinja with everything escaped, nothing undefined and no text of its own."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from voicepipe.web.language import Language
from voicepipe.web.static_files import static_url


def fragment(name: str, *, language: Language, **context: Any) -> str:
    """Return a template's text for no visitor in particular, in one language.

    Parameters
    ----------
    name : str
        File under ``templates``.
    language : Language
        The template gets it, and its `t`.
    **context
        What else the template needs.
    """
    return _environment().get_template(name).render(language=language, t=language.t, **context)


def prepare() -> None:
    """Compile all templates, so that the first person who comes need not wait for that."""
    environment = _environment()
    for name in environment.list_templates():
        environment.get_template(name)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("voicepipe.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.globals["static"] = static_url
    return environment
