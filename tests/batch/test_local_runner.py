"""Worker processes: real ones, with a scorer that stands in for the models."""

import os
import time
from pathlib import Path

import pytest

from tests.batch.workers import DiesLoading, FakeOpener, NoModels
from tests.patience import until
from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.local_runner import LocalCrew
from voicepipe.batch.runner import OpenScorer, Score, dispatch
from voicepipe.types import ModelError


def score(names: list[str], opener: OpenScorer, *, size: int = 2) -> dict[str, Outcome]:
    with LocalCrew(opener, size=size) as crew:
        return {outcome.item.path: outcome for outcome in dispatch((Item(path=name) for name in names), crew)}


def test_killed_workers_cost_a_try_and_deadly_recordings_only_themselves(tmp_path: Path) -> None:
    outcomes = score(["a.wav", "once.wav", "kill.wav", "bad.wav", "b.wav", "c.wav"], FakeOpener(tmp_path))
    assert {name for name, outcome in outcomes.items() if outcome.error is None} == {
        "a.wav",
        "once.wav",
        "b.wav",
        "c.wav",
    }
    assert outcomes["bad.wav"].error == "bad.wav is bad; export it again."
    killed = outcomes["kill.wav"]
    assert killed.stage == "worker"
    assert "killed by signal 9" in (killed.error or "")


def test_missing_models_are_told_once(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="models pull"):
        score(["a.wav", "b.wav"], NoModels())


def test_too_little_memory_is_told() -> None:
    with pytest.raises(ModelError, match=r"signal 9.*fewer --workers"):
        score(["a.wav", "b.wav", "c.wav"], DiesLoading())


def threads(item: Item) -> Outcome:
    """Report the environment of the process as the outcome's error."""
    return Outcome(item=item, error=os.environ.get("OMP_NUM_THREADS"))


def open_threads() -> Score:
    return threads


def test_each_worker_keeps_to_one_thread_and_this_process_is_left_alone() -> None:
    before = dict(os.environ)
    outcomes = score(["a.wav"], open_threads)
    assert outcomes["a.wav"].error == "1"
    assert dict(os.environ) == before


def test_closing_ends_workers_at_once(tmp_path: Path) -> None:
    crew = LocalCrew(FakeOpener(tmp_path, slow_s=600.0), size=1)
    outcomes = dispatch([Item(path="a.wav"), Item(path="slow.wav")], crew)
    next(outcomes)
    processes = [worker.process for worker in crew._workers.values()]
    pids = [process.pid for process in processes]
    crew.give(0, Item(path="slow.wav"))
    assert until((tmp_path / "slow").exists)
    began_s = time.monotonic()
    crew.close()
    assert time.monotonic() - began_s < 300, "and not after the 600 s that the recording takes"
    for pid in pids:
        assert pid is not None
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
