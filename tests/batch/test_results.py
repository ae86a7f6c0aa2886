"""The folder of a run: one run at a time, results whole or not at all, nothing scored twice."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.batch.workers import scored_call
from voicepipe.batch import results as module
from voicepipe.batch.items import Item
from voicepipe.batch.results import Results, file_name, read_call, read_lines, write_whole
from voicepipe.types import ConfigError, StoreError

FACTS = {"whisper_model": "base", "voicepipe": "1"}


def item(folder: Path, name: str, **known: str) -> Item:
    path = folder / f"{name}.wav"
    path.touch()
    return Item(path=str(path), version="1:1", **known)  # type: ignore[arg-type]


def keep(results: Results, one: Item) -> str | None:
    outcome = scored_call(one)
    assert outcome.call_id is not None
    refused = results.refusal(one, outcome.call_id)
    if refused is None:
        results.keep(one, outcome.call_id, outcome.text)
    return refused


def test_what_was_scored_is_known_again(tmp_path: Path) -> None:
    first, second = item(tmp_path, "a"), item(tmp_path, "b")
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        assert not results.has(first)
        assert keep(results, first) is None
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert results.has(first)
        assert not results.has(second)
        assert not results.has(item(tmp_path, "a", language="ru")), "something else is known of it"
        assert [path.name for path in results.files()] == ["a.jsonl"]
    assert not (tmp_path / "out" / ".lock").exists()


def test_the_same_place_in_other_words_is_known_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        keep(results, Item(path="a.wav", version="1:1"))
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert results.has(Item(path=f"./sub/../{tmp_path / 'a.wav'}"[len("./sub/../") :], version="1:1"))
        assert not results.has(Item(path="a.wav", version="2:1"))


def test_the_result_of_a_changed_recording_replaces_the_old_one(tmp_path: Path) -> None:
    old, new = item(tmp_path, "a", call_id="old"), item(tmp_path, "a", call_id="new")
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        keep(results, old)
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert keep(results, new) is None
        assert [path.name for path in results.files()] == ["new.jsonl"]


def test_one_call_in_two_recordings(tmp_path: Path) -> None:
    a, b = item(tmp_path, "a", call_id="same"), item(tmp_path, "b", call_id="same")
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        assert keep(results, a) is None
        refused = keep(results, b)
        assert refused is not None
        assert a.path in refused
        assert b.path in refused
        assert read_call(results.calls / "same.jsonl")["path"] == a.path
        assert keep(results, a) is None, "the same recording again is no other"
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert keep(results, b) is not None, "the other recording is still there"
        Path(a.path).rename(tmp_path / "moved.wav")
        assert keep(results, b) is None


def test_a_folder_with_results_is_not_overwritten(tmp_path: Path) -> None:
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        pass
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        keep(results, item(tmp_path, "a"))
    with pytest.raises(ConfigError, match="--resume"):
        Results(tmp_path / "out", facts=FACTS, resume=False)


def test_results_of_other_settings_are_not_mixed_in(tmp_path: Path) -> None:
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        keep(results, item(tmp_path, "a"))
    with pytest.raises(ConfigError, match="whisper_model was base, is small"):
        Results(tmp_path / "out", facts=FACTS | {"whisper_model": "small"}, resume=True)
    with pytest.raises(ConfigError, match="stress was not set, is 1; voicepipe was 1, is not set"):
        Results(tmp_path / "out", facts={"whisper_model": "base", "stress": "1"}, resume=True)
    with Results(tmp_path / "out", facts=FACTS, resume=True):
        pass
    (tmp_path / "out" / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"run\.json cannot be read"):
        Results(tmp_path / "out", facts=FACTS, resume=True)


def test_two_runs_into_one_folder_are_refused(tmp_path: Path) -> None:
    with (
        Results(tmp_path, facts=FACTS, resume=False),
        pytest.raises(ConfigError, match=f"at work.*process {os.getpid()} on"),
    ):
        Results(tmp_path, facts=FACTS, resume=False)
    with Results(tmp_path, facts=FACTS, resume=False):
        pass


def test_the_lock_of_a_process_that_was_killed_is_taken_over(tmp_path: Path) -> None:
    script = (
        "import os, pathlib, signal\n"
        "from voicepipe.batch.results import Results\n"
        f"results = Results(pathlib.Path({str(tmp_path)!r}), facts={{}}, resume=False)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert (tmp_path / ".lock").exists()
    with Results(tmp_path, facts={}, resume=True):
        pass


@pytest.mark.parametrize("there", ["file", "folder that cannot be written"])
def test_a_folder_that_cannot_be_written(tmp_path: Path, there: str) -> None:
    out = tmp_path / "out"
    if there == "file":
        out.touch()
    else:
        if os.geteuid() == 0:
            out = Path("/proc/voicepipe")
        else:
            out.mkdir(mode=0o500)
    with pytest.raises(ConfigError, match="choose another --out") as refused:
        Results(out, facts=FACTS, resume=False)
    assert str(out) in str(refused.value)


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.jsonl"
    write_whole(path, "before\n")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(
        StoreError, match=r"a\.jsonl cannot be written \(No space left on device\): free some space.*--resume"
    ):
        write_whole(path, "after\n")
    assert [one.name for one in tmp_path.iterdir()] == ["a.jsonl"]
    assert path.read_text(encoding="utf-8") == "before\n"


def test_a_result_cut_short_is_scored_again(tmp_path: Path) -> None:
    one = item(tmp_path, "a")
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        keep(results, one)
        whole = (results.calls / "a.jsonl").read_bytes()
        (results.calls / "a.jsonl").write_bytes(whole[:-20])
        with pytest.raises(StoreError, match=r"a\.jsonl is damaged"):
            read_lines(results.calls / "a.jsonl")
        assert keep(results, one) is None, "what is damaged is written anew"
        (results.calls / "a.jsonl").write_bytes(whole[:-20])
        (results.calls / ".b.jsonl.partial").touch()
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert not results.has(one)
        assert not (results.calls / ".b.jsonl.partial").exists()
        assert keep(results, one) is None
        assert (results.calls / "a.jsonl").read_bytes() == whole


def test_the_last_line_of_a_long_call_is_found(tmp_path: Path) -> None:
    path = tmp_path / "long.jsonl"
    last = {"type": "call", "identity": "x", "call_id": "ü" * 100_000, "conversation": {}}
    path.write_text(json.dumps({"type": "utterance"}) + "\n" + json.dumps(last, ensure_ascii=False) + "\n", "utf-8")
    assert read_call(path) == last
    assert read_lines(path)[-1] == last


@given(ids=st.lists(st.text(min_size=1, max_size=200), min_size=2, max_size=2, unique=True))
def test_any_call_id_has_a_file_name_of_its_own(ids: list[str]) -> None:
    names = [file_name(call_id) for call_id in ids]
    assert names[0] != names[1]
    for name in names:
        assert "/" not in name
        assert "\0" not in name
        assert name[0] != "."
        assert len(name.encode()) < 200


def test_ordinary_ids_are_their_own_names() -> None:
    assert file_name("upset_caller-1a2b3c4d") == "upset_caller-1a2b3c4d.jsonl"
    assert file_name("../../etc/passwd") == "%2E.%2F..%2Fetc%2Fpasswd.jsonl"


def test_what_was_read_in_part_is_scored_again(tmp_path: Path) -> None:
    """The disk or the network may have failed, not the recording."""
    first = item(tmp_path, "a")
    outcome = scored_call(first)
    *told, call = outcome.text.splitlines()
    torn = json.dumps(json.loads(call) | {"error": "a.wav breaks off at 12 s."})
    with Results(tmp_path / "out", facts=FACTS, resume=False) as results:
        results.keep(first, str(outcome.call_id), "\n".join([*told, torn]) + "\n")
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert not results.has(first)
        assert keep(results, first) is None
    with Results(tmp_path / "out", facts=FACTS, resume=True) as results:
        assert results.has(first)
