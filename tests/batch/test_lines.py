"""The lines of JSON that others script against."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.events.calls import make_episode, make_summary
from voicepipe.batch import lines
from voicepipe.types import (
    Basis,
    Call,
    CallSummary,
    Channel,
    Coverage,
    Episode,
    EpisodeEvidence,
    EpisodeState,
    FeatureDeviation,
    Frustration,
    HumanRequest,
    Reason,
    Redaction,
    Roles,
    ScoredUtterance,
    StressScore,
    Transcript,
)

SCORE = StressScore(
    stress=0.87654321,
    arousal=0.5,
    valence=-0.25,
    emotions={"anger": 0.7, "neutral": 0.3},
    confidence=0.9,
    model_id="m",
    baseline_ready=True,
    top_features=(
        FeatureDeviation(
            name="pitch_median_st",
            value=30.125,
            unit="semitones",
            deviation=4.125,
            text="pitch 4.1 semitones above this caller's normal",
        ),
        FeatureDeviation(name="hnr_mean_db", value=float("nan"), unit="dB", deviation=float("nan"), text=""),
    ),
)


def utterance(channel: Channel, *, score: StressScore | None, transcript: Transcript | None) -> ScoredUtterance:
    return ScoredUtterance(
        call_id="c",
        channel=channel,
        index=3,
        start_s=12.00049,
        end_s=14.5,
        decided_s=14.9,
        speech_s=2.2,
        transcript=transcript,
        score=score,
    )


def test_an_utterance_of_the_caller() -> None:
    said = Transcript(text="мне нужен человек", language="ru")
    line = lines.utterance_line(utterance(Channel.CALLER, score=SCORE, transcript=said))
    assert line == {
        "type": "utterance",
        "call_id": "c",
        "channel": "caller",
        "index": 3,
        "start_s": 12.0,
        "end_s": 14.5,
        "text": "мне нужен человек",
        "language": "ru",
        "stress": 0.8765,
        "arousal": 0.5,
        "valence": -0.25,
        "emotions": {"anger": 0.7, "neutral": 0.3},
        "confidence": 0.9,
        "baseline_ready": True,
        "top_features": [
            {
                "name": "pitch_median_st",
                "value": 30.125,
                "unit": "semitones",
                "deviation": 4.125,
                "text": "pitch 4.1 semitones above this caller's normal",
            },
            {"name": "hnr_mean_db", "value": None, "unit": "dB", "deviation": None, "text": ""},
        ],
        "frustration": None,
        "human_request": None,
        "redactions": [],
        "rejected": None,
        "decided_s": 14.9,
        "speech_s": 2.2,
    }
    assert json.loads(lines.dump([line])) == line


def test_the_agent_has_null_for_everything_acoustic() -> None:
    said = Transcript(text="hello", language="en")
    line = lines.utterance_line(utterance(Channel.AGENT, score=None, transcript=said))
    assert line["text"] == "hello"
    acoustic = ("stress", "arousal", "valence", "emotions", "confidence", "baseline_ready", "top_features")
    for field in (*acoustic, "frustration", "human_request"):
        assert line[field] is None, field


def test_what_was_not_transcribed_has_no_text() -> None:
    line = lines.utterance_line(utterance(Channel.CALLER, score=SCORE, transcript=None))
    assert line["text"] is None
    assert line["language"] is None
    assert line["stress"] == 0.8765


def test_an_episode_and_a_call() -> None:
    episode = Episode(
        call_id="c",
        channel=Channel.CALLER,
        index=0,
        state=EpisodeState.OPENED,
        opened_s=30.0,
        closed_s=None,
        at_s=61.2345,
        peak=0.9,
        mean=0.8,
        reasons=(Reason.STRESS_PERSISTED,),
        evidence=EpisodeEvidence(
            log_e=5.0,
            log_e_voice=4.0,
            log_e_threshold=4.6,
            false_alarms_per_100_call_hours=1.0,
            stressed_speech_s=20.0,
            utterances=(4, 5, 6),
        ),
    )
    assert lines.episode_line(episode) == {
        "type": "episode",
        "call_id": "c",
        "channel": "caller",
        "state": "opened",
        "opened_s": 30.0,
        "closed_s": None,
        "at_s": pytest.approx(61.234, abs=0.0011),
        "peak": 0.9,
        "mean": 0.8,
        "reasons": ["stress_persisted"],
        "index": 0,
        "closed_by": None,
        "log_e": 5.0,
        "log_e_voice": 4.0,
        "log_e_words": None,
        "log_e_threshold": 4.6,
        "false_alarms_per_100_call_hours": 1.0,
        "stressed_speech_s": 20.0,
        "utterances": [4, 5, 6],
    }
    summary = CallSummary(
        call=Call(
            call_id="c",
            started_at=datetime(2026, 11, 2, tzinfo=UTC),
            gateway="file",
            channels=(Channel.AGENT, Channel.CALLER),
            roles=Roles.GIVEN,
            agent_id="ag-7",
            queue="billing",
            consent="announced",
            basis=Basis.NOTICE,
        ),
        duration_s=90.0,
        language="en",
        coverage=Coverage(speech_s=10.0, shed_s={"caller_transcript": 1.0, "embedding": 2.0}),
        reason="end",
    )
    assert lines.call_line(summary, path="a.wav", error=None) == {
        "type": "call",
        "call_id": "c",
        "path": "a.wav",
        "duration_s": 90.0,
        "roles": "given",
        "channels": ["agent", "caller"],
        "language": "en",
        "coverage": 0.8,
        "error": None,
        "started_at": "2026-11-02T00:00:00+00:00",
        "agent": "ag-7",
        "queue": "billing",
        "consent": "announced",
        "consent_basis": "notice",
        "speech_s": 10.0,
    }


def test_a_recording_that_could_not_be_read_has_its_line_too() -> None:
    line = lines.failed_line(path="b.wav", error="b.wav is empty.")
    assert line["type"] == "call"
    assert line["error"] == "b.wav is empty."
    assert set(line) == {
        "type", "call_id", "path", "duration_s", "roles", "channels", "language", "coverage", "error",
        "started_at", "agent", "queue", "consent", "consent_basis", "speech_s",
    }  # fmt: skip


def test_a_line_brings_back_the_utterance_that_it_tells() -> None:
    told = ScoredUtterance(
        call_id="c",
        channel=Channel.CALLER,
        index=3,
        start_s=12.0,
        end_s=14.5,
        decided_s=14.9,
        speech_s=2.2,
        transcript=Transcript(
            text="my card is [card], a supervisor please",
            language="en",
            redacted=True,
            redactions=(Redaction(kind="card", start=0, end=0),),
        ),
        score=StressScore(
            stress=0.8765,
            arousal=0.5,
            valence=-0.25,
            emotions={"anger": 0.7, "neutral": 0.3},
            confidence=0.9,
            model_id="",
            baseline_ready=True,
        ),
        human_request=HumanRequest(kind="supervisor", rule="ask", quote="a supervisor please"),
        frustration=Frustration(prob=0.25, words=("please",), model_id="f"),
    )
    assert lines.read_utterance(json.loads(lines.dump([lines.utterance_line(told)]))) == told
    bare = utterance(Channel.AGENT, score=None, transcript=None)
    assert lines.utterance_line(lines.read_utterance(lines.utterance_line(bare))) == lines.utterance_line(bare)


def test_the_readme_lists_every_field() -> None:
    """The lines are an interface: what is in them is promised, and what is promised is in them."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    promised = {
        kind: names.split()
        for kind, names in re.findall(r"^\| `(utterance|episode|call)` \| `([^`]+)`", readme, re.MULTILINE)
    }
    written = (
        lines.utterance_line(utterance(Channel.CALLER, score=SCORE, transcript=None)),
        lines.episode_line(make_episode()),
        lines.call_line(make_summary(), path="a.wav", error=None),
    )
    assert promised == {str(line["type"]): [name for name in line if name != "type"] for line in written}
