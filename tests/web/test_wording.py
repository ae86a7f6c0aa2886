import math
from typing import Any

import pytest

from tests.events.calls import VERSIONS, make_call, make_episode, make_history
from voicepipe.events.reroute import (
    DeviationFacts,
    EvidenceFacts,
    HumanRequestFacts,
    RerouteConfig,
    RerouteEvent,
    UtteranceFacts,
    build_reroute,
)
from voicepipe.stress import explain
from voicepipe.stress.levels import HIGH_STRESS, RAISED_STRESS
from voicepipe.stress.prosody import FEATURES
from voicepipe.types import Coverage, FeatureDeviation
from voicepipe.web import wording
from voicepipe.web.language import Language, Languages

LANGUAGES = Languages.load()
EN, RU, ZH = (LANGUAGES[code] for code in ("en", "ru", "zh"))
OWN = "… above this caller's normal"
USUAL = "… above what is usual among callers"


def off(name: str, deviation: float, text: str = OWN) -> DeviationFacts:
    unit = next((feature.unit for feature in FEATURES if feature.name == name), "")
    return DeviationFacts(name=name, value=0.0, unit=unit, deviation=deviation, text=text)


def utterance(index: int = 0, **facts: Any) -> UtteranceFacts:
    return UtteranceFacts(index=index, start_s=10.0 * index, end_s=10.0 * index + 5.0, **{"deviations": (), **facts})


def evidence(*utterances: UtteranceFacts, **facts: Any) -> EvidenceFacts:
    return EvidenceFacts(
        **{
            "log_e": 5.0,
            "log_e_threshold": 4.6,
            "log_e_voice": 5.0,
            "log_e_words": None,
            "false_alarms_per_100_call_hours": 1.0,
            "utterances": utterances,
            **facts,
        }
    )


def alert(*utterances: UtteranceFacts, speech_s: float = 34.0, coverage: float = 1.0, **facts: Any) -> RerouteEvent:
    """Return a reroute event whose evidence is this."""
    made = build_reroute(
        make_episode(call_id="c"),
        call=make_call("c"),
        utterances=make_history("c"),
        coverage=Coverage(speech_s=40.0),
        versions=VERSIONS,
        config=RerouteConfig(),
    )
    return made.model_copy(
        update={
            "evidence": evidence(*utterances, **facts),
            "stress": made.stress.model_copy(update={"stressed_speech_s": speech_s}),
            "coverage": made.coverage.model_copy(update={"ratio": coverage}),
        }
    )


PITCH_AND_LOUDNESS = (off("pitch_median_st", 4.0), off("level_dbfs", 8.0))


class TestWhy:
    def test_the_sentence_of_an_alert(self) -> None:
        event = alert(
            utterance(0, stress=0.7, deviations=PITCH_AND_LOUDNESS),
            utterance(1, stress=0.9, deviations=PITCH_AND_LOUDNESS, quote="I have called three times."),
        )
        assert wording.why(event, EN) == (
            "Pitch 4 semitones and loudness 8 dB above this caller's normal for 34 s of speech; "
            "said: “I have called three times”"
        )
        assert wording.why(event, RU) == (
            "Тон голоса на 4 полутона и громкость на 8 дБ выше обычного для этого клиента на протяжении 34 с речи; "
            "сказано: «I have called three times»"
        )
        assert wording.why(event, ZH) == (
            "与该客户平时相比，音高偏高 4 个半音、响度偏高 8 分贝，相关语音累计 34 秒；"
            "原话：“I have called three times”"
        )

    def test_it_names_what_most_utterances_share_by_its_median(self) -> None:
        event = alert(
            utterance(0, deviations=(off("pitch_median_st", 3.0), off("hnr_mean_db", -2.0))),
            utterance(1, deviations=(off("pitch_median_st", 5.0),)),
            utterance(2, deviations=(off("pitch_median_st", 4.0), off("pause_mean_s", -0.4))),
        )
        assert wording.why(event, EN) == "Pitch 4 semitones above this caller's normal for 34 s of speech"

    def test_it_claims_no_time_for_what_only_one_utterance_shows(self) -> None:
        event = alert(
            utterance(0, stress=0.7, deviations=(off("pitch_median_st", 3.0),)),
            utterance(1, stress=0.9, deviations=(off("hnr_mean_db", -2.0),)),
            utterance(2, stress=0.8, deviations=(off("syllable_rate_hz", 1.2),)),
        )
        assert wording.why(event, EN) == "Clearness of the voice 2 dB below this caller's normal"

    def test_the_two_sides_of_a_property_are_not_mixed(self) -> None:
        event = alert(
            utterance(0, stress=0.9, deviations=(off("level_dbfs", 8.0),)),
            utterance(1, stress=0.8, deviations=(off("level_dbfs", -6.0),)),
            utterance(2, stress=0.7, deviations=(off("level_dbfs", 9.0),)),
        )
        assert "8.5 dB above" in wording.why(event, EN)

    def test_what_is_compared_with_other_callers_is_not_mixed_with_what_is_compared_with_this_one(self) -> None:
        event = alert(
            utterance(0, stress=0.7, deviations=(off("level_dbfs", 20.0, USUAL),)),
            utterance(1, stress=0.8, deviations=(off("level_dbfs", 8.0),)),
            utterance(2, stress=0.9, deviations=(off("level_dbfs", 9.0),)),
        )
        assert wording.why(event, EN) == "Loudness 8.5 dB above this caller's normal for 34 s of speech"

    @pytest.mark.parametrize("language", list(LANGUAGES), ids=lambda language: language.code)
    def test_without_a_named_property_nobody_is_compared_with_himself(self, language: Language) -> None:
        """Nothing says then whether the caller's own normal was known."""
        own = {"en": "this caller", "ru": "этого клиента", "zh": "该客户"}[language.code]
        assert own not in wording.why(alert(utterance(0, stress=0.8)), language)

    def test_a_request_for_a_person_comes_first(self) -> None:
        asked = HumanRequestFacts(kind="supervisor", rule="r", quote="Get me your supervisor!")
        event = alert(
            utterance(0, deviations=PITCH_AND_LOUDNESS, quote="Get me your supervisor!", human_request=asked),
            speech_s=6.0,
        )
        assert wording.why(event, EN) == (
            "Asked for a supervisor: “Get me your supervisor”; "
            "pitch 4 semitones and loudness 8 dB above this caller's normal for 6 s of speech"
        )
        assert wording.why(event, RU).startswith("Просит позвать руководителя: «Get me")
        assert wording.why(event, ZH).startswith("要求找主管：“Get me")

    def test_frustrated_words_count_before_any_words(self) -> None:
        event = alert(
            utterance(0, stress=0.9, quote="My number is [phone]"),
            utterance(
                1, stress=0.1, quote="Nobody ever calls back", frustrated_prob=0.93, words=("nobody ever calls back",)
            ),
        )
        assert wording.why(event, EN) == "Frustrated words: “nobody ever calls back”"

    def test_without_anything_to_name_it_says_so(self) -> None:
        assert wording.why(alert(utterance(0, stress=0.8)), EN).startswith("The voice as a whole")

    def test_every_language_says_an_alert_out_of_the_pipeline(self) -> None:
        for language in LANGUAGES:
            assert wording.why(alert(utterance(0, stress=0.8)), language)


class TestDeviations:
    @pytest.mark.parametrize("feature", FEATURES, ids=lambda feature: feature.name)
    @pytest.mark.parametrize("language", list(LANGUAGES), ids=lambda language: language.code)
    def test_every_measurement_has_a_name_and_a_unit(self, language: Language, feature: Any) -> None:
        above, below = (
            wording.deviation_in_words(off(feature.name, deviation, "not said"), language) for deviation in (2.5, -2.5)
        )
        assert above != below
        assert "not said" not in above
        assert language.number(250 if "ratio" in feature.name and not feature.unit else 2.5, 0)[:1] in above
        if language is not EN:
            assert feature.label not in above

    def test_what_an_explanation_may_show_is_measured(self) -> None:
        assert {name for names in explain.GROUPS.values() for name in names} <= {feature.name for feature in FEATURES}

    @pytest.mark.parametrize("own", [True, False])
    def test_explanations_say_whose_normal_they_mean_as_it_is_read_here(self, own: bool) -> None:
        explained = explain._in_words(FEATURES[0], value=1.0, off=1.0, own=own)
        said = wording.deviation_in_words(explained, EN)
        whose = "this caller's normal" if own else "what is usual among callers"
        assert said == f"pitch 1 semitone above {whose}"

    def test_it_says_what_it_is_compared_with(self) -> None:
        own, usual = off("pitch_median_st", 4.12), off("level_dbfs", 6.0, USUAL)
        assert wording.deviations_in_words([own, usual], EN) == (
            "pitch 4.1 semitones above this caller's normal; loudness 6 dB above what is usual among callers"
        )
        assert wording.deviations_in_words([usual], ZH) == "与一般客户相比，响度偏高 6 分贝"

    def test_a_scores_own_deviation_is_said_as_well(self) -> None:
        feature = FeatureDeviation(name="pause_mean_s", value=1.0, unit="seconds", deviation=-0.412, text=OWN)
        assert wording.deviation_in_words(feature, EN) == "length of pauses 0.41 s shorter than this caller's normal"
        assert wording.deviation_in_words(feature, RU) == "длина пауз на 0,41 с меньше обычного для этого клиента"

    def test_shares_are_told_in_percentage_points(self) -> None:
        assert "12 percentage points above" in wording.deviation_in_words(off("pause_ratio", 0.124), EN)
        assert "на 1 процентный пункт выше" in wording.deviation_in_words(off("pause_ratio", 0.01), RU)

    @pytest.mark.parametrize(
        ("deviation", "said"),
        [
            (1.0, "1 полутон"),
            (2.0, "2 полутона"),
            (5.0, "5 полутонов"),
            (1.5, "1,5 полутона"),
            (21.0, "21 полутон"),
            (0.3, "0,3 полутона"),
        ],
    )
    def test_russian_cases(self, deviation: float, said: str) -> None:
        assert f"на {said} выше" in wording.deviation_in_words(off("pitch_median_st", deviation), RU)

    def test_what_is_unknown_is_told_as_the_event_tells_it(self) -> None:
        assert wording.deviation_in_words(off("gone_in_a_later_version", 1.0, "as it was said"), RU) == "as it was said"
        assert wording.deviations_in_words([off("gone_in_a_later_version", 1.0)], RU) == ""
        assert wording.deviations_in_words([], RU) == ""


class TestHowSure:
    @pytest.mark.parametrize(
        ("times", "said"),
        [
            (0.5, "by itself is below"),
            (1.0, "has just reached"),
            (1.49, "has just reached"),
            (2.49, "is 2.4 times"),
            (12.6, "is 13 times"),
            (99.0, "is 99 times"),
            (1e9, "is more than 100 times"),
        ],
    )
    def test_evidence_is_told_against_the_level(self, times: float, said: str) -> None:
        text = wording.strength_in_words(evidence(log_e=4.6 + math.log(times), log_e_threshold=4.6), EN)
        assert said in text
        assert text.endswith("1 false alarm per 100 call-hours.")

    @pytest.mark.parametrize("language", list(LANGUAGES), ids=lambda language: language.code)
    def test_it_never_claims_more_than_it_has(self, language: Language) -> None:
        """What is said is never above the evidence, but for rounding to a whole number from ten on."""
        for step in range(1, 400):
            times = 1.0 + step / 40
            text = wording.strength_in_words(evidence(log_e=math.log(times), log_e_threshold=0.0), language)
            told = [
                number
                for number in (part / 10 for part in range(15, 1200))
                if f" {language.number(number, 1).removesuffix('.0').removesuffix(',0')} " in text
            ]
            assert all(number <= times or number >= 10 for number in told if number != 100)

    def test_no_evidence_and_endless_evidence_are_said(self) -> None:
        assert "below" in wording.strength_in_words(evidence(log_e=-99.0), EN)
        assert "more than 100" in wording.strength_in_words(evidence(log_e=1e6), EN)

    @pytest.mark.parametrize(
        ("budget", "said"),
        [
            (0.5, "0,5 ложной тревоги"),
            (1.0, "1 ложную тревогу"),
            (2.0, "2 ложные тревоги"),
            (5.0, "5 ложных тревог"),
        ],
    )
    def test_russian_budgets(self, budget: float, said: str) -> None:
        assert said in wording.strength_in_words(evidence(false_alarms_per_100_call_hours=budget), RU)

    @pytest.mark.parametrize(
        ("voice", "words", "said"),
        [
            (5.0, None, "It comes from the voice."),
            (5.0, -3.0, "It comes from the voice."),
            (-1.0, 4.0, "It comes from the words."),
            (3.0, 4.0, "Voice and words both carry it."),
        ],
    )
    def test_it_says_what_carries_the_evidence(self, voice: float, words: float | None, said: str) -> None:
        assert wording.how_sure(alert(log_e_voice=voice, log_e_words=words), EN).endswith(said)

    def test_it_says_when_much_was_not_heard(self) -> None:
        assert "80%" in wording.how_sure(alert(coverage=0.8), EN)
        assert "%" not in wording.how_sure(alert(coverage=0.95), EN)


class TestTheRest:
    def test_levels(self) -> None:
        assert [wording.level_of(stress) for stress in (None, math.nan, 0.0, RAISED_STRESS, HIGH_STRESS, 1.0)] == [
            "unknown",
            "unknown",
            "calm",
            "raised",
            "high",
            "high",
        ]

    def test_lasting(self) -> None:
        event = alert().model_copy(update={"opened_s": 10.0, "at_s": 44.0})
        assert wording.lasting(event, EN) == "34 s"
        assert wording.lasting(event, RU, until_s=100.0) == "1 мин 30 с"
        assert wording.lasting(event.model_copy(update={"closed_s": 20.0}), ZH) == "10 秒"

    def test_requests(self) -> None:
        assert wording.request_in_words("complaint", None, EN) == "wants to make a complaint"
        assert wording.request_in_words("human", "соедините с человеком", RU) == (
            "просит соединить с человеком: «соедините с человеком»"
        )
        assert wording.request_in_words("of a later version", None, EN) == "asked for a person"

    def test_frustration(self) -> None:
        assert wording.frustration_in_words(HIGH_STRESS - 0.01, ["never"], EN) == ""
        assert wording.frustration_in_words(None, [], EN) == ""
        assert wording.frustration_in_words(0.9, [], EN) == "frustrated words"
        assert (
            wording.frustration_in_words(0.9, ["third time", "nobody calls"], ZH)
            == "用词流露不满：“third time … nobody calls”"
        )

    def test_quotes_are_shortened_between_words(self) -> None:
        assert wording.shortened("  Why   so late? ") == "Why so late?"
        assert wording.shortened("Enough.") == "Enough"
        long = wording.shortened("word " * 100)
        assert long.endswith("word…")
        assert len(long) <= wording.LONGEST_QUOTE + 1
        assert len(wording.shortened("我" * 500)) == wording.LONGEST_QUOTE + 1


def test_an_episode_without_a_voice_is_told_by_its_words() -> None:
    event = alert(
        utterance(0, frustrated_prob=0.9, words=("I am fed up",), quote="I am fed up"),
        log_e_voice=None,
        log_e_words=6.0,
    )
    assert wording.why(event, EN) == "Frustrated words: “I am fed up”"
