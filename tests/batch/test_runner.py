"""Recordings handed to workers: whatever the workers do, every recording has one outcome."""

import random
from collections import deque
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.runner import ATTEMPTS, Done, Lost, News, Ready, Unable, dispatch
from voicepipe.types import ModelError


class FakeCrew:
    """Workers that die at random, idle ones too; one news at a time, in any order."""

    def __init__(self, *, size: int, seed: int = 0, deadly: frozenset[str] = frozenset(), risk: float = 0.0) -> None:
        self.size = size
        self.deadly = deadly
        self.risk = risk
        self.rng = random.Random(seed)
        self.starting: list[int] = []
        self.idle: list[int] = []
        self.busy: dict[int, Item] = {}
        self.hired = 0
        self.given: list[str] = []
        self.most = 0

    def hire(self) -> int:
        self.hired += 1
        self.starting.append(self.hired)
        self.most = max(self.most, len(self.starting) + len(self.idle) + len(self.busy))
        return self.hired

    def give(self, worker: int, item: Item) -> None:
        self.idle.remove(worker)
        self.busy[worker] = item
        self.given.append(item.path)

    def wait(self) -> list[News]:
        worker = self.rng.choice([*self.starting, *self.busy, *(self.idle if self.rng.random() < self.risk else [])])
        if worker in self.starting:
            self.starting.remove(worker)
            self.idle.append(worker)
            return [Ready(worker)]
        if worker in self.idle:
            self.idle.remove(worker)
            return [Lost(worker, "killed by signal 9")]
        item = self.busy.pop(worker)
        if item.path in self.deadly or self.rng.random() < self.risk:
            return [Lost(worker, "killed by signal 9")]
        self.idle.append(worker)
        return [Done(worker, Outcome(item=item))]

    def close(self) -> None:
        pass


def items(n: int) -> list[Item]:
    return [Item(path=f"{index}.wav") for index in range(n)]


@given(n=st.integers(0, 40), size=st.integers(1, 5), seed=st.integers(0, 10_000), risk=st.sampled_from([0.0, 0.2, 0.6]))
def test_every_recording_has_one_outcome_whoever_dies(n: int, size: int, seed: int, risk: float) -> None:
    crew = FakeCrew(size=size, seed=seed, risk=risk)
    outcomes = list(dispatch(items(n), crew))
    assert sorted(outcome.item.path for outcome in outcomes) == sorted(item.path for item in items(n))
    assert crew.most <= size
    assert max((crew.given.count(item.path) for item in items(n)), default=0) <= ATTEMPTS
    if risk == 0.0:
        assert all(outcome.error is None for outcome in outcomes)


def test_a_recording_that_kills_is_tried_again_and_then_fails_alone() -> None:
    crew = FakeCrew(size=2, deadly=frozenset({"3.wav"}))
    outcomes = {outcome.item.path: outcome for outcome in dispatch(items(6), crew)}
    assert len(outcomes) == 6
    assert crew.given.count("3.wav") == ATTEMPTS
    failed = outcomes.pop("3.wav")
    assert failed.stage == "worker"
    assert failed.error is not None
    assert "3.wav" in failed.error
    assert "signal 9" in failed.error
    assert all(outcome.error is None for outcome in outcomes.values())


def test_no_more_are_taken_in_advance_than_there_are_workers() -> None:
    taken = 0

    def source() -> Iterator[Item]:
        nonlocal taken
        for item in items(1000):
            taken += 1
            yield item

    for done, _ in enumerate(dispatch(source(), FakeCrew(size=3)), start=1):
        assert taken - done <= 2 * 3


def test_no_more_workers_start_than_there_are_recordings() -> None:
    crew = FakeCrew(size=8)
    assert len(list(dispatch(items(2), crew))) == 2
    assert crew.hired == 2


def test_workers_that_die_loading_end_the_run() -> None:
    class DyingCrew(FakeCrew):
        def wait(self) -> list[News]:
            return [Lost(self.starting.pop(), "killed by signal 9")]

    with pytest.raises(ModelError, match="fewer --workers"):
        list(dispatch(items(5), DyingCrew(size=2)))


def test_models_that_are_missing_end_the_run() -> None:
    class LackingCrew(FakeCrew):
        def wait(self) -> list[News]:
            return [Unable(self.starting.pop(), ModelError("no weights"))]

    with pytest.raises(ModelError, match="no weights"):
        list(dispatch(items(5), LackingCrew(size=2)))


def test_a_death_that_comes_with_the_next_order_costs_only_a_try() -> None:
    class LateCrew(FakeCrew):
        """The worker dies idle; the crew learns of it only after it was given the next recording."""

        def __init__(self) -> None:
            super().__init__(size=1)
            self.script: deque[str] = deque(["ready", "done", "lost", "ready", "done"])

        def wait(self) -> list[News]:
            match self.script.popleft():
                case "ready":
                    self.idle.append(self.starting.pop())
                    return [Ready(self.idle[-1])]
                case "done":
                    worker, item = self.busy.popitem()
                    self.idle.append(worker)
                    return [Done(worker, Outcome(item=item))]
                case _:
                    worker, _ = self.busy.popitem()
                    return [Lost(worker, "gone")]

    outcomes = list(dispatch(items(2), LateCrew()))
    assert [outcome.error for outcome in outcomes] == [None, None]
