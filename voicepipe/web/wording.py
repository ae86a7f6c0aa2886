"""What was found out, in the supervisor's language: why an alert came, how sure it is, how long it lasts.

Pure: structured facts in, a sentence out. A sentence says what was measured and no more; that evidence is strong is not
said as "probably stressed", for the evidence is not a probability of that (`voicepipe.stress.evidence`).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, Literal, Protocol, TypeAlias

from voicepipe.events.reroute import EvidenceFacts, RerouteEvent, UtteranceFacts
from voicepipe.stress.levels import HIGH_STRESS, RAISED_STRESS
from voicepipe.stress.prosody import FEATURES
from voicepipe.web.language import Language

Level: TypeAlias = Literal["calm", "raised", "high", "unknown"]

MOST_NAMED: Final = 2
"""Most properties of the voice that the one sentence of an alert names."""

LONGEST_QUOTE: Final = 160
"""Characters of a quote in the one sentence."""

MOST_TIMES: Final = 100
"""Evidence beyond so many times the level is called "more than" that."""

_UNITS: Final = {
    "": "number",
    "semitones": "st",
    "semitones per second": "st-per-s",
    "semitones per dB": "st-per-db",
    "dB": "db",
    "dB per second": "db-per-s",
    "dB per octave": "db-per-octave",
    "dB per kHz": "db-per-khz",
    "dB per octave per dB": "db-per-octave-per-db",
    "percent": "points",
    "seconds": "s",
    "per second": "per-s",
    "syllables per second": "syllables-per-s",
    "Hz": "hz",
}
"""Unit of `voicepipe.stress.features.Feature` to the ending of its message."""

_OF_FEATURE: Final = {feature.name: feature for feature in FEATURES}
_NUMBERED = re.compile(r"(mfcc)(\d+)(_.+)")
_COMPARED_WITH_OWN = "this caller's normal"
"""How `voicepipe.stress.explain` ends its text where the baseline is the caller's own."""
_ENDS: Final = " \t\n.,;:!?…。，；：！？、"


class Deviation(Protocol):
    """One measured property and its distance from normal: `types.FeatureDeviation` or `reroute.DeviationFacts`."""

    @property
    def name(self) -> str:
        """As in `voicepipe.stress.prosody.FEATURES`."""
        ...

    @property
    def deviation(self) -> float:
        """Value minus normal, in the feature's unit."""
        ...

    @property
    def text(self) -> str:
        """The same in plain English."""
        ...


@dataclass(frozen=True, slots=True)
class _Named:
    """A deviation ready to be said."""

    name: str
    amount: str
    side: str


def level_of(stress: float | None) -> Level:
    """Return how high a stress, 0..1, is shown; "unknown" where there is none."""
    if stress is None or math.isnan(stress):
        return "unknown"
    return "high" if stress >= HIGH_STRESS else "raised" if stress >= RAISED_STRESS else "calm"


def why(event: RerouteEvent, language: Language) -> str:
    """Return the alert's one sentence: a request for a person, what the voice did and for how long, what was said.

    The voice's properties are those that most of the utterances behind the alert have in common; where none is shared
    by at least half of them, no length of time is claimed for any.
    """
    utterances = event.evidence.utterances
    asked = _latest_request(utterances, language)
    voice = _voice(event, language)
    said = _said(utterances, language, any_words=not asked)
    parts = [part for part in (asked, voice, said) if part]
    if not parts:
        parts = [language.t("why-voice-whole")]
    sentence = parts[0]
    for part in parts[1:]:
        sentence = language.t("why-joined", left=sentence, right=part)
    return sentence[:1].upper() + sentence[1:]


def how_sure(event: RerouteEvent, language: Language) -> str:
    """Return how strong the evidence is, against the level that the budget sets, and what it rests on."""
    sentences = [strength_in_words(event.evidence, language)]
    source = _source(event.evidence)
    if source:
        sentences.append(language.t(f"sure-from-{source}"))
    if event.coverage.ratio < 0.9:
        sentences.append(language.t("sure-coverage", percent=language.percent(event.coverage.ratio)))
    text = sentences[0]
    for sentence in sentences[1:]:
        text = language.t("sentences", left=text, right=sentence)
    return text


def strength_in_words(evidence: EvidenceFacts, language: Language) -> str:
    """Return how strong evidence is in one sentence.

    What it is told against is the level at which the operator's budget of false alarms allows an alert: evidence
    c times as strong comes over calm callers about c times as rarely as the budget allows. Below the level (a request
    for a person opens an alert without it) nothing is claimed.
    """
    budget = round(evidence.false_alarms_per_100_call_hours, 2)
    # Both are rounded to four digits on the wire.
    times = math.exp(min(evidence.log_e - evidence.log_e_threshold, 700.0))
    if times < 0.999:
        return language.t("sure-below", budget=budget)
    if times < 1.5:
        return language.t("sure-at", budget=budget)
    if times > MOST_TIMES:
        return language.t("sure-far", times=MOST_TIMES, budget=budget)
    shown = round(times) if times >= 10 else math.floor(10 * times) / 10
    return language.t("sure-over", times=shown, budget=budget)


def lasting(event: RerouteEvent, language: Language, *, until_s: float | None = None) -> str:
    """Return how long the episode lasts: from its first utterance to its end, else to `until_s`, else to the alert."""
    end_s = event.closed_s if event.closed_s is not None else until_s if until_s is not None else event.at_s
    return language.duration(max(0.0, end_s - event.opened_s))


def deviation_in_words(deviation: Deviation, language: Language) -> str:
    """Return one property and its distance: "pitch 4.1 semitones above this caller's normal".

    A property that this version doesn't know is told as the event tells it, in English.
    """
    return deviations_in_words((deviation,), language) or deviation.text


def deviations_in_words(deviations: Iterable[Deviation], language: Language) -> str:
    """Return several in one: "pitch 4 semitones and loudness 8 dB above this caller's normal".

    Those of a name that this version doesn't know are left out. What is compared with the caller's own normal and what
    with other callers' comes in two parts.
    """
    known = [
        deviation for deviation in deviations if deviation.name in _OF_FEATURE and math.isfinite(deviation.deviation)
    ]
    own = [deviation for deviation in known if _is_own(deviation)]
    usual = [deviation for deviation in known if not _is_own(deviation)]
    parts = [
        language.t(
            f"deviation-against-{whose}",
            deviations=_grouped([_named(d.name, d.deviation, language) for d in part], language),
        )
        for whose, part in (("own", own), ("usual", usual))
        if part
    ]
    return language.t("why-joined", left=parts[0], right=parts[1]) if len(parts) == 2 else "".join(parts)


def request_in_words(kind: str, quote: str | None, language: Language) -> str:
    """Return that the caller asked for a person; `kind` as in `types.HumanRequest`."""
    said = language.t(f"request-{kind if kind in ('human', 'supervisor', 'complaint') else 'human'}")
    return language.t("with-quote", said=said, quote=shortened(quote)) if quote else said


def frustration_in_words(prob: float | None, words: Sequence[str], language: Language) -> str:
    """Return which words sound frustrated; empty below the level from which a score is explained."""
    if prob is None or prob < HIGH_STRESS:
        return ""
    said = language.t("words-frustrated")
    return language.t("with-quote", said=said, quote=" … ".join(shortened(word) for word in words)) if words else said


def shortened(quote: str) -> str:
    """Return a quote of `LONGEST_QUOTE` characters at most, cut between words where there are any, without a stop."""
    whole = " ".join(quote.split()).rstrip(_ENDS)
    if len(whole) <= LONGEST_QUOTE:
        return whole + ("?" if quote.rstrip().endswith(("?", "？")) else "")
    cut = whole[:LONGEST_QUOTE]
    space = cut.rfind(" ")
    return cut[: space if space > LONGEST_QUOTE // 2 else LONGEST_QUOTE].rstrip(_ENDS) + "…"


def _voice(event: RerouteEvent, language: Language) -> str:
    """Return what the voice did; empty where the evidence isn't the voice's or nothing of it can be named."""
    measured = [utterance for utterance in event.evidence.utterances if utterance.deviations]
    if not measured:
        return ""
    common = _common(measured)
    if common:
        said = deviations_in_words(common, language)
        return language.t("why-for", said=said, duration=language.duration(event.stress.stressed_speech_s))
    latest = max(measured, key=lambda utterance: (utterance.stress or 0.0, utterance.index))
    return deviations_in_words(latest.deviations[:MOST_NAMED], language)


@dataclass(frozen=True, slots=True)
class _Typical:
    """What several utterances have in common."""

    name: str
    deviation: float
    text: str


def _common(measured: Sequence[UtteranceFacts]) -> list[_Typical]:
    """Return the properties that at least half of the utterances share, on one side, the most telling first.

    What is above this caller's normal is not shared with what is above that of other callers: they are told apart.
    """
    found: dict[tuple[str, bool, bool], list[Deviation]] = {}
    weight: Counter[tuple[str, bool, bool]] = Counter()
    for utterance in measured:
        for place, deviation in enumerate(utterance.deviations):
            if deviation.name in _OF_FEATURE:
                key = (deviation.name, deviation.deviation > 0, _is_own(deviation))
                found.setdefault(key, []).append(deviation)
                weight[key] += 60 // (1 + place)
    shared = [key for key, _ in weight.most_common() if 2 * len(found[key]) >= len(measured)]
    return [
        _Typical(
            name=key[0],
            deviation=median(deviation.deviation for deviation in found[key]),
            text=found[key][-1].text,
        )
        for key in shared[:MOST_NAMED]
    ]


def _said(utterances: Sequence[UtteranceFacts], language: Language, *, any_words: bool) -> str:
    """Return the words that sound most frustrated, else, where any words will do, those of the most stressed voice."""
    outspoken = max(utterances, key=lambda utterance: utterance.frustrated_prob or 0.0, default=None)
    if outspoken is not None and outspoken.words:
        said = frustration_in_words(outspoken.frustrated_prob, outspoken.words, language)
        if said:
            return said
    quoted = [utterance for utterance in utterances if utterance.quote]
    if not quoted or not any_words:
        return ""
    loudest = max(quoted, key=lambda utterance: (utterance.stress or 0.0, utterance.index))
    return language.t("with-quote", said=language.t("said"), quote=shortened(loudest.quote or ""))


def _latest_request(utterances: Sequence[UtteranceFacts], language: Language) -> str:
    asked = [utterance.human_request for utterance in utterances if utterance.human_request is not None]
    return request_in_words(asked[-1].kind, asked[-1].quote, language) if asked else ""


def _source(evidence: EvidenceFacts) -> str:
    """Return which streams carry evidence of their own: "voice", "words", "both"; empty where none does."""
    voice = evidence.log_e_voice is not None and evidence.log_e_voice > 0.0
    words = evidence.log_e_words is not None and evidence.log_e_words > 0.0
    return "both" if voice and words else "voice" if voice else "words" if words else ""


def _is_own(deviation: Deviation) -> bool:
    return not deviation.text or deviation.text.endswith(_COMPARED_WITH_OWN)


def _named(name: str, off: float, language: Language) -> _Named:
    numbered = _NUMBERED.fullmatch(name)
    message = f"feature-{numbered[1]}{numbered[3]}" if numbered else f"feature-{name}"
    said = language.t(message, number=int(numbered[2])) if numbered else language.t(message)
    side = "more" if off > 0 else "less"
    own_side = f"{message}.{side}"
    return _Named(
        name=said,
        amount=_amount(name, abs(off), language),
        side=language.t(own_side if own_side in language.messages else f"side-{side}"),
    )


def _amount(name: str, off: float, language: Language) -> str:
    unit = _UNITS[_OF_FEATURE[name].unit]
    if name.endswith("_ratio") and unit == "number":
        unit, off = "points", 100.0 * off
    return language.t(f"amount-{unit}", amount=round(off, _digits(off)))


def _digits(number: float) -> int:
    """Return how many digits after the point are worth saying: about two that count."""
    return 0 if number >= 9.95 else 1 if number >= 0.95 else 2


def _grouped(named: Sequence[_Named], language: Language) -> str:
    """Return a list in which those on the same side share the word for it."""
    sides = dict.fromkeys(item.side for item in named)
    groups = []
    for side in sides:
        items = [
            language.t("deviation-item", name=item.name, amount=item.amount, side=side)
            for item in named
            if item.side == side
        ]
        groups.append(language.t("deviation-group", items=language.listed(items), side=side))
    return language.listed(groups)
