"""A run from its inputs to its tables, with a scorer that stands in for the models."""

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.batch.workers import FakeOpener, NoModels, scored_call
from tests.patience import until
from voicepipe.batch import run as module
from voicepipe.batch.columns import TABLES
from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.run import RunOptions, facts_of, score_into
from voicepipe.batch.runner import Done, News, OpenScorer, Ready
from voicepipe.batch.surveys import Surveys
from voicepipe.batch.tables import Totals
from voicepipe.config import Settings
from voicepipe.conversation import Conversation, measure_conversation
from voicepipe.events.config import KafkaConfig
from voicepipe.events.store import Store
from voicepipe.service import Courier
from voicepipe.types import CallEvent, CallStarted, ConfigError, ModelError, StoreError

SETTINGS = Settings()
NOW = datetime(2026, 11, 2, 9, 30, tzinfo=UTC)


class Night:
    """Recordings to score, a folder for results, and what was said."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root = root
        self.folder = root / "night"
        self.out = root / "out"
        self.said: list[str] = []
        self.folder.mkdir()
        for name in names:
            (self.folder / f"{name}.wav").write_text(name)

    def score(
        self,
        *inputs: str,
        opener: OpenScorer | None = None,
        settings: Settings = SETTINGS,
        deliver: bool = False,
        **options: object,
    ) -> int:
        return score_into(
            inputs or [str(self.folder)],
            settings=settings,
            options=RunOptions(out=self.out, workers=2, **options),  # type: ignore[arg-type]
            deliver=deliver,
            say=self.said.append,
            open_scorer=opener or FakeOpener(self.root),
        )

    @property
    def scored(self) -> list[str]:
        path = self.root / "scored"
        return sorted(Path(line).stem for line in path.read_text().splitlines()) if path.exists() else []

    def table(self, name: str) -> list[dict[str, object]]:
        rows: list[dict[str, object]] = pq.read_table(self.out / f"{name}.parquet").to_pylist()
        return rows


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path, ["a", "b", "c", "bad", "kill"])


def test_one_short_call_is_summed_up_as_one() -> None:
    said: list[str] = []
    module._sum_up(Totals(calls=1, call_s=21.0), Path("out"), say=said.append)
    assert said == ["out: 1 call, 21 s of audio, 0 with an alert; none failed."]


@pytest.mark.parametrize(
    ("stages", "told"),
    [
        ({"decode": 1, "read": 9, "score": 1}, "10 could not be scored (9 in read, 1 in score), 1 only in part"),
        ({"decode": 2}, "2 scored only in part"),
    ],
)
def test_what_was_scored_in_part_is_summed_up_as_such(stages: dict[str, int], told: str) -> None:
    said: list[str] = []
    module._sum_up(Totals(calls=17, call_s=60.0, stages=stages), Path("out"), say=said.append)
    assert said == [f"out: 17 calls, 60 s of audio, 0 with an alert; {told}; errors.parquet says why."]


def test_a_night_with_failures(night: Night) -> None:
    assert night.score(str(night.folder), str(night.folder / "*.opus")) == 3
    assert [row["call_id"] for row in night.table("calls")] == ["a", "b", "c"]
    assert {(Path(str(row["path"])).stem, row["stage"]) for row in night.table("errors")} == {
        ("*", "read"),
        ("bad", "read"),
        ("kill", "worker"),
    }
    assert len(night.table("utterances")) == 18
    summary = night.said[-1]
    assert "3 calls" in summary
    assert "3 could not be scored (2 in read, 1 in worker); errors.parquet says why" in summary
    assert any("bad.wav is bad" in sentence for sentence in night.said)
    assert sorted(path.name for path in night.out.iterdir()) == sorted(
        ["calls", "run.json", *(f"{table.name}.parquet" for table in TABLES)]
    )


def test_going_on_scores_what_is_missing_changed_or_failed_and_nothing_else(night: Night) -> None:
    night.score(limit=2)
    first = night.scored
    assert len(first) == 2
    (night.folder / "bad.wav").rename(night.folder / "good.wav")
    (night.folder / "kill.wav").unlink()
    assert night.score(resume=True, csv=True) == 0
    assert night.scored == ["a", "b", "c", "good"]
    assert "2 of 4 recordings are scored already." in night.said
    assert (night.out / "calls.csv").exists()
    (night.folder / "a.wav").write_text("a new recording under the old name")
    assert night.score(resume=True) == 0
    assert night.scored == ["a", "a", "b", "c", "good"]
    assert night.score(resume=True) == 0
    assert night.scored == ["a", "a", "b", "c", "good"]
    assert len(night.table("calls")) == 4


def test_earlier_results_are_not_overwritten_nor_mixed(night: Night) -> None:
    night.score(limit=1)
    with pytest.raises(ConfigError, match="--resume"):
        night.score()
    other = SETTINGS.model_copy(update={"whisper": replace(SETTINGS.whisper, compute_type="float32")})
    with pytest.raises(ConfigError, match=r"whisper\.compute_type was int8, is float32"):
        night.score(resume=True, settings=other)


def test_facts_name_models_settings_and_version() -> None:
    facts = facts_of(SETTINGS)
    assert facts["whisper_model"] == "base"
    assert facts["stress_model"].startswith(f"{SETTINGS.stress_model.name} (")
    assert any(name.startswith("analysis.episode.") for name in facts)
    assert not any("kafka" in name or "store" in name for name in facts)


def test_it_ends_with_the_first_failure_where_asked_to(night: Night) -> None:
    for index in range(40):
        (night.folder / f"bad{index}.wav").touch()
    assert night.score(fail_fast=True) == 1
    assert len(night.table("errors")) == 1


def test_a_manifest_brings_its_columns(night: Night) -> None:
    manifest = night.folder / "m.csv"
    manifest.write_text("path,call_id,agent,queue,campaign\na.wav,c-1,Anna,billing,spring\nb.wav,c-2,Bea,sales,\n")
    assert night.score(str(manifest)) == 0
    rows = night.table("calls")
    assert [(row["call_id"], row["agent"], row["own_campaign"]) for row in rows] == [
        ("c-1", "Anna", "spring"),
        ("c-2", "Bea", ""),
    ]
    assert [row["agent"] for row in night.table("agents")] == ["Anna", "Bea"]


def test_a_bad_manifest_stops_it_before_any_work(night: Night) -> None:
    manifest = night.folder / "m.csv"
    manifest.write_text("path\na.wav\n../outside.wav\n")
    with pytest.raises(ConfigError, match="outside"):
        night.score(str(manifest))
    assert not night.out.exists()


def test_one_call_in_two_recordings_costs_the_second_one(night: Night) -> None:
    (night.folder / "later").mkdir()
    (night.folder / "later" / "a.wav").write_text("a")
    night.score()
    errors = {Path(str(row["path"])).name: row for row in night.table("errors")}
    assert errors["a.wav"]["stage"] == "write"
    assert "same call" in str(errors["a.wav"]["error"])
    assert len(night.table("calls")) == 3


def test_surveys_that_are_too_few_leave_the_index(night: Night) -> None:
    answers = night.root / "answers.csv"
    answers.write_text("call_id,csat\na,5\n")
    assert night.score(str(night.folder / "a.wav"), surveys=Surveys.read(answers)) == 1
    assert "30 are needed" in night.said[-1]
    assert [row["service_kind"] for row in night.table("calls")] == ["index"]


def test_missing_models_end_the_run(night: Night) -> None:
    with pytest.raises(ModelError, match="models pull"):
        night.score(opener=NoModels())
    assert night.score(resume=True) == 2, "and it can go on"


SCRIPT = """
import signal
import sys
from pathlib import Path
from tests.batch.workers import FakeOpener
from voicepipe.batch.run import RunOptions, score_into
from voicepipe.config import Settings
from voicepipe.conversation import Conversation, measure_conversation

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # what shells start in the background ignores it
    root = Path(sys.argv[1])
    score_into(
        [str(root / "night")], settings=Settings(), options=RunOptions(out=root / "out", workers=2, resume=True),
        open_scorer=FakeOpener(root, slow_s=600.0), deliver=False,
        say=lambda sentence: print(sentence, file=sys.stderr),
    )
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_and_started_again_it_scores_nothing_twice(tmp_path: Path, how: signal.Signals) -> None:
    night = Night(tmp_path, ["a", "b", "slow", "z"])
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    process = subprocess.Popen(
        [sys.executable, script, tmp_path],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        env=environment,
        text=True,
    )
    others = (tmp_path / "slow", night.out / "calls" / "z.jsonl")
    assert until(lambda: process.poll() is not None or all(path.exists() for path in others))
    assert process.poll() is None
    process.send_signal(how)
    _, said = process.communicate(timeout=300)  # it ends at once and its workers with it, not after 600 s
    if how is signal.SIGINT:
        assert "Interrupted: 3 of 4 recordings are scored and kept" in said
        assert "--resume" in said
    assert not (night.out / "calls.parquet").exists()
    assert night.scored == ["a", "b", "z"]
    assert night.score(resume=True, opener=FakeOpener(tmp_path, slow_s=0.0)) == 0
    assert night.scored == ["a", "b", "slow", "z"]
    assert len(night.table("calls")) == 4


def test_a_disk_that_fills_up(tmp_path: Path) -> None:
    """A real small file system, where one may be mounted."""
    night = Night(tmp_path, [f"c{index:03}" for index in range(60)])
    night.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", night.out]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("no file system may be mounted here")
    try:
        with pytest.raises(StoreError, match=r"No space left on device.*go on with --resume"):
            night.score()
        kept = sorted(path.name for path in (night.out / "calls").iterdir())
        assert kept
        for name in kept:
            assert (night.out / "calls" / name).read_text().endswith("}\n"), "whole, or not there"
        subprocess.run(["mount", "-o", "remount,size=64m", night.out], check=True)
        assert night.score(resume=True) == 0
        assert len(night.table("calls")) == 60
        assert len(night.scored) <= 62, "at most what the two workers held is scored again"
    finally:
        subprocess.run(["umount", "--lazy", night.out], check=True)


class TellingOpener(FakeOpener):
    """Scorers that bring home that each call began."""

    def __call__(self) -> Callable[[Item], Outcome]:  # type: ignore[override]
        score = super().__call__()

        def scored(item: Item) -> Outcome:
            outcome = score(item)
            assert outcome.summary is not None
            return replace(outcome, story=((CallStarted(call=outcome.summary.call), None),))

        return scored


def test_a_store_that_takes_no_events_costs_none(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be told of is scored and told again: `--resume` passes over no recording of untold events."""
    monkeypatch.setattr(module, "FLUSH_S", 0.05)
    url = f"sqlite:///{night.root}/s.sqlite"
    settings = Settings(store_url=url, kafka=KafkaConfig(bootstrap_servers="127.0.0.1:9"))

    def score(*, resume: bool) -> int:
        opener = TellingOpener(night.root)
        return night.score(opener=opener, settings=settings, deliver=True, resume=resume)

    def full(courier: Courier, event: CallEvent, reroute: object) -> None:
        raise StoreError("The disk of the store is full.")

    for name in ("bad", "kill"):
        (night.folder / f"{name}.wav").unlink()
    with monkeypatch.context() as patched:
        patched.setattr(Courier, "record", full)
        with pytest.raises(StoreError, match="full"):
            score(resume=False)
    assert score(resume=True) == 1, "the broker is away, the calls are scored"
    with Store.open(night.root / "s.sqlite", sinks=["kafka"], clock=lambda: NOW) as store:
        assert set(store.calls_of()) == {"a", "b", "c"}
        assert store.depth("kafka").pending == 3


class InlineCrew:
    """A worker in this process, so that memory is counted in one place."""

    size = 1

    def __init__(self) -> None:
        self._news: list[News] = []

    def __enter__(self) -> "InlineCrew":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def hire(self) -> int:
        self._news.append(Ready(0))
        return 0

    def give(self, worker: int, item: Item) -> None:
        self._news.append(Done(worker, scored_call(item, turns=2)))

    def wait(self) -> list[News]:
        news, self._news = self._news, []
        return news

    def close(self) -> None:
        pass


class Interrupted:
    """Somebody presses Ctrl-C while this is thrown away: there Python swallows what a handler raises."""

    def __del__(self) -> None:
        signal.raise_signal(signal.SIGINT)


class CrewOfInterrupted(InlineCrew):
    """Ctrl-C is pressed as often as said when the first recording is done."""

    def __init__(self, *presses: Callable[[], object]) -> None:
        super().__init__()
        self._presses = list(presses)

    def wait(self) -> list[News]:
        news = super().wait()
        if any(isinstance(one, Done) for one in news):
            while self._presses:
                self._presses.pop(0)()
        return news


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to Ctrl-C, also where the tests were started in the background and ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize(
    ("presses", "scored"),
    [
        ([press], 1),
        ([Interrupted], 1),
        ([Interrupted, press], 0),  # the second one is not waited for
    ],
    ids=["once", "where_it_would_be_lost", "twice"],
)
def test_no_interruption_is_lost(
    night: Night, monkeypatch: pytest.MonkeyPatch, presses: list[Callable[[], object]], scored: int
) -> None:
    monkeypatch.setattr(module, "_crew", lambda *args, **known: CrewOfInterrupted(*presses))
    with pytest.raises(KeyboardInterrupt):
        night.score()
    (told,) = [sentence for sentence in night.said if "Interrupted" in sentence]
    assert told.startswith(f"Interrupted: {scored} of 5 recordings are scored")
    assert len(list((night.out / "calls").iterdir())) == scored
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.usefixtures("ctrl_c")
def test_a_run_that_is_interrupted_at_its_end_says_so(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_crew", lambda *args, **known: CrewOfInterrupted(press))
    with pytest.raises(KeyboardInterrupt):
        night.score(str(night.folder / "a.wav"))
    assert "Interrupted: 1 of 1 recording is scored" in night.said[-1]


class CopyingCrew(InlineCrew):
    """Tells of every recording the same call under its own name: to make one up takes as long as to keep it."""

    def __init__(self) -> None:
        super().__init__()
        pattern = scored_call(Item(path="#path#.wav", version="1:1", agent="#agent#"), turns=2)
        self._pattern = replace(pattern, summary=None)  # which would only be shown

    def give(self, worker: int, item: Item) -> None:
        name = Path(item.path).stem
        text = self._pattern.text.replace("#path#", name).replace("#agent#", str(item.agent))
        self._news.append(Done(worker, replace(self._pattern, item=item, call_id=name, text=text)))


def score_made_up(count: int, out: Path) -> int:
    """Score recordings that are not there, with workers that only pretend; return the peak memory in MB."""
    measured: list[Conversation] = []

    def made_up(inputs: Sequence[str], **known: object) -> Iterator[Item]:
        return (Item(path=f"{index}.wav", version="1:1", agent=f"agent {index % 50}") for index in range(count))

    def measure_once(*args: object, **known: object) -> Conversation:
        if not measured:
            measured.append(measure_conversation(*args, **known))  # type: ignore[arg-type]
        return measured[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "list_items", made_up)
        patch.setattr(module, "_crew", lambda *args, **known: CopyingCrew())
        patch.setattr("voicepipe.batch.measured.measure_conversation", measure_once)
        patch.setattr("voicepipe.batch.results.os.fsync", lambda descriptor: None)
        patch.setattr("voicepipe.batch.tables.ROWS_AT_A_TIME", 500)
        options = RunOptions(out=out)
        assert score_into(["x"], settings=SETTINGS, options=options, deliver=False, say=lambda text: None) == 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@pytest.mark.slow
def test_memory_stays_flat_however_many_recordings(tmp_path: Path) -> None:
    """Of each recording about half a kilobyte is kept, by which it is known again: its name and a few digests.

    Both runs are so long that a table is written many times over: what else is held does not depend on the length.
    """
    counts, peaks_mb = (2_000, 22_000), []
    for count in counts:
        out = tmp_path / str(count)
        script = f"from tests.batch.test_run import *; print('peak', score_made_up({count}, Path({str(out)!r})))"
        done = subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=Path(__file__).parents[2]
        )
        peaks_mb.append(int(done.stdout.split()[-1]))
        assert pq.read_metadata(out / "calls.parquet").num_rows == count
    print(f"peak memory with {counts} recordings: {peaks_mb} MB")
    assert peaks_mb[1] - peaks_mb[0] < 25, peaks_mb  # a kilobyte more of each would make it 37
