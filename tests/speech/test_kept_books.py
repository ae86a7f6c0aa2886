import pickle
import sys
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest

from voicepipe.speech.intent import load_book
from voicepipe.speech.kept_books import kept
from voicepipe.speech.phrases import PhraseBook, load_phrases

SHIPPED = Path(str(files("voicepipe.speech") / "intent_rules" / "en.toml"))
SAID = (
    "Can I, uh, speak to a real person please?",
    "I don't want the robot, give me a manager",
    "your colleague said I should ask for a supervisor",
    "no no no, agent. agent! put me through to complaints, or I'll go to the ombudsman",
    "thanks, the parcel came on Tuesday",
)


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where Python keeps compiled modules during the test."""
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return tmp_path


def made_of(*contents: str) -> Callable[[], list[str]]:
    """Return what makes the first of some contents when it is called first, then the second."""
    left = iter(contents)
    return lambda: [next(left)]


def books(place: Path) -> list[Path]:
    return [*place.rglob("*.book")]


def test_what_was_made_is_not_made_again(place: Path) -> None:
    make = made_of("once")
    assert kept([SHIPPED], make, settings="") == ["once"]
    assert kept([SHIPPED], make, settings="") == ["once"]
    assert len(books(place)) == 1


def test_other_settings_make_it_anew(place: Path) -> None:
    make = made_of("once", "twice")
    assert kept([SHIPPED], make, settings="one") == ["once"]
    assert kept([SHIPPED], make, settings="other") == ["twice"]
    assert kept([SHIPPED], make, settings="other") == ["twice"]
    assert len(books(place)) == 1


@pytest.mark.parametrize("cut", [0, 10, 32, -1])
def test_damage_makes_it_anew(place: Path, cut: int) -> None:
    make = made_of("once", "twice")
    kept([SHIPPED], make, settings="")
    (book,) = books(place)
    book.write_bytes(book.read_bytes()[:cut])
    assert kept([SHIPPED], make, settings="") == ["twice"]
    assert kept([SHIPPED], make, settings="") == ["twice"]


def test_a_centres_own_files_are_read_anew(place: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.toml"
    own.write_text("", encoding="utf-8")
    make = made_of("once", "twice")
    assert kept([SHIPPED, own], make, settings="") == ["once"]
    assert kept([SHIPPED, own], make, settings="") == ["twice"]
    assert books(place) == []


def test_nothing_is_kept_where_python_keeps_nothing(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    assert kept([SHIPPED], made_of("once"), settings="") == ["once"]
    assert books(place) == []


def test_nothing_is_kept_where_nothing_can_be_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setattr(sys, "pycache_prefix", str(place / "file"))
    make = made_of("once", "twice")
    assert kept([SHIPPED], make, settings="") == ["once"]
    assert kept([SHIPPED], make, settings="") == ["twice"]


def found(book: PhraseBook) -> list[list[tuple[str, list[tuple[int, int]]]]]:
    return [
        [(rule.name, spans) for rule, spans in book.find(section, book.tokenizer(said))]
        for said in SAID
        for section in book.rules
    ]


def test_a_kept_book_finds_the_same(place: Path) -> None:
    made = load_book("en", with_concepts=True)
    (book,) = books(place)
    before = book.stat().st_mtime_ns
    again = load_book("en", with_concepts=True)
    assert book.stat().st_mtime_ns == before
    assert found(again) == found(made)
    assert sum(map(bool, found(made))) > len(SAID)


def test_a_book_that_was_used_can_be_pickled() -> None:
    book = load_phrases(SHIPPED, sections={"request": {"kind": str, "despite": (list, type(None))}, "veto": {}})
    before = found(book)
    assert found(pickle.loads(pickle.dumps(book))) == before
