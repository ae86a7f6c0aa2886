import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.conversation.dialogues import utterance
from voicepipe.batch.items import Item
from voicepipe.batch.scoring import Scorer
from voicepipe.config import Settings
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.service import Told, turns_of
from voicepipe.speech.segment import SegmenterConfig
from voicepipe.types import Call, CallSummary, Channel, Coverage, Roles

CALM = Path(__file__).parents[2] / "voicepipe" / "samples" / "calm_caller.wav"


@pytest.mark.parametrize("padding_s", [0.0, 0.32])
def test_a_recording_is_measured_as_it_was_cut(padding_s: float) -> None:
    spans = [(Channel.CALLER, 1.0, 5.0), (Channel.AGENT, 5.4, 9.4)]
    heard = [utterance(c, 0, a - padding_s, b + padding_s) for c, a, b in spans]
    call = Call(
        call_id="call",
        started_at=datetime(2026, 11, 2, tzinfo=UTC),
        gateway="file",
        channels=(Channel.CALLER, Channel.AGENT),
        roles=Roles.GIVEN,
    )
    ended = CallSummary(call=call, duration_s=10.0, language="en", coverage=Coverage(speech_s=8.0), reason="end")

    def listen(*_: object, **__: object) -> Iterator[Told]:
        return ((event, None) for event in (*heard, ended))

    settings = Settings(analysis=AnalysisConfig(segmenter=SegmenterConfig(padding_s=padding_s)))
    listener = SimpleNamespace(
        listen=listen,
        books=None,
        turns=turns_of(settings),
        request_languages=("en",),
        versions=SimpleNamespace(model="m", transcriber="t", config="c", code="v"),
    )
    outcome = Scorer(cast("Any", listener), keep_story=False)(Item(path=str(CALM)))
    assert outcome.error is None
    told = json.loads(outcome.text.splitlines()[-1])
    assert told["conversation"]["columns"]["agent_latency_median_s"] == pytest.approx(0.4)
    assert told["request_languages"] == ["en"]
