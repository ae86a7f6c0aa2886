"""Logs and metrics: what they carry, and what they never carry."""

import io
import json
import logging
import re
from datetime import UTC, datetime

import numpy as np
import pytest

from voicepipe.ports import CallObserver
from voicepipe.telemetry import LOG_FIELDS, Telemetry, Waiting
from voicepipe.types import (
    AudioChunk,
    AudioInputError,
    Call,
    CallStarted,
    CallSummary,
    Channel,
    Coverage,
    Roles,
    ScoredUtterance,
    Transcript,
)

CALL = Call(
    call_id="call-1",
    started_at=datetime(2026, 11, 2, 9, 30, tzinfo=UTC),
    gateway="twilio",
    channels=(Channel.CALLER,),
    roles=Roles.GIVEN,
    agent_id="secret-agent",
)


def told() -> tuple[Telemetry, io.StringIO]:
    out = io.StringIO()
    telemetry = Telemetry(out=out)
    observer: CallObserver = telemetry
    observer.on_media(CallStarted(call=CALL))
    observer.on_media(
        AudioChunk(
            call_id="call-1",
            channel=Channel.CALLER,
            first_sample=0,
            sample_rate_hz=8000,
            samples=np.zeros(4000, np.float32),
        )
    )
    observer.on_call_event(
        ScoredUtterance(
            call_id="call-1",
            channel=Channel.CALLER,
            index=0,
            start_s=1.0,
            end_s=3.0,
            decided_s=3.5,
            speech_s=1.8,
            transcript=Transcript(text="my secret word", language="en"),
            score=None,
        )
    )
    observer.on_call_event(
        CallSummary(call=CALL, duration_s=9.0, language="en", coverage=Coverage(speech_s=2.0), reason="stop")
    )
    observer.on_stage("recognize", 0.12)
    observer.on_shed("agent_transcript", 4.0)
    observer.on_connection("twilio", "accepted", client="acme")
    observer.on_connection("twilio", "unauthorized", reason="No token.")
    observer.on_faults("twilio", 3)
    observer.on_failure("understand", RuntimeError("my secret word"))
    observer.on_failure("frame", AudioInputError("The caller track has 96 kHz."))
    telemetry.log("ready", transcript="my secret word", place="127.0.0.1:8780")
    return telemetry, out


def test_log_lines_are_json_with_allowed_fields_only_and_no_call_content() -> None:
    _, out = told()
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [line["event"] for line in lines] == [
        "call started", "call ended", "connection", "failure", "failure", "ready",
    ]  # fmt: skip
    assert set().union(*lines) <= LOG_FIELDS
    assert "secret" not in out.getvalue()
    assert lines[1]["coverage"] == 1.0
    assert lines[3]["error"] == "RuntimeError"
    assert lines[4]["error"] == "The caller track has 96 kHz."


def test_what_libraries_log_becomes_lines_without_what_was_filled_in() -> None:
    out = io.StringIO()
    library = logging.getLogger("some.library")
    with Telemetry(out=out).with_libraries():
        library.warning("Bad request from %s.", "my secret word")
        library.info("not worth a line")
        library.error(ValueError("my secret word"))
        try:
            raise KeyError("my secret word")
        except KeyError:
            library.exception("It broke\nwhile saying: my secret word")
    library.warning("too late, for %s", "a line of its own")
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(line["event"], line["where"], line["level"]) for line in lines] == [
        ("library", "some.library", "warning"),
        ("library", "some.library", "error"),
        ("library", "some.library", "error"),
    ]
    assert lines[0]["reason"] == "Bad request from %s."
    assert lines[2]["reason"] == "It broke"
    assert re.fullmatch(r"KeyError at test_telemetry\.py:\d+", lines[2]["error"])
    assert set().union(*lines) <= LOG_FIELDS
    assert "secret" not in out.getvalue()


class Stream(io.StringIO):
    """A stream that fails like standard error on a full disk, until there is room."""

    error: Exception | None = None

    def write(self, text: str, /) -> int:
        if self.error is not None:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), BrokenPipeError(32, "Broken pipe"), ValueError("closed file")]
)
def test_a_line_that_cannot_be_written_is_dropped_and_counted(error: Exception) -> None:
    out = Stream()
    telemetry = Telemetry(out=out)
    out.error = error
    telemetry.on_media(CallStarted(call=CALL))
    telemetry.on_failure("understand", RuntimeError())
    out.error = None
    telemetry.log("ready")
    assert [json.loads(line)["event"] for line in out.getvalue().splitlines()] == ["ready"]
    assert "voicepipe_log_lines_dropped_total 2.0" in telemetry.metrics().decode()


def test_metrics_count_and_carry_no_call_content() -> None:
    telemetry, _ = told()
    telemetry.watch(calls=lambda: 7, waiting=lambda: 5)
    telemetry.watch_outbox(lambda: [Waiting(sink="kafka", pending=2, oldest_age_s=1.5)])
    text = telemetry.metrics().decode()
    for sample in (
        'voicepipe_calls_total{gateway="twilio"} 1.0',
        'voicepipe_audio_seconds_total{channel="caller"} 0.5',
        'voicepipe_utterances_total{channel="caller"} 1.0',
        'voicepipe_speech_seconds_total{channel="caller"} 2.0',
        'voicepipe_stage_seconds_bucket{le="0.2",stage="recognize"} 1.0',
        'voicepipe_shed_seconds_total{kind="agent_transcript"} 4.0',
        'voicepipe_connections_total{outcome="unauthorized",protocol="twilio"} 1.0',
        'voicepipe_decode_errors_total{protocol="twilio"} 3.0',
        'voicepipe_failures_total{where="understand"} 1.0',
        "voicepipe_coverage_ratio_count 1.0",
        "voicepipe_calls_live 7.0",
        "voicepipe_queue_utterances 5.0",
        'voicepipe_events_pending{sink="kafka"} 2.0',
        'voicepipe_events_oldest_age_seconds{sink="kafka"} 1.5',
        "process_resident_memory_bytes",
    ):
        assert sample in text
    assert "secret" not in text
    assert "call-1" not in text
