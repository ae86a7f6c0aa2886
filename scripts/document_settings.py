"""Write configs/default.toml and configs/README.md from the settings' own definitions.

Run ``python scripts/document_settings.py``; a test fails when the committed files are not what it writes.
"""

import argparse
import dataclasses
import inspect
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

from voicepipe.config import Settings
from voicepipe.events.config import KafkaConfig, WebhookConfig
from voicepipe.packaged import packaged

_HEAD = """# Settings

Every key, with its default. A TOML file with any of them goes to `--config FILE` or `VOICEPIPE_CONFIG`; the environment
overrules the file: `VOICEPIPE_` and the key in capitals, parts joined by two underscores. Passwords belong in the
environment. This page and `default.toml` are written by `scripts/document_settings.py`.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One setting."""

    section: tuple[str, ...]
    name: str
    default: Any
    text: str


def keys() -> Iterator[Key]:
    """Yield every setting, sections in the order in which `Settings` has them."""
    defaults = {name: field.get_default(call_default_factory=True) for name, field in Settings.model_fields.items()}
    defaults |= {"kafka": KafkaConfig(), "webhook": WebhookConfig(url="https://crm.example.org/voicepipe")}
    shown = {
        "cache_dir": "~/.cache/voicepipe",
        "store_url": "sqlite:///~/.local/state/voicepipe/voicepipe.sqlite",
    }
    yield from _walk((), defaults | shown, _texts(Settings))


def _walk(section: tuple[str, ...], values: dict[str, Any], texts: dict[str, str]) -> Iterator[Key]:
    groups = {}
    for name, value in values.items():
        if isinstance(value, BaseModel) or dataclasses.is_dataclass(value):
            groups[name] = value
        else:
            if isinstance(value, Path) and value.is_relative_to(packaged("models")):
                value = f"models/{value.name}"
            yield Key(section=section, name=name, default=value, text=texts.get(name, ""))
    for name, group in groups.items():
        names = (
            type(group).model_fields if isinstance(group, BaseModel) else [f.name for f in dataclasses.fields(group)]
        )
        inside = {inner: getattr(group, inner) for inner in names}
        yield from _walk((*section, name), inside, _texts(type(group)))


def _texts(kind: type) -> dict[str, str]:
    """Return what a class says of its attributes, in its docstring or in the fields themselves."""
    texts = {}
    attributes = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")[2]
    for match in re.finditer(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)*)", attributes + "\n", re.MULTILINE):
        for name in match[1].split(","):
            texts[name.strip()] = " ".join(match[2].split())
    if issubclass(kind, BaseModel):
        texts |= {name: field.description for name, field in kind.model_fields.items() if field.description}
    return {name: text.replace("``", "`") for name, text in texts.items()}


def _toml(value: Any) -> str:
    if value is None or isinstance(value, SecretStr):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (tuple, list)):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, (str, Path)) else repr(value)


def default_toml() -> str:
    """Return default.toml: every key commented out, so that the file changes nothing by itself."""
    lines = [
        "# Every setting with its default; take the # away from a section and a key to change it.",
        "# README.md beside this explains them.",
    ]
    section = None
    for key in keys():
        if key.section != section:
            section = key.section
            if section:
                lines += ["", f"# [{'.'.join(section)}]"]
        lines.append(f"# {key.name} = {_toml(key.default)}".rstrip())
    return "\n".join(lines) + "\n"


def page() -> str:
    """Return configs/README.md."""
    lines, section = [_HEAD], None
    for key in keys():
        if key.section != section:
            section = key.section
            title = f"`[{'.'.join(section)}]`" if section else "Top level"
            lines += [f"\n## {title}\n", "| key | default | what it is |", "|---|---|---|"]
        default = f"`{_toml(key.default)}`" if _toml(key.default) else "not set"
        lines.append(f"| `{key.name}` | {default} | {key.text} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write both files."""
    parser = argparse.ArgumentParser(description="Write configs/default.toml and configs/README.md.")
    parser.add_argument("--out", type=Path, default=Path("configs"))
    out = parser.parse_args().out
    tomllib.loads(default_toml())
    (out / "default.toml").write_text(default_toml(), encoding="utf-8")
    (out / "README.md").write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
