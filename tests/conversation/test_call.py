import time

import pytest

from tests.conversation.dialogues import LANGUAGES, caller_and_agent, dialogues, utterance
from voicepipe.conversation import TurnConfig, handoff, measure_conversation
from voicepipe.conversation.silence import SilenceReason
from voicepipe.types import Channel

A, C = Channel.AGENT, Channel.CALLER


@pytest.mark.parametrize("language", LANGUAGES)
def test_live_so_far_equals_batch_of_the_same_utterances(language: str) -> None:
    for dialogue in dialogues(language):
        so_far = dialogue.utterances[: len(dialogue.utterances) // 2]
        live = measure_conversation(so_far, duration_s=dialogue.duration_s, channels=(C, A), ended=False)
        batch = measure_conversation(
            tuple(reversed(so_far)), duration_s=dialogue.duration_s, channels=(C, A), ended=False
        )
        assert live == batch
        assert live.handoff == handoff(dialogue.utterances, at_s=so_far[-1].decided_s)


def test_words_that_ask_to_wait_make_the_silence_the_agents() -> None:
    heard = caller_and_agent("caller: My bill is wrong.", "agent: Let me check that for you.")
    later = caller_and_agent("agent: So, it was an estimate.")[0]
    shifted = type(later)(
        **{name: getattr(later, name) for name in later.__slots__} | {"index": 1, "start_s": 30.0, "end_s": 33.0}
    )
    turns = measure_conversation([*heard, shifted], duration_s=35.0, channels=(C, A)).turns
    assert turns.silences is not None
    assert [(s.owner, s.reason) for s in turns.silences] == [(A, SilenceReason.HOLD)]


@pytest.mark.parametrize("padding_s", [0.0, 0.16, 0.32, 0.45])
def test_latency_is_what_it_is_whatever_the_segmenter_keeps_around_speech(padding_s: float) -> None:
    spans = [(C, 1.0, 5.0), (A, 5.4, 9.4), (C, 9.8, 14.0), (A, 14.4, 18.6)]
    heard = [utterance(c, k // 2, a - padding_s, b + padding_s) for k, (c, a, b) in enumerate(spans)]
    config = TurnConfig(padding_s=padding_s)
    turns = measure_conversation(heard, duration_s=20.0, channels=(C, A), config=config).turns
    assert turns.overlap_s == pytest.approx(0.0)
    assert [side.latency_median_s for side in turns.sides] == pytest.approx([0.4, 0.4])


def test_a_very_long_call_takes_a_moment() -> None:
    lines = [f"{u.channel.value}: {u.transcript.text}" for d in dialogues("en") for u in d.utterances if u.transcript]
    utterances = caller_and_agent(*(lines * 20))
    measure_conversation(utterances[:50], duration_s=100.0, channels=(C, A))
    begun_s = time.process_time()
    measure_conversation(utterances, duration_s=utterances[-1].end_s, channels=(C, A))
    taken_s = time.process_time() - begun_s
    assert utterances[-1].end_s > 3600.0
    assert taken_s < 10.0
