"""Manifests: what they bring along, and what is refused."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.batch.items import Item
from voicepipe.batch.manifest import read_manifest
from voicepipe.types import ConfigError


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return tmp_path / "night" / "manifest.csv"


def read(path: Path, text: str, *, encoding: str = "utf-8") -> list[Item]:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding=encoding)
    return list(read_manifest(path))


def test_all_columns(manifest: Path) -> None:
    (item,) = read(
        manifest,
        "path,call_id,agent,queue,caller_channel,language,started_at,consent,Campaign,тариф\n"
        "a/1.wav,c-1,Anna,billing,Right,EN,2026-11-02T09:30:00+01:00,announced,spring,большой\n",
    )
    assert item == Item(
        path=str(manifest.parent / "a/1.wav"),
        call_id="c-1",
        agent="Anna",
        queue="billing",
        caller_channel="right",
        language="en",
        started_at=datetime(2026, 11, 2, 8, 30, tzinfo=UTC),
        consent="announced",
        own=(("Campaign", "spring"), ("тариф", "большой")),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_however_it_was_exported(manifest: Path, delimiter: str, encoding: str) -> None:
    text = delimiter.join(["url", "agent"]) + "\r\n" + delimiter.join(["s3://b/1.wav", '"Lee, Ann"']) + "\r\n\r\n"
    (item,) = read(manifest, text, encoding=encoding)
    assert (item.path, item.agent, item.call_id, item.language) == ("s3://b/1.wav", "Lee, Ann", None, None)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "no column 'path'"),
        ("file,agent\na.wav,Anna\n", "no column 'path'.*file, agent"),
        ("path,agent,agent\na.wav,A,B\n", "'agent' twice"),
        ("path,agent\n,Anna\n", "line 2 has no path"),
        ("path\n../a.wav\n", "line 2 .*outside"),
        ("path\n/etc/passwd\n", "line 2 .*outside"),
        ("path\nsub/../../a.wav\n", "outside"),
        ("path\nlink/a.wav\n", "outside"),
        ("path\nb.wav\na.wav\nb.wav\n", "line 4 names .*b.wav a second time"),
        ("path\na.wav\n./a.wav\n", "a second time"),
        ("path,call_id\na.wav,1\nb.wav,1\n", "line 3 has the call_id '1' a second time"),
        ("path,caller_channel\na.wav,middle\n", "line 2 says caller_channel 'middle'"),
        ("path,language\na.wav,English\n", "line 2 says language 'English'"),
        ("path,language\na.wav,xx\n", "line 2 says language 'xx'"),
        ("path,started_at\na.wav,yesterday\n", "line 2 says started_at 'yesterday'"),
        ("path,started_at\na.wav,2026-11-02T09:30:00\n", "time zone"),
        ("path\na.wav,b,c\n", "line 2 has 3 fields"),
        ("path,call_id\na.wav," + "x" * 201 + "\n", "longer than 200"),
    ],
)
def test_what_is_refused(manifest: Path, text: str, sentence: str) -> None:
    manifest.parent.mkdir()
    (manifest.parent / "link").symlink_to("/etc")
    with pytest.raises(ConfigError, match=sentence) as refused:
        read(manifest, text)
    assert "manifest.csv" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.csv cannot be read \(No such file or directory\); check the path"):
        list(read_manifest(tmp_path / "gone.csv"))
    (tmp_path / "latin.csv").write_bytes("path,agent\na.wav,Bäcker\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        list(read_manifest(tmp_path / "latin.csv"))


@given(text=st.text(max_size=200))
def test_any_text_is_read_or_refused(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text("path,call_id\n" + text, encoding="utf-8", errors="replace")
    try:
        for item in read_manifest(path):
            assert "://" in item.path or Path(item.path).resolve().is_relative_to(path.parent.resolve())
    except ConfigError as refused:
        assert str(path) in str(refused)  # noqa: PT017


def test_a_quotation_mark_that_is_not_closed_loses_no_recording(manifest: Path) -> None:
    with pytest.raises(ConfigError, match=r"manifest\.csv, line 3: this is no line of CSV .*quotation marks first"):
        read(manifest, 'path,campaign\na.wav,winter\nb.wav,"spring\nc.wav,autumn\nd.wav,autumn\n')
