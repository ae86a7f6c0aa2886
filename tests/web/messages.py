"""Where the console's messages are used: in templates, in modules and in scripts."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from fluent.syntax import FluentParser
from fluent.syntax import ast as ftl
from fluent.syntax.visitor import Visitor
from jinja2 import Environment, nodes

import voicepipe.web

WEB = Path(voicepipe.web.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
MODULES = sorted(WEB.glob("*.py"))
SCRIPTS = sorted((WEB / "static").glob("*.js"))

_PARSED = Environment()
_SCRIPT_CALL = re.compile(r"""(?<![\w.])(?:voicepipe\.)?t\(\s*(["'`])((?:(?!\1).)*)\1""")
_SCRIPT_STRING = re.compile(r""""((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`""")


@dataclass
class Message:
    """One message of one language: its variables, and those of its attributes."""

    variables: frozenset[str]
    attributes: dict[str, frozenset[str]] = field(default_factory=dict)


class _Variables(Visitor):
    def __init__(self) -> None:
        self.names: set[str] = set()

    def visit_VariableReference(self, node: ftl.VariableReference) -> None:  # noqa: N802
        self.names.add(node.id.name)


def _variables(node: ftl.BaseNode | None) -> frozenset[str]:
    visitor = _Variables()
    if node is not None:
        visitor.visit(node)
    return frozenset(visitor.names)


class _Texts(Visitor):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def visit_TextElement(self, node: ftl.TextElement) -> None:  # noqa: N802
        self.texts.append(node.value)


@cache
def texts(language: str) -> dict[str, str]:
    """Return what a language says of its own in each message, without its variables."""
    found: dict[str, str] = {}
    for path in sorted((WEB / "locales" / language).glob("*.ftl")):
        for entry in FluentParser().parse(path.read_text("utf-8")).body:
            if isinstance(entry, ftl.Message):
                visitor = _Texts()
                visitor.visit(entry)
                found[entry.id.name] = " ".join(visitor.texts)
    return found


@cache
def messages(language: str) -> dict[str, Message]:
    """Return all messages of a language."""
    found: dict[str, Message] = {}
    for path in sorted((WEB / "locales" / language).glob("*.ftl")):
        for entry in FluentParser().parse(path.read_text("utf-8")).body:
            assert not isinstance(entry, ftl.Junk), f"{path.name}: {entry.content}"
            if isinstance(entry, ftl.Message):
                attributes = {attribute.id.name: _variables(attribute.value) for attribute in entry.attributes}
                found[entry.id.name] = Message(_variables(entry.value), attributes)
    return found


@dataclass(frozen=True)
class Use:
    """A message asked for: an id, or a pattern where part of it is found out later."""

    where: str
    pattern: str
    is_certain: bool = True

    def matches(self, message_id: str) -> bool:
        return re.fullmatch(self.pattern, message_id) is not None


def _of_jinja(node: nodes.Node) -> str | None:
    if isinstance(node, nodes.Const):
        return re.escape(node.value) if isinstance(node.value, str) else None
    if isinstance(node, nodes.Concat):
        return "".join(_of_jinja(part) or "[a-z0-9_-]+" for part in node.nodes)
    if isinstance(node, nodes.CondExpr):
        parts = [_of_jinja(part) for part in (node.expr1, node.expr2) if part is not None]
        return "(?:" + "|".join(part for part in parts if part) + ")" if all(parts) else None
    return None


def in_template(path: Path) -> Iterator[Use]:
    """Yield what a template asks for by ``t(...)``, and, as mere possibilities, all its strings."""
    tree = _PARSED.parse(path.read_text("utf-8"))
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Name) and call.node.name == "t" and call.args:
            pattern = _of_jinja(call.args[0])
            if pattern is not None:
                yield Use(path.name, pattern)
        if isinstance(call.node, nodes.Getattr) and call.node.attr == "texts":
            for const in call.args[0].find_all(nodes.Const):
                yield Use(path.name, re.escape(const.value))
    for const in tree.find_all(nodes.Const):
        if isinstance(const.value, str) and const.value:
            yield Use(path.name, re.escape(const.value), is_certain=False)
    for concat in tree.find_all(nodes.Concat):
        pattern = _of_jinja(concat)
        if pattern is not None:
            yield Use(path.name, pattern, is_certain=False)


def _of_python(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        parts = [
            re.escape(str(part.value)) if isinstance(part, ast.Constant) else "[a-zA-Z0-9_.-]+" for part in node.values
        ]
        return "".join(parts)
    if isinstance(node, ast.IfExp):
        either = [_of_python(node.body), _of_python(node.orelse)]
        return "(?:" + "|".join(part for part in either if part) + ")" if all(either) else None
    return None


def in_module(path: Path) -> Iterator[Use]:
    """Yield what a module asks for by ``.t(...)``, and, as mere possibilities, all its strings."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and node.args:
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            pattern = _of_python(node.args[0]) if name == "t" else None
            if pattern is not None:
                yield Use(path.name, pattern)
        if isinstance(node, ast.Constant | ast.JoinedStr):
            pattern = _of_python(node)
            # What begins with something unknown, or is hardly known, says nothing.
            if pattern and re.match(r"[a-z][a-z0-9]+\\?-", pattern):
                yield Use(path.name, pattern, is_certain=False)


def in_script(path: Path) -> Iterator[Use]:
    """Yield what a script asks for by ``t(...)``."""
    text = path.read_text("utf-8")
    for match in _SCRIPT_CALL.finditer(text):
        parts = re.split(r"\$\{[^}]*\}", match[2])
        yield Use(path.name, "[a-z0-9_-]+".join(re.escape(part) for part in parts))
    for string in strings_of_script(text):
        yield Use(path.name, re.escape(string), is_certain=False)


def strings_of_script(text: str) -> list[str]:
    """Return the strings that stand in a script, comments left out."""
    bare = re.sub(r"^\s*//.*$|(?<=[;{}\s])//\s.*$|/\*.*?\*/", "", text, flags=re.M | re.S)
    return [next(part for part in match.groups() if part is not None) for match in _SCRIPT_STRING.finditer(bare)]


def all_uses() -> list[Use]:
    """Return every use in the console."""
    return [
        *(use for path in TEMPLATES for use in in_template(path)),
        *(use for path in MODULES for use in in_module(path)),
        *(use for path in SCRIPTS for use in in_script(path)),
    ]
