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
from voicepipe.consent import decide
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
        may_read=lambda call: True,
        versions=SimpleNamespace(model="m", transcriber="t", config="c", code="v"),
    )
    outcome = Scorer(cast("Any", listener), keep_story=False)(Item(path=str(CALM)))
    assert outcome.error is None
    told = json.loads(outcome.text.splitlines()[-1])
    assert told["conversation"]["columns"]["agent_latency_median_s"] == pytest.approx(0.4)
    assert told["request_languages"] == ["en"]


@pytest.mark.parametrize("consent", ["announced", "declined"])
def test_without_consent_words_are_written_down_and_not_judged(consent: str) -> None:
    """`docs/consent_and_law.md`: what was said, by whom and when; neither estimates nor a handoff are made of it."""
    dialogue = [
        (Channel.AGENT, "Good morning, my name is [name], how can I help you?"),
        (Channel.CALLER, "I want my money back. I have called three times already, and nobody called me back."),
        (Channel.AGENT, "I am sorry to hear that. I will send you the form today, thank you for your patience."),
        (Channel.CALLER, "Will you really do that this time? I want it by Friday."),
    ]
    heard = [utterance(c, i // 2, 6.0 * i, 6.0 * i + 5.0, text) for i, (c, text) in enumerate(dialogue)]
    call = Call(
        call_id="call",
        started_at=datetime(2026, 11, 2, tzinfo=UTC),
        gateway="file",
        channels=(Channel.CALLER, Channel.AGENT),
        roles=Roles.GIVEN,
        consent=consent,
    )
    ended = CallSummary(call=call, duration_s=24.0, language="en", coverage=Coverage(speech_s=20.0), reason="end")
    settings = Settings()
    listener = SimpleNamespace(
        listen=lambda *_, **__: ((event, None) for event in (*heard, ended)),
        books=None,
        turns=turns_of(settings),
        request_languages=("en",),
        may_read=lambda call: decide(call, config=settings.analysis.consent).words,
        versions=SimpleNamespace(model="m", transcriber="t", config="c", code="v"),
    )
    outcome = Scorer(cast("Any", listener), keep_story=False)(Item(path=str(CALM), consent=consent))
    *said, told = map(json.loads, outcome.text.splitlines())
    columns, signals = told["conversation"]["columns"], told["conversation"]["signals"]
    quoted = [
        columns.get(name) or [] for name in ("wants", "tried", "promises", "amounts", "open_question", "warmth_quotes")
    ]
    assert [line["text"] for line in said] == [text for _, text in dialogue]
    assert columns["agent_turns"] == 2, "when who spoke is no judgement"
    if consent == "announced":
        assert all(quoted[:1])
        assert columns["warmth"] is not None
        assert told["request_languages"] == ["en"]
    else:
        assert quoted == [[]] * len(quoted)
        assert columns["warmth"] is None
        assert not [signal for signal in signals if signal["quotes"]]
        assert not {"contacts", "resolved", "thanks", "unresolved", "human_request"} & {one["name"] for one in signals}
        assert told["request_languages"] == []
