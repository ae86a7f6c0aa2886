"""The templates: Jinja with everything escaped, nothing undefined and no text of its own."""

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from voicepipe.web.language import Language

_DIGITS = 12


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


@cache
def static_url(name: str) -> str:
    """Return the path of a file under ``static`` with a mark of its content, so that browsers may keep it for ever."""
    return f"/static/{name}?v={static_version(name)}"


@cache
def static_version(name: str) -> str:
    """Return the mark of the content of a file under ``static``."""
    content = (files("voicepipe.web") / "static" / name).read_bytes()
    return sha256(content).hexdigest()[:_DIGITS]


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
