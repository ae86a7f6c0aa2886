"""Episodes: minimum, monotony, outbursts, hysteresis, cool-down, state."""

import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicepipe.stress.calm import CalmKind, CalmReference, CalmScores
from voicepipe.stress.episode import EpisodeConfig, EpisodeDetector
from voicepipe.stress.evidence import SHARES, Evidence, bets, log_bound, word_bets
from voicepipe.stress.slack import BUDGETS
from voicepipe.types import (
    Channel,
    ConfigError,
    Episode,
    EpisodeState,
    Frustration,
    Reason,
    ScoredUtterance,
    StressScore,
)

CALM_STRESS, STRESSED = 0.3, 0.97


def _reference(callers: int = 25) -> CalmReference:
    rng = np.random.default_rng(0)
    logit = 0.35 * rng.standard_normal((callers, 1)) + rng.standard_normal((callers, 40)) - 0.5
    scores = (1.0 / (1.0 + np.exp(-logit))).ravel()
    names = [f"caller{i}" for i in range(callers) for _ in range(40)]
    calm = CalmScores.measure(scores, names)
    slack = np.full((2, len(BUDGETS)), 2.0)
    return CalmReference(kinds=dict.fromkeys(CalmKind, calm), log_slack=slack, log_slack_words=slack)


REFERENCE = _reference()


def detector(**config: float) -> EpisodeDetector:
    return EpisodeDetector(call_id="call", channel=Channel.CALLER, config=EpisodeConfig(**config), reference=REFERENCE)


def utterance(
    index: int,
    stress: float | None,
    *,
    start_s: float,
    speech_s: float = 3.0,
    confidence: float = 0.9,
    ready: bool = True,
    frustrated: float | None = None,
) -> ScoredUtterance:
    score = None
    if stress is not None:
        score = StressScore(
            stress=stress,
            arousal=0.0,
            valence=0.0,
            emotions={},
            confidence=confidence,
            model_id="fake",
            baseline_ready=ready,
        )
    return ScoredUtterance(
        call_id="call",
        channel=Channel.CALLER,
        index=index,
        start_s=start_s,
        end_s=start_s + speech_s,
        decided_s=start_s + speech_s + 0.5,
        speech_s=speech_s,
        transcript=None,
        score=score,
        frustration=None if frustrated is None else Frustration(prob=frustrated, words=(), model_id="fake"),
    )


def spoken(
    scores: Sequence[float | None], *, every_s: float = 8.0, words: Sequence[float | None] | None = None
) -> list[ScoredUtterance]:
    said = words or [None] * len(scores)
    return [
        utterance(i, score, start_s=i * every_s, frustrated=frustrated)
        for i, (score, frustrated) in enumerate(zip(scores, said, strict=True))
    ]


def episodes(heard: EpisodeDetector, utterances: Sequence[ScoredUtterance]) -> list[Episode]:
    return [episode for one in utterances for episode in heard.update(one)]


def opened_at(heard: EpisodeDetector, utterances: Sequence[ScoredUtterance]) -> float:
    for one in utterances:
        if heard.update(one):
            return one.decided_s
    return float("inf")


def test_lasting_stress_opens_and_calm_speech_closes() -> None:
    scores = [CALM_STRESS] * 8 + [STRESSED] * 12 + [CALM_STRESS] * 15
    found = episodes(detector(), spoken(scores))
    assert [episode.state for episode in found] == [EpisodeState.OPENED, EpisodeState.CLOSED]
    opened, closed = found
    assert opened.opened_s == closed.opened_s == 8 * 8.0
    assert opened.closed_s is None
    assert closed.closed_s == 19 * 8.0 + 3.0
    assert opened.reasons == (Reason.STRESS_PERSISTED,)
    assert opened.evidence.utterances[0] == 8
    assert closed.evidence.utterances == tuple(range(8, 20))
    assert opened.evidence.log_e >= opened.evidence.log_e_threshold
    assert opened.evidence.stressed_speech_s == 3.0 * len(opened.evidence.utterances)
    assert opened.peak == STRESSED
    assert opened.mean == pytest.approx(STRESSED)
    assert opened.index == closed.index == 0


def test_the_end_of_the_call_closes() -> None:
    heard = detector()
    assert len(episodes(heard, spoken([STRESSED] * 15))) == 1
    (closed,) = heard.finish(130.0)
    assert closed.state is EpisodeState.CLOSED
    assert closed.at_s == 130.0
    assert closed.closed_s == 14 * 8.0 + 3.0
    assert heard.finish(130.0) == ()


def test_calm_speech_opens_nothing() -> None:
    heard = detector(false_alarms_per_100_call_hours=100.0)
    assert episodes(heard, spoken([CALM_STRESS] * 200)) == []
    assert not heard.growing


@given(
    scores=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    rises=st.lists(st.floats(0, 1), min_size=40, max_size=40),
)
@settings(max_examples=150, deadline=None)
def test_more_stress_never_delays_the_alarm(scores: list[float], rises: list[float]) -> None:
    higher = [min(1.0, score + rise) for score, rise in zip(scores, rises, strict=False)]
    config = {"false_alarms_per_100_call_hours": 100.0}
    assert opened_at(detector(**config), spoken(higher)) <= opened_at(detector(**config), spoken(scores))


@given(
    pieces=st.lists(st.floats(0.1, 8.0), min_size=1, max_size=8),
    before=st.integers(0, 30),
    gap_s=st.floats(0.0, 3.0),
    budget=st.sampled_from([0.1, 1.0, 100.0, 100_000.0]),
)
@settings(max_examples=150, deadline=None)
def test_an_outburst_never_opens(pieces: list[float], before: int, gap_s: float, budget: float) -> None:
    heard = detector(false_alarms_per_100_call_hours=budget)
    said = spoken([CALM_STRESS] * before)
    at_s = burst_s = before * 8.0
    for speech_s in pieces:
        if at_s >= burst_s + EpisodeConfig().outburst_s:
            break
        said.append(utterance(len(said), 1.0, start_s=at_s, speech_s=speech_s))
        at_s += speech_s + gap_s
    said += [utterance(len(said) + i, CALM_STRESS, start_s=at_s + 8.0 * (i + 1)) for i in range(30)]
    assert episodes(heard, said) == []


@given(parts=st.integers(2, 6), stress=st.floats(0.9, 1.0))
@settings(max_examples=50, deadline=None)
def test_cutting_an_outburst_adds_no_evidence(parts: int, stress: float) -> None:
    whole, cut = detector(), detector()
    whole.update(utterance(0, stress, start_s=10.0, speech_s=6.0, confidence=1.0))
    for i in range(parts):
        cut.update(utterance(i, stress, start_s=10.0 + i * 4.5 / parts, speech_s=6.0 / parts, confidence=1.0))
    gain = cut.log_e - whole.log_e
    assert gain < np.log1p(parts * 6.0 / 10.0), "more than the little time that entered"


def test_sentences_of_one_outburst_are_evidence_of_their_own_but_count_once() -> None:
    heard, one_breath = detector(), detector()
    for i, start_s in enumerate((10.0, 12.5)):
        heard.update(utterance(i, STRESSED, start_s=start_s, speech_s=1.5, confidence=1.0))
        one_breath.update(utterance(i, STRESSED, start_s=start_s, speech_s=2.4, confidence=1.0))
    assert heard.log_e > one_breath.log_e + 1.0
    three = detector(min_utterances=2, min_stressed_speech_s=0.0, false_alarms_per_100_call_hours=1e6)
    for i, start_s in enumerate((10.0, 12.5, 14.9)):
        assert three.update(utterance(i, 1.0, start_s=start_s, speech_s=1.5)) == ()
    assert not three.persistent
    assert three.update(utterance(3, 1.0, start_s=17.0))


def test_minimum_of_speech_and_utterances_holds_at_any_budget() -> None:
    loose = {"false_alarms_per_100_call_hours": 1e6}
    found = episodes(detector(**loose, min_utterances=4, min_stressed_speech_s=0.0), spoken([STRESSED] * 10))
    assert len(found[0].evidence.utterances) == 4
    found = episodes(detector(**loose, min_utterances=2, min_stressed_speech_s=16.0), spoken([STRESSED] * 10))
    assert found[0].evidence.stressed_speech_s == 18.0


def test_a_smaller_budget_needs_more() -> None:
    delays = [
        opened_at(detector(false_alarms_per_100_call_hours=budget), spoken([STRESSED] * 60))
        for budget in (0.1, 1.0, 10.0, 100.0)
    ]
    assert delays == sorted(delays, reverse=True)
    assert delays[0] > delays[-1]


@pytest.mark.parametrize("change", [{"speech_s": 0.3}, {"confidence": 0.2}])
def test_short_or_unsure_utterances_count_less(change: dict[str, float]) -> None:
    sure, unsure = detector(), detector()
    for i in range(4):
        sure.update(utterance(i, STRESSED, start_s=i * 8.0))
        unsure.update(utterance(i, STRESSED, start_s=i * 8.0, **change))
    assert unsure.log_e < sure.log_e - 1.0


def test_one_calm_utterance_does_not_close() -> None:
    scores = [STRESSED] * 15 + [CALM_STRESS] + [STRESSED] * 5
    assert [e.state for e in episodes(detector(), spoken(scores))] == [EpisodeState.OPENED]


def test_cool_down_holds_back_the_next_episode() -> None:
    scores = [STRESSED] * 15 + [CALM_STRESS] * 8 + [STRESSED] * 60
    short = episodes(detector(cool_down_s=0.0), spoken(scores))
    long = episodes(detector(cool_down_s=300.0), spoken(scores))
    assert [e.index for e in short] == [e.index for e in long] == [0, 0, 1]
    assert long[2].at_s >= long[1].at_s + 300.0 > short[2].at_s


def test_growing_before_and_while_open() -> None:
    heard = detector()
    grew_at = opened = None
    for i, one in enumerate(spoken([CALM_STRESS] * 10 + [STRESSED] * 12)):
        found = heard.update(one)
        if heard.growing and grew_at is None:
            grew_at = i
        if found:
            opened = i
        if opened is not None:
            assert heard.growing
    assert grew_at is not None
    assert opened is not None
    assert 10 <= grew_at < opened


def test_utterances_without_a_score_change_nothing() -> None:
    heard = detector()
    assert heard.update(utterance(0, None, start_s=0.0)) == ()
    assert heard.state() == detector().state()


@given(
    scores=st.lists(st.floats(0, 1), min_size=5, max_size=60),
    cut=st.integers(0, 60),
    every_s=st.sampled_from([3.5, 8.0]),
)
@settings(max_examples=60, deadline=None)
def test_restored_continues_as_if_uninterrupted(scores: list[float], cut: int, every_s: float) -> None:
    said = spoken([max(score, 0.9) if i % 7 < 4 else score for i, score in enumerate(scores)], every_s=every_s)
    whole = detector(false_alarms_per_100_call_hours=1000.0)
    expected = episodes(whole, said)
    first = detector(false_alarms_per_100_call_hours=1000.0)
    found = episodes(first, said[:cut])
    second = EpisodeDetector.restore(
        json.loads(json.dumps(first.state())),
        call_id="call",
        channel=Channel.CALLER,
        config=EpisodeConfig(false_alarms_per_100_call_hours=1000.0),
        reference=REFERENCE,
    )
    assert found + episodes(second, said[cut:]) == expected
    assert second.state() == whole.state()
    assert second.growing == whole.growing


def test_the_detector_is_the_array_function() -> None:
    """The class accumulates exactly what the simulations of the bound accumulate."""
    rng = np.random.default_rng(1)
    calm = REFERENCE.kinds[CalmKind.READY]
    for trial in range(20):
        scores = rng.random(30)
        heard = detector(false_alarms_per_100_call_hours=1e-9)
        words = rng.random(30).tolist() if trial % 2 else None
        evidence, before_s = Evidence.none(), 0.0
        for one in spoken(scores.tolist(), words=words):
            heard.update(one)
            assert one.score is not None
            z = calm.normal_scores(one.score.stress)
            evidence = evidence.accumulate(
                bets(z, between_sd=calm.between_sd, within_sd=calm.within_sd),
                one.frustration and word_bets(one.frustration.prob, words_mean=REFERENCE.words_mean),
                weight=np.sqrt(0.9),
                call_hours=(one.end_s - before_s) / 3600.0,
            )
            before_s = one.end_s
            expected = evidence.log_voice if words is None else evidence.log_total
            assert heard.log_e == pytest.approx(float(expected), rel=1e-12)


def test_words_alone_open_an_episode_where_the_voice_is_not_scored() -> None:
    heard = detector(false_alarms_per_100_call_hours=10.0)
    (opened,) = episodes(heard, spoken([None] * 12, words=[0.98] * 12))
    assert opened.state is EpisodeState.OPENED
    assert opened.peak is None
    assert opened.mean is None
    assert opened.evidence.log_e_voice is None
    assert opened.evidence.log_e_words is not None
    assert not episodes(detector(words=False), spoken([None] * 12, words=[0.98] * 12))


def test_an_utterance_without_the_embedding_raises_the_level_for_the_rest_of_the_call() -> None:
    reference = replace(REFERENCE, log_slack=REFERENCE.log_slack + np.array([[0.0], [0.5]]))
    rules = {"call_id": "call", "channel": Channel.CALLER, "config": EpisodeConfig(), "reference": reference}
    heard = EpisodeDetector(**rules)
    levels = []
    for one in spoken([CALM_STRESS] * 4):
        assert one.score is not None
        heard.update(replace(one, score=replace(one.score, with_embedding=one.index != 2)))
        heard = EpisodeDetector.restore(heard.state(), **rules)
        levels.append(heard.evidence.log_e_threshold)
    assert levels == pytest.approx([levels[0], levels[0], levels[0] + 0.5, levels[0] + 0.5])


def test_frustrated_words_bring_an_alarm_sooner() -> None:
    tense = [CALM_STRESS] * 4 + [0.75] * 30
    config = {"false_alarms_per_100_call_hours": 10.0}
    silent = episodes(detector(**config), spoken(tense, words=[0.02] * 34))
    spoken_out = episodes(detector(**config), spoken(tense, words=[0.02] * 4 + [0.9, 0.9, 0.3] * 10))
    assert spoken_out
    assert not silent or spoken_out[0].at_s < silent[0].at_s
    evidence = spoken_out[0].evidence
    assert evidence.log_e_voice is not None
    assert evidence.log_e_words is not None
    assert evidence.log_e > evidence.log_e_voice + np.log(SHARES[0]) + 0.3, "the words add to their voice's share"


def test_where_most_of_the_words_were_shed_the_voice_decides_alone() -> None:
    scores = ([CALM_STRESS] * 4 + [STRESSED] * 8) * 2
    shed: list[float | None] = [0.9] * 3 + [None] * 21
    plain, partly = detector(), detector()
    assert [one.at_s for one in episodes(partly, spoken(scores, words=shed))] == [
        one.at_s for one in episodes(plain, spoken(scores))
    ]
    assert partly.evidence.log_e_words is None


@pytest.mark.slow
def test_calm_callers_keep_the_budget_through_the_class() -> None:
    """The detector itself, minimum aside, over 1,500 calls of callers drawn from the law of the reference.

    The reference is of many callers: one of few may by chance be calmer than the callers to come.
    """
    reference = CalmReference.of_kinds(_reference(callers=400).kinds, transcripts=False)
    assert reference.log_level(30.0, words=True) == pytest.approx(log_bound(30.0)), "without words to come: the bound"
    config = EpisodeConfig(false_alarms_per_100_call_hours=30.0, min_utterances=2, min_stressed_speech_s=0.0)
    rng = np.random.default_rng(2)
    alarms, hours = 0, 0.0
    for _ in range(1500):
        logit = 0.35 * rng.standard_normal() + rng.standard_normal(30) - 0.5
        said = spoken((1.0 / (1.0 + np.exp(-logit))).tolist(), every_s=12.0)
        heard = EpisodeDetector(call_id="call", channel=Channel.CALLER, config=config, reference=reference)
        alarms += sum(episode.state is EpisodeState.OPENED for episode in episodes(heard, said))
        hours += 30 * 12.0 / 3600.0
    assert 0 < alarms / hours <= 0.3


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("false_alarms_per_100_call_hours", 0.0),
        ("min_utterances", 1),
        ("stressed_p_value", 0.6),
        ("cool_down_s", -1.0),
        ("full_weight_speech_s", 0.0),
        ("close_evidence", float("nan")),
    ],
)
def test_settings_out_of_range_are_refused(setting: str, value: float) -> None:
    with pytest.raises(ConfigError, match=setting):
        EpisodeConfig(**{setting: value})
