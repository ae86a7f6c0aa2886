from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversation.dialogues import utterance
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.conversation.turns import measure_turns, speech_rate
from voicepipe.types import Channel, ScoredUtterance, StressScore

A, C, M = Channel.AGENT, Channel.CALLER, Channel.MIXED
BOTH = (C, A)
EXACT = TurnConfig(padding_s=0.0)


def _numbered(*spans: tuple[Channel, float, float]) -> list[ScoredUtterance]:
    counts = dict.fromkeys(Channel, 0)
    found = []
    for channel, start_s, end_s in spans:
        found.append(utterance(channel, counts[channel], start_s, end_s))
        counts[channel] += 1
    return found


def test_an_alternating_call_is_measured_as_it_was_built() -> None:
    turns = measure_turns(
        _numbered((A, 0.0, 4.0), (C, 4.5, 10.5), (A, 11.5, 13.5), (C, 14.0, 15.0)),
        duration_s=16.0,
        channels=BOTH,
        config=EXACT,
    )
    agent, caller = turns.side(A), turns.side(C)
    assert agent is not None
    assert caller is not None
    assert (agent.talk_s, caller.talk_s) == (6.0, 7.0)
    assert turns.agent_talk_ratio == pytest.approx(6 / 13)
    assert (agent.turns, caller.turns) == (2, 2)
    assert caller.longest_turn_s == 6.0
    assert agent.latency_median_s == pytest.approx(1.0)
    assert caller.latency_median_s == pytest.approx(0.5)
    assert (agent.latencies, caller.latencies) == (1, 2)
    assert turns.overlap_s == 0.0
    assert turns.interruptions == ()
    assert turns.silences == ()


def test_the_segmenters_padding_makes_no_overlap() -> None:
    utterances = _numbered((A, 0.0, 4.16), (C, 4.04, 8.0))
    assert measure_turns(utterances, duration_s=9.0, channels=BOTH, config=EXACT).overlap_s == pytest.approx(0.12)
    padded = measure_turns(utterances, duration_s=9.0, channels=BOTH)
    assert padded.overlap_s == 0.0
    caller = padded.side(C)
    assert caller is not None
    assert caller.latency_median_s == pytest.approx(0.2)


def test_a_backchannel_takes_no_turn_and_interrupts_nobody() -> None:
    turns = measure_turns(
        _numbered((C, 0.0, 8.0), (C, 8.0, 12.0), (A, 5.0, 5.6)), duration_s=13.0, channels=BOTH, config=EXACT
    )
    assert [turn.channel for turn in turns.turns] == [C]
    assert turns.turns[0].duration_s == 12.0
    assert turns.interruptions == ()
    assert turns.overlap_s == pytest.approx(0.6)


@pytest.mark.parametrize(("end_s", "took_floor"), [(9.0, True), (5.5, False)])
def test_an_interruption_has_an_author(end_s: float, took_floor: bool) -> None:
    turns = measure_turns(_numbered((C, 0.0, 6.0), (A, 4.0, end_s)), duration_s=10.0, channels=BOTH, config=EXACT)
    assert turns.interruptions is not None
    (found,) = turns.interruptions
    assert (found.by, found.took_floor, found.index) == (A, took_floor, 0)
    assert found.overlap_s == pytest.approx(min(6.0, end_s) - 4.0)
    agent, caller = turns.side(A), turns.side(C)
    assert agent is not None
    assert caller is not None
    assert (agent.interruptions, caller.interruptions) == (1, 0)


def test_a_short_overlap_at_the_end_of_a_turn_is_no_interruption() -> None:
    turns = measure_turns(_numbered((C, 0.0, 6.0), (A, 5.7, 9.0)), duration_s=10.0, channels=BOTH, config=EXACT)
    assert turns.interruptions == ()
    agent = turns.side(A)
    assert agent is not None
    assert agent.latency_median_s == pytest.approx(-0.3)


def test_a_monologue_goes_through_backchannels_but_not_through_an_answer() -> None:
    speech = [(C, 8.5 * k, 8.5 * k + 8.0) for k in range(5)]
    alone = measure_turns(_numbered(*speech, (A, 20.0, 20.5)), duration_s=50.0, channels=BOTH, config=EXACT)
    answered = measure_turns(_numbered(*speech, (A, 20.0, 22.5)), duration_s=50.0, channels=BOTH, config=EXACT)
    assert [turns.side(C).monologues for turns in (alone, answered)] == [1, 0]  # type: ignore[union-attr]


def test_one_mixed_track_has_talk_and_silences_but_no_sides() -> None:
    turns = measure_turns(_numbered((M, 0.0, 4.0), (M, 9.0, 12.0)), duration_s=13.0, channels=(M,), config=EXACT)
    side = turns.side(M)
    assert side is not None
    assert side.talk_s == 7.0
    assert turns.silence_s == pytest.approx(5.0)
    assert turns.silences is not None
    assert turns.silences[0].owner is None
    for value in (
        side.turns,
        side.latency_median_s,
        side.interruptions,
        side.monologues,
        side.silence_s,
        turns.agent_talk_ratio,
        turns.overlap_s,
        turns.interruptions,
    ):
        assert value is None


def test_an_agent_who_was_not_recorded_is_not_a_silent_agent() -> None:
    turns = measure_turns(_numbered((C, 0.0, 4.0), (C, 20.0, 22.0)), duration_s=30.0, channels=(C,))
    assert turns.side(A) is None
    assert turns.agent_talk_ratio is None
    assert turns.silences is None
    assert turns.silence_s is None
    silent = measure_turns(_numbered((C, 0.0, 4.0)), duration_s=5.0, channels=BOTH)
    assert silent.agent_talk_ratio == 0.0


def test_speech_rate_counts_words_or_characters_of_what_was_transcribed() -> None:
    english = [
        utterance(C, 0, 0.0, 6.0, "I have been waiting for it since Monday, you know."),
        utterance(C, 1, 7.0, 9.0),
    ]
    assert speech_rate(english) == pytest.approx(100.0)
    turns = measure_turns(
        [utterance(C, 0, 0.0, 6.0, "我从星期一就在等 [name] 了。", language="zh")], duration_s=7.0, channels=BOTH
    )
    side = turns.side(C)
    assert side is not None
    assert side.rate_unit == "characters"
    assert side.rate_per_min == pytest.approx(100.0)
    assert speech_rate([utterance(C, 0, 0.0, 2.0, "too short to tell")]) is None


@pytest.mark.parametrize(
    ("language", "text", "unit", "rate"),
    [
        ("hi", "मेरे बिल में दो बार पैसे काटे गए हैं जी", "words", 100.0),
        ("th", "สวัสดีครับผมชื่อ", "letters", 110.0),
        ("zh", "我从星期一就在等你们了", "characters", 110.0),
    ],
)
def test_speech_rate_counts_what_a_script_is_read_by(language: str, text: str, unit: str, rate: float) -> None:
    turns = measure_turns([utterance(C, 0, 0.0, 6.0, text, language=language)], duration_s=7.0, channels=(C,))
    (side,) = turns.sides
    assert side.rate_unit == unit
    assert side.rate_per_min == pytest.approx(rate)


def test_nothing_said_is_measured_as_nothing() -> None:
    turns = measure_turns([], duration_s=10.0, channels=BOTH)
    assert turns.agent_talk_ratio is None
    assert turns.turns == ()
    assert turns.silence_s == 10.0


@given(
    st.lists(st.tuples(st.sampled_from([C, A]), st.floats(0.0, 5.0), st.floats(0.2, 8.0)), max_size=30),
    st.randoms(),
)
def test_figures_hold_together_whatever_the_call(steps: list[tuple[Channel, float, float]], random: object) -> None:
    ends = dict.fromkeys((C, A), 0.0)
    spans = []
    for channel, gap_s, length_s in steps:
        start_s = ends[channel] + gap_s
        ends[channel] = start_s + length_s
        spans.append((channel, start_s, ends[channel]))
    utterances = _numbered(*spans)
    duration_s = max(ends.values()) + 1.0
    turns = measure_turns(utterances, duration_s=duration_s, channels=BOTH)
    random.shuffle(utterances)  # type: ignore[attr-defined]
    assert measure_turns(utterances, duration_s=duration_s, channels=BOTH) == turns
    assert turns.overlap_s is not None
    assert turns.silence_s is not None
    assert (
        -1e-9
        <= turns.overlap_s
        <= min(sum(end - start for c, start, end in spans if c is side) for side in (C, A)) + 1e-6
    )
    assert 0.0 <= turns.silence_s <= duration_s + 1e-6
    assert all(one.channel is not two.channel for one, two in zip(turns.turns, turns.turns[1:], strict=False))
    assert sum(side.silence_s or 0.0 for side in turns.sides) <= turns.silence_s + 1e-6


def test_scores_change_nothing_in_the_turns() -> None:
    plain = _numbered((A, 0.0, 4.0), (C, 4.5, 10.5))
    score = StressScore(
        stress=1.0, arousal=1.0, valence=-1.0, emotions={}, confidence=1.0, model_id="m", baseline_ready=True
    )
    scored = [replace(u, score=score) for u in plain]
    one, two = (measure_turns(us, duration_s=11.0, channels=BOTH) for us in (plain, scored))
    assert replace(one, turns=()) == replace(two, turns=())
