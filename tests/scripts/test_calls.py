"""The evaluation on calls: what is built, what is counted, and what detectors are compared on."""

from collections.abc import Mapping, Sequence
from functools import cache
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytest.importorskip("soxr")

from calls_measures import RATES, Runs, curves, differences, false_alarms, found, level_at, mood_share, runs
from calls_page import curve_svg
from calls_rivals import cusum, ewma, three_in_a_row
from calls_study import CALM_SCENARIOS, QUIET_SCENARIOS, Study
from stress_calls import (
    CALL_S,
    PAUSE_LIMITS_S,
    BuiltCall,
    Scenario,
    ScoredCall,
    Voice,
    build_call,
    detect,
    running_evidence,
)
from stress_features import Table

from tests.fakes import calm_reference
from voicepipe.stress.episode import EpisodeConfig
from voicepipe.stress.prosody import FEATURES
from voicepipe.types import Channel, EpisodeState, ScoredUtterance, StressScore

EMOTIONS = ("neutral", "happy", "sad", "stressed")
CLIPS = 6
"""Of each emotion."""
CLIP_S, SPEECH_S = 2.5, 2.0


def _voice(name: str = "one/S1") -> Voice:
    n = CLIPS * len(EMOTIONS)
    table = Table(
        clip=np.arange(n),
        speech_s=np.full(n, SPEECH_S),
        duration_s=np.full(n, CLIP_S),
        prosody=np.zeros((n, len(FEATURES))),
        embedding=np.zeros((n, 4), np.float32),
    )
    rows = {emotion: np.arange(CLIPS) + CLIPS * i for i, emotion in enumerate(EMOTIONS)}
    return Voice(name=name, corpus="one", fold=0, rows=rows, table=table)


def _moods(call: BuiltCall) -> list[str]:
    return [EMOTIONS[row // CLIPS] for row in call.rows]


def _scored(call: BuiltCall, scores: Sequence[float]) -> ScoredCall:
    utterances = tuple(
        ScoredUtterance(
            call_id="call",
            channel=Channel.CALLER,
            index=i,
            start_s=float(call.start_s[i]),
            end_s=float(call.end_s[i]),
            decided_s=float(call.end_s[i]) + 0.5,
            speech_s=SPEECH_S,
            transcript=None,
            score=StressScore(
                stress=float(stress),
                arousal=0.0,
                valence=0.0,
                emotions={},
                confidence=0.9,
                model_id="fake",
                baseline_ready=True,
            ),
        )
        for i, stress in enumerate(scores)
    )
    return ScoredCall(call=call, utterances=utterances, episodes=())


def _by_mood(call: BuiltCall, centre: Mapping[str, float], rng: np.random.Generator) -> ScoredCall:
    logit = np.array([centre[mood] for mood in _moods(call)]) + rng.standard_normal(len(call.rows))
    return _scored(call, 1.0 / (1.0 + np.exp(-logit)))


def _call(*, stressed: Sequence[bool], scenario: Scenario = Scenario.SETS_IN, name: str = "one/S1") -> BuiltCall:
    """A call of an utterance each 5 s."""
    start_s = 5.0 * np.arange(len(stressed)) + 1.0
    return BuiltCall(
        voice=_voice(name),
        scenario=scenario,
        rows=np.zeros(len(stressed), dtype=int),
        start_s=start_s,
        end_s=start_s + CLIP_S,
        stressed=np.asarray(stressed),
        duration_s=360.0,
    )


@pytest.mark.parametrize("scenario", list(Scenario))
def test_utterances_follow_one_another_with_pauses(scenario: Scenario) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        call = build_call(_voice(), scenario, rng=rng)
        pauses = call.start_s[1:] - call.end_s[:-1]
        assert CALL_S[0] <= call.duration_s <= CALL_S[1]
        assert call.end_s[-1] <= call.duration_s
        assert pauses.min() >= PAUSE_LIMITS_S[0] - 1e-9
        assert pauses.max() <= PAUSE_LIMITS_S[1] + 1e-9
        np.testing.assert_allclose(call.end_s - call.start_s, CLIP_S)


def test_the_same_seed_builds_the_same_call() -> None:
    one, same = (build_call(_voice(), Scenario.OUTBURST, rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(one.rows, same.rows)
    np.testing.assert_array_equal(one.start_s, same.start_s)


@pytest.mark.parametrize("scenario", list(Scenario))
def test_what_is_said_is_what_the_scenario_says(scenario: Scenario) -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        call = build_call(_voice(), scenario, rng=rng)
        moods = _moods(call)
        said_stressed = np.array([mood == "stressed" for mood in moods])
        if scenario is Scenario.OUTBURST:
            runs_of = np.diff(np.flatnonzero(np.diff(np.concatenate(([0], said_stressed, [0])))))[::2]
            assert not call.stressed.any(), "an outburst is no persistent stress"
            assert 1 <= said_stressed.sum() <= 4
            assert runs_of.max() <= 4
        else:
            np.testing.assert_array_equal(call.stressed, said_stressed)
        assert scenario.stressed or not call.stressed.any()
        if scenario is Scenario.SETS_IN:
            assert call.stressed[np.flatnonzero(call.stressed)[0] :].all()
            assert call.start_s[call.stressed][0] >= 30.0
        if scenario is Scenario.COMES_AND_GOES:
            assert not call.stressed[np.flatnonzero(call.stressed)[0] :].all()
        if scenario in {Scenario.HAPPY, Scenario.SAD}:
            mood = "happy" if scenario is Scenario.HAPPY else "sad"
            assert set(moods[-len(moods) // 2 :]) == {mood}
            assert "neutral" in moods


def test_clips_repeat_only_when_all_were_heard() -> None:
    call = build_call(_voice(), Scenario.SETS_IN, rng=np.random.default_rng(0))
    heard = [row for row in call.rows if row >= CLIPS * EMOTIONS.index("stressed")]
    assert sorted(heard[:CLIPS]) == sorted(set(heard[:CLIPS]))
    assert len(heard) > CLIPS


def test_delay_counts_stressed_speech_from_the_onset() -> None:
    """Onset at the third utterance: an alarm at the fifth comes after three of them; one at the first is early."""
    calls = [_scored(_call(stressed=[False, False, True, True, True, True]), [0.5] * 6) for _ in range(4)]
    out = found(calls, [4, 4, None, 0])
    assert (out.calls, out.missed_pct, out.early_pct) == (4, 25.0, 25.0)
    assert out.speech_s == (3 * SPEECH_S, np.inf), "the median is of those not early, a miss is infinite"
    assert out.call_s[0] == pytest.approx(2 * 5.0 + CLIP_S + 0.5)


def test_an_alarm_at_the_onset_is_no_early_one() -> None:
    out = found([_scored(_call(stressed=[False, True, True]), [0.5] * 3)], [1])
    assert (out.early_pct, out.missed_pct, out.speech_s) == (0.0, 0.0, (SPEECH_S, SPEECH_S))


def _calm_calls(callers: int, each: int) -> list[ScoredCall]:
    return [
        _scored(_call(stressed=[False] * 4, scenario=Scenario.CALM, name=f"one/S{i}"), [0.1] * 4)
        for i in range(callers)
        for _ in range(each)
    ]


def test_no_alarm_leaves_a_limit_that_more_hours_of_the_same_callers_hardly_lower() -> None:
    """None of 59 callers: at most 5 % of callers alarm, taken as once in what was heard of each."""
    few, many = (false_alarms(calls, [0] * len(calls)) for calls in (_calm_calls(59, 10), _calm_calls(59, 20)))
    assert few.per_100_hours == 0.0
    assert few.hours == pytest.approx(59.0)
    assert few.upper_95 == pytest.approx(100.0 * (1 - 0.05 ** (1 / 59)), rel=1e-6)
    assert many.upper_95 == pytest.approx(few.upper_95 / 2)


def test_the_limit_knows_that_alarms_come_from_few_callers() -> None:
    calls = _calm_calls(20, 10)
    of_one = np.zeros(200, dtype=int)
    of_one[:10] = 1
    spread = np.zeros(200, dtype=int)
    spread[::20] = 1
    one, several = false_alarms(calls, of_one.tolist()), false_alarms(calls, spread.tolist())
    assert one.per_100_hours == several.per_100_hours == pytest.approx(50.0)
    assert (one.callers_with_alarm, several.callers_with_alarm) == (1, 10)
    assert one.upper_95 > 1.5 * several.upper_95
    assert several.upper_95 > 50.0


def test_rivals_by_hand() -> None:
    stress = np.array([0.2, 0.8, 0.9, 0.7, 0.1])
    np.testing.assert_allclose(three_in_a_row(stress), [-np.inf, -np.inf, 0.2, 0.7, 0.1])
    np.testing.assert_allclose(ewma(stress)[:2], [0.04, 0.04 + 0.2 * 0.76])
    np.testing.assert_allclose(cusum(stress, drift=0.5), [0.0, 0.3, 0.7, 0.9, 0.5])


def test_a_level_lets_as_many_calls_alarm_as_allowed() -> None:
    peaks = np.array([1.0, 5.0, 3.0, 3.0, 2.0])
    for allowed, alarming in ((0, 0), (1, 1), (2, 1), (3, 3), (5, 5)):
        assert np.count_nonzero(peaks >= level_at(peaks, allowed)) == alarming, "two that tie alarm both or not at all"


@cache
def _study() -> Study:
    """Callers who score as they feel: calm -1, stressed 3, on the logit scale, each with an offset."""
    rng = np.random.default_rng(0)
    calls = []
    for i in range(8):
        offset = 0.3 * rng.standard_normal()
        centre = {mood: (3.0 if mood == "stressed" else -1.0) + offset for mood in EMOTIONS}
        voice = _voice(f"one/S{i}")
        for scenario in Scenario:
            calls += [_by_mood(build_call(voice, scenario, rng=rng), centre, rng) for _ in range(2)]
    return Study(calls=tuple(calls), references={0: calm_reference()}, config=EpisodeConfig())


@cache
def _ran() -> dict[str, Runs]:
    return runs(_study())


def test_the_curve_is_of_the_detector_that_runs() -> None:
    """Where the running evidence first reaches a budget's level, an episode opens, and nowhere before."""
    study = _study()
    opened = 0
    for budget in (1.0, 30.0):
        level = study.references[0].log_level(budget, embedded=False)
        config = EpisodeConfig(false_alarms_per_100_call_hours=budget)
        for one in study.calls:
            hits = np.flatnonzero(running_evidence(one, reference=study.references[0], config=config) >= level)
            episodes = detect(one, reference=study.references[0], config=config)
            at = [episode.at_s for episode in episodes if episode.state is EpisodeState.OPENED]
            opened += bool(at)
            assert bool(at) == bool(hits.size)
            if at:
                assert at[0] == one.utterances[hits[0]].decided_s
    assert opened > 10


def test_a_detector_is_as_good_as_itself_and_better_than_one_that_sleeps() -> None:
    study, ran = _study(), _ran()
    later = Runs(peaks=ran["voicepipe"].peaks, running=tuple(np.roll(r, 2) for r in ran["voicepipe"].running))
    for shifted in later.running:
        shifted[:2] = -np.inf
    both = {"voicepipe": ran["voicepipe"], "itself": ran["voicepipe"], "two utterances later": later}
    less = differences(study, both, quiet=CALM_SCENARIOS, draws=50)
    assert all(row["seconds"] == row["low"] == row["high"] == 0.0 for row in less["itself"])
    assert all(-3 * SPEECH_S < row["low"] <= row["seconds"] < -0.5 * SPEECH_S for row in less["two utterances later"])
    assert [row["rate"] for row in less["itself"]] == [*RATES, None]
    rows = less["two utterances later"]
    assert rows[-1]["seconds"] == pytest.approx(np.mean([row["seconds"] for row in rows[:-1]]))


def test_an_early_alarm_is_not_taken_for_a_quick_one() -> None:
    """A statistic that is high from the first utterance of half of the calls is judged on the other half."""
    study, ran = _study(), _ran()
    known = ran["voicepipe"]
    hasty = tuple(np.full_like(r, np.inf) if i % 2 else r for i, r in enumerate(known.running))
    both = {"voicepipe": Runs(peaks=known.peaks, running=hasty), "patient": known}
    at_30 = differences(study, both, quiet=CALM_SCENARIOS, draws=20)["patient"][-2]
    assert abs(at_30["seconds"]) < 0.5 * SPEECH_S
    assert at_30["low"] < at_30["high"], "callers differ"


def test_levels_are_set_on_the_quiet_calls_alone() -> None:
    """Where no quiet call may alarm, none does, whichever kinds of calls are quiet; more kinds never make it sooner."""
    study, ran = _study(), _ran()
    peaks = ran["CUSUM"].peaks
    kinds = [one.call.scenario for one in study.of(*QUIET_SCENARIOS)]
    calm, quiet = (curves(study, ran, quiet=of)["CUSUM"][0] for of in (CALM_SCENARIOS, QUIET_SCENARIOS))
    assert calm["allowed"] == quiet["allowed"] == 0
    assert calm["level"] > max(peak for peak, kind in zip(peaks, kinds, strict=True) if kind in CALM_SCENARIOS)
    assert quiet["level"] > peaks.max()
    assert quiet["sets_in"]["speech_s"][0] >= calm["sets_in"]["speech_s"][0]


@pytest.mark.parametrize("lasting", [True, False])
def test_moods_explain_what_they_explain(lasting: bool) -> None:
    rng = np.random.default_rng(0)
    centre = dict(zip(EMOTIONS, (-2.0, 0.0, 2.0, 4.0) if lasting else (0.0,) * 4, strict=True))
    calls = []
    for i in range(8):
        voice = _voice(f"one/S{i}")
        noise = 0.2 if lasting else 1.0
        of_clip = {row: noise * rng.standard_normal() for row in range(CLIPS * len(EMOTIONS))}
        for _ in range(6):
            call = build_call(voice, Scenario.CALM, rng=rng)
            logit = [centre[EMOTIONS[row // CLIPS]] + of_clip[int(row)] for row in call.rows]
            calls.append(_scored(call, 1.0 / (1.0 + np.exp(-np.array(logit)))))
    share = mood_share(Study(calls=tuple(calls), references={0: calm_reference()}, config=EpisodeConfig()))
    assert share > 0.9 if lasting else abs(share) < 0.25


def test_the_curve_is_drawn() -> None:
    picture = ET.fromstring(curve_svg(curves(_study(), _ran(), quiet=CALM_SCENARIOS)))
    assert len(picture.findall(".//{*}polyline")) == 5
