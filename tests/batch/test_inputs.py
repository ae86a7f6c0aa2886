"""What is found to score: each recording once, in a stable order."""

import os
from pathlib import Path

import pytest

from voicepipe.batch.inputs import list_items
from voicepipe.batch.items import Item


def found(*inputs: str | Path) -> tuple[list[Item], dict[str, str]]:
    missed: dict[str, str] = {}
    items = list(
        list_items([str(given) for given in inputs], caller_channel="right", language="ru", miss=missed.__setitem__)
    )
    return items, missed


def names(items: list[Item]) -> list[str]:
    return [Path(item.path).name for item in items]


@pytest.fixture
def night(tmp_path: Path) -> Path:
    for name in ("b.wav", "a.MP3", "notes.txt", "later/c.flac", "later/d.wav"):
        path = tmp_path / "night" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "night"


def test_a_folder_is_searched_to_the_bottom_in_order_of_name(night: Path) -> None:
    items, missed = found(night)
    assert names(items) == ["a.MP3", "b.wav", "c.flac", "d.wav"]
    assert not missed
    assert {(item.caller_channel, item.language) for item in items} == {("right", "ru")}


def test_a_recording_is_found_once_however_often_it_is_named(night: Path) -> None:
    (night / "link.wav").symlink_to(night / "b.wav")
    items, _ = found(night / "b.wav", night, os.path.relpath(night / "b.wav"), night / "later")
    assert names(items) == ["b.wav", "a.MP3", "c.flac", "d.wav"]


def test_patterns(night: Path) -> None:
    assert names(found(night / "**" / "*.wav")[0]) == ["b.wav", "d.wav"]
    assert names(found(night / "?.wav")[0]) == ["b.wav"]
    odd = night / "a[1].wav"
    odd.write_bytes(b"x")
    assert names(found(odd)[0]) == ["a[1].wav"], "a file that is there is no pattern"


def test_inputs_without_recordings_are_missed_and_the_others_listed(night: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    items, missed = found(tmp_path / "empty", night / "*.opus", night / "b.wav", tmp_path / "gone.wav")
    assert names(items) == ["b.wav", "gone.wav"], "a recording that is named is tried; the worker says what is wrong"
    assert set(missed) == {str(tmp_path / "empty"), str(night / "*.opus")}
    assert all("holds no recordings" in sentence for sentence in missed.values())


def test_a_name_that_is_not_utf_8_costs_its_recording_and_not_the_run(night: Path) -> None:
    Path(os.fsdecode(os.fsencode(night) + b"/caf\xe9.wav")).write_bytes(b"x")
    items, missed = found(night)
    assert names(items) == ["a.MP3", "b.wav", "c.flac", "d.wav"]
    assert missed == {f"{night}/caf\\xe9.wav": f"{night}/caf\\xe9.wav has a name that is not UTF-8; rename it."}


def test_the_identity_changes_with_the_recording_and_with_what_is_known_of_it(night: Path) -> None:
    def identity(**changed: object) -> str:
        items = list_items(
            [str(night / "b.wav")], miss=lambda *_: None, **({"caller_channel": None, "language": None} | changed)
        )  # type: ignore[arg-type]
        return next(iter(items)).identity

    first = identity()
    assert identity() == first
    assert identity(language="en") != first
    assert identity(caller_channel="left") != first
    os.utime(night / "b.wav", ns=(1, 1))
    touched = identity()
    assert touched != first
    (night / "b.wav").write_bytes(b"longer than before")
    os.utime(night / "b.wav", ns=(1, 1))
    assert identity() != touched


def test_an_address_that_cannot_be_listed_is_missed() -> None:
    items, missed = found("memory://nowhere/at/all", "nonsense://x/y.wav")
    assert not items
    assert "does not exist" in missed["memory://nowhere/at/all"]
    assert "nonsense" in missed["nonsense://x/y.wav"]
