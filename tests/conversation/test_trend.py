from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversation.dialogues import utterance
from voicepipe.conversation import measure_conversation
from voicepipe.conversation.trend import measure_trend
from voicepipe.conversation.turns import measure_turns
from voicepipe.types import Channel, ScoredUtterance

A, C, M = Channel.AGENT, Channel.CALLER, Channel.MIXED


def _dialogue(*stress: float) -> list[ScoredUtterance]:
    """Let caller and agent take turns of four seconds; the caller's have these scores."""
    found = []
    for k, value in enumerate(stress):
        found.append(utterance(C, k, 10.0 * k, 10.0 * k + 4.0, "it is so", stress=value))
        found.append(utterance(A, k, 10.0 * k + 5.0, 10.0 * k + 9.0, "I see"))
    return found


def test_thirds_shift_and_slope_are_those_that_were_put_in() -> None:
    trend = measure_trend(_dialogue(0.2, 0.2, 0.4, 0.4, 0.6, 0.6))
    assert (trend.start, trend.middle, trend.end) == pytest.approx((0.2, 0.4, 0.6))
    assert trend.shift == pytest.approx(0.4)
    assert trend.direction == "rising"
    assert trend.peak == 0.6
    line = measure_trend(_dialogue(*[0.1 + 0.05 * k for k in range(8)]))
    assert line.slope_per_min == pytest.approx(0.05 * 6)


def test_thirds_follow_the_speech_not_the_utterances() -> None:
    calls = [
        utterance(C, k, 10.0 * k, 10.0 * k + length, stress=s)
        for k, (length, s) in enumerate([(8, 0.1), (8, 0.5), (2, 0.9), (2, 0.9), (2, 0.9), (2, 0.9)])
    ]
    trend = measure_trend(calls)
    assert (trend.start, trend.middle, trend.end) == pytest.approx((0.1, 0.5, 0.9))


def test_what_the_agents_turns_did() -> None:
    utterances = _dialogue(0.8, 0.6, 0.5, 0.2)
    turns = measure_turns(utterances, duration_s=40.0, channels=(C, A))
    after = measure_trend(utterances, turns=turns.turns).after_agent
    assert after is not None
    assert after.turns == 3
    assert after.mean_change == pytest.approx(-0.2)
    assert after.low is not None
    assert after.high is not None
    assert after.low < -0.2 < after.high
    assert (after.stressed_turns, after.mean_change_when_stressed) == (3, pytest.approx(-0.2))


def test_too_little_is_not_measured() -> None:
    trend = measure_trend(_dialogue(0.3, 0.9))
    assert (trend.start, trend.end, trend.shift, trend.direction, trend.slope_per_min) == (None,) * 5
    assert trend.mean == pytest.approx(0.6)
    assert measure_trend([]).mean is None
    assert measure_trend(_dialogue(0.1, 0.2, 0.3)).after_agent is None


def test_one_mixed_track_has_a_trend_and_no_agent() -> None:
    mixed = [replace(u, channel=M) for u in _dialogue(0.1, 0.5, 0.9) if u.channel is C]
    turns = measure_turns(mixed, duration_s=30.0, channels=(M,))
    trend = measure_trend(mixed, turns=turns.turns)
    assert trend.shift == pytest.approx(0.8)
    assert trend.after_agent is None


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12), st.floats(0.0, 1.0))
def test_a_score_on_an_agents_utterance_changes_nothing(stress: list[float], agents: float) -> None:
    utterances = _dialogue(*stress)
    assert all(u.score is None for u in utterances if u.channel is A)
    scored = [
        replace(
            u,
            score=utterance(A, 0, 0.0, 1.0, stress=agents).score,
            frustration=utterance(A, 0, 0.0, 1.0, frustration=agents).frustration,
        )
        if u.channel is A
        else u
        for u in utterances
    ]
    plain, touched = (
        measure_conversation(us, duration_s=10.0 * len(stress), channels=(C, A)) for us in (utterances, scored)
    )
    assert touched.stress == plain.stress
    assert touched.warmth == plain.warmth
    assert touched.service == plain.service
    assert touched.handoff == plain.handoff
