"""The parts of the look that can be checked without a browser: colours, icons, what is vendored, how heavy it is."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

from tests.web.messages import MODULES, SCRIPTS, TEMPLATES, WEB

STATIC = WEB / "static"
STYLES = sorted(STATIC.glob("*.css"))
CSS = "\n".join(path.read_text("utf-8") for path in STYLES)

TEXT_ON = {
    "paper": ("ink", "soft", "faint", "accent", "calm", "raised", "high", "good", "agent"),
    "surface": ("ink", "soft", "faint", "accent", "calm", "raised", "high", "good", "agent"),
    "hover": ("ink", "soft", "faint", "accent", "calm", "raised", "high", "good", "agent"),
    "sunken": ("ink", "soft", "faint"),
    "accent-wash": ("ink", "soft", "accent", "calm", "raised", "high", "faint"),
    "raised-wash": ("ink", "soft", "raised"),
    "high-wash": ("ink", "soft", "high"),
    "good-wash": ("ink", "soft", "good"),
    "accent": ("on-accent",),
    "high": ("surface",),
    "ink": ("paper",),
    "mark": ("ink",),
}
"""Which colours text has on which ground."""

SHAPES_ON = {"paper": ("focus", "rule-strong"), "surface": ("focus", "rule-strong"), "sunken": ("focus",)}
"""Borders of fields and the mark of focus: 3 to 1 is enough (WCAG 2.2, 1.4.11)."""


def colours() -> dict[str, tuple[str, str]]:
    return {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", CSS)}


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def pairs(table: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    return ((ground, text) for ground, texts in table.items() for text in texts)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_stands_out_from_every_ground(theme: int) -> None:
    known = colours()
    weak = {
        (ground, text): round(ratio, 2)
        for ground, text in pairs(TEXT_ON)
        if (ratio := contrast(known[ground][theme], known[text][theme])) < 4.5
    }
    assert weak == {}


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_borders_and_focus_stand_out(theme: int) -> None:
    known = colours()
    weak = {
        (ground, line): round(ratio, 2)
        for ground, line in pairs(SHAPES_ON)
        if (ratio := contrast(known[ground][theme], known[line][theme])) < 3.0
    }
    assert weak == {}


def test_styles_use_colours_that_exist_and_nothing_from_elsewhere() -> None:
    defined = set(re.findall(r"--([\w-]+):", CSS))
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= defined
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_every_icon_that_is_asked_for_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (STATIC / "icons.svg").read_text("utf-8")))
    asked: set[str] = set()
    for path in TEMPLATES:
        for call in Environment().parse(path.read_text("utf-8")).find_all(nodes.Call):
            name = call.node.attr if isinstance(call.node, nodes.Getattr) else getattr(call.node, "name", "")
            given = [call.args[0]] if name == "icon" and call.args else []
            given += [keyword.value for keyword in call.kwargs if keyword.key == "icon_name"]
            asked |= {node.value for node in given if isinstance(node, nodes.Const) and node.value}
            asked |= {
                f"{node.nodes[0].value}*"
                for node in given
                if isinstance(node, nodes.Concat) and isinstance(node.nodes[0], nodes.Const)
            }
    missing = {
        name
        for name in asked
        if not (any(icon.startswith(name[:-1]) for icon in drawn) if name.endswith("*") else name in drawn)
    }
    assert missing == set()
    assert {f"notice-{kind}" for kind in ("info", "good", "warning", "error")} <= drawn
    assert {f"channel-{channel}" for channel in ("caller", "agent", "mixed")} <= drawn


def test_what_is_vendored_is_what_the_list_says() -> None:
    folder = STATIC / "vendor"
    listed = dict(
        re.findall(r"^\| `([\w.-]+)` \|.*`([0-9a-f]{64})` \|$", (folder / "README.md").read_text("utf-8"), re.M)
    )
    files = {path.name: path for path in folder.iterdir() if path.suffix in (".js", ".css")}
    assert listed == {name: hashlib.sha256(path.read_bytes()).hexdigest() for name, path in files.items()}
    for name in files:
        assert (folder / f"{name.split('.')[0]}.LICENSE.txt").stat().st_size > 500


def test_nothing_is_asked_of_another_host() -> None:
    for path in [*TEMPLATES, *SCRIPTS, *STYLES, STATIC / "icons.svg"]:
        addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+[^\s\"'<>)]*", path.read_text("utf-8")))
        assert addresses <= {"http://www.w3.org/2000/svg"}, path.name


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_make_no_code_and_no_markup_out_of_text(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(
        r"\beval\(|new Function|setTimeout\(\s*[\"'`]|document\.write|setAttribute\(\s*[\"']style", text
    )


PAGES = [path for path in TEMPLATES if 'extends "base.html"' in path.read_text("utf-8")]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_a_page_is_light(path: Path) -> None:
    """All scripts, styles and icons that a page loads, uncompressed, with room for the page itself."""
    sources = path.read_text("utf-8") + (WEB / "templates" / "base.html").read_text("utf-8")
    names = {*re.findall(r"""static\(["']([\w./-]+)["']\)""", sources), "icons.svg"}
    assert sum((STATIC / name).stat().st_size for name in names) < 190_000


def test_modules_speak_no_language_of_their_own() -> None:
    """What people read comes from the messages: no Cyrillic or Chinese in a module but the languages' own names."""
    for path in MODULES:
        foreign = set(re.findall(r"[\u0400-\u04ff]+|[\u4e00-\u9fff]+", path.read_text("utf-8")))
        assert foreign <= {"Русский", "中文"}, path.name
