"""Scorers that stand in for the models, picklable so that they travel to a worker."""

import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from voicepipe.batch import lines
from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.measured import measured
from voicepipe.types import (
    Call,
    CallSummary,
    Channel,
    Coverage,
    Frustration,
    HumanRequest,
    ModelError,
    Roles,
    ScoredUtterance,
    StressScore,
    Transcript,
)

TALK = (
    (Channel.AGENT, "Good morning, my name is Anna, how can I help you?", None),
    (Channel.CALLER, "I have been waiting for three weeks for my parcel.", 0.7),
    (Channel.AGENT, "I am sorry to hear that, let me check it for you.", None),
    (Channel.CALLER, "I want to speak to a supervisor.", 0.9),
    (Channel.AGENT, "I will send you a new one today.", None),
    (Channel.CALLER, "Thank you, that helps.", 0.2),
)


def scored_call(item: Item, *, turns: int = len(TALK), stress: float | None = None) -> Outcome:
    """Return a call as the models might have scored it; the same for the same item."""
    call_id = item.call_id or Path(item.path).stem
    said = []
    for index in range(turns):
        channel, text, level = TALK[index % len(TALK)]
        level = level if level is None or stress is None else stress
        said.append(
            ScoredUtterance(
                call_id=call_id,
                channel=channel,
                index=index // 2,
                start_s=5.0 * index,
                end_s=5.0 * index + 4.0,
                decided_s=5.0 * index + 4.5,
                speech_s=3.5,
                transcript=Transcript(text=text, language="en"),
                score=None if level is None else _score(level, ready=index > 2),
                frustration=None if level is None else Frustration(prob=level, words=("weeks",), model_id="fake"),
                human_request=HumanRequest(kind="supervisor", rule="ask", quote=text) if "supervisor" in text else None,
            )
        )
    return _told(item, said, duration_s=5.0 * turns + 1.0, speech_s=4.0 * turns)


def scored_rows(item: Item, rows: Sequence[Mapping[str, Any]]) -> Outcome:
    """Return a call of which the rows of `tests.batch.synthetic_run` tell the utterances."""
    said = [
        ScoredUtterance(
            call_id=item.call_id or "",
            channel=Channel(row["channel"]),
            index=row["index"],
            start_s=row["start_s"],
            end_s=row["end_s"],
            decided_s=row["end_s"] + 0.5,
            speech_s=row["speech_s"],
            transcript=Transcript(text=row["text"], language=row["language"]),
            score=None if row["stress"] is None else _score(row["stress"], ready=True),
            frustration=None
            if row["frustration"] is None
            else Frustration(prob=row["frustration"], words=(), model_id="fake"),
        )
        for row in rows
    ]
    return _told(item, said, duration_s=said[-1].end_s + 1.0, speech_s=sum(one.speech_s for one in said))


def _score(stress: float, *, ready: bool) -> StressScore:
    return StressScore(
        stress=stress,
        arousal=0.1,
        valence=-0.1,
        emotions={"anger": stress, "neutral": 1 - stress},
        confidence=0.8,
        model_id="fake",
        baseline_ready=ready,
    )


def _told(item: Item, said: Sequence[ScoredUtterance], *, duration_s: float, speech_s: float) -> Outcome:
    """Write the call down as a worker does."""
    summary = CallSummary(
        call=Call(
            call_id=said[0].call_id,
            started_at=item.started_at or datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
            gateway="file",
            channels=(Channel.CALLER, Channel.AGENT),
            roles=Roles.GIVEN,
            agent_id=item.agent,
            queue=item.queue,
            consent=item.consent,
        ),
        duration_s=duration_s,
        language=said[0].transcript.language if said[0].transcript else None,
        coverage=Coverage(speech_s=speech_s),
        reason="end",
    )
    told = [lines.utterance_line(one) for one in said]
    last = lines.call_line(summary, path=item.path, error=None) | {
        "own": dict(item.own),
        "identity": item.identity,
        "stress_model": "fake",
        "transcriber": "fake",
        "config": "0",
        "voicepipe": "0",
    }
    return Outcome(item=item, call_id=said[0].call_id, text=lines.dump([*told, measured(last, told)]), summary=summary)


@dataclass(frozen=True)
class FakeOpener:
    """Opens a scorer that does what the name of the recording says.

    ``bad`` fails; ``kill`` kills its process; ``once`` kills it the first time, as a file in `marks` remembers;
    ``slow`` takes `slow_s`. Each recording that is scored leaves a line in the file `marks`/scored.
    """

    marks: Path
    slow_s: float = 30.0
    turns: int = len(TALK)

    def __call__(self) -> "FakeScorer":
        """Return the scorer."""
        return FakeScorer(self)


class FakeScorer:
    """See `FakeOpener`."""

    def __init__(self, opener: FakeOpener) -> None:
        self._opener = opener

    def __call__(self, item: Item) -> Outcome:
        """Do what the name says."""
        name, marks = Path(item.path).stem, self._opener.marks
        if name.startswith("bad"):
            return Outcome(item=item, stage="read", error=f"{item.path} is bad; export it again.")
        if name.startswith("kill"):
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("once") and not (marks / name).exists():
            (marks / name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("slow"):
            (marks / "slow").touch()
            time.sleep(self._opener.slow_s)
        with (marks / "scored").open("a") as file:
            file.write(f"{item.path}\n")
        return scored_call(item, turns=self._opener.turns)


@dataclass(frozen=True)
class NoModels:
    """A machine without weights."""

    def __call__(self) -> FakeScorer:
        """Refuse."""
        raise ModelError("No weights: run `voicepipe models pull`.")


@dataclass(frozen=True)
class DiesLoading:
    """A machine with too little memory for the models."""

    def __call__(self) -> FakeScorer:
        """Die."""
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError
