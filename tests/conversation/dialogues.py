"""Dialogues of this folder's data files, as the utterances that a call would give."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicepipe.conversation.wording import count_words
from voicepipe.types import Channel, Frustration, HumanRequest, ScoredUtterance, StressScore, Transcript

DATA = Path(__file__).parent / "data"
ROUNDS = (DATA, DATA / "second", DATA / "third", DATA / "fourth")
"""Each folder was written when the cues stood as the folders before it had left them."""
BLIND = DATA / "blind"
"""Written and labelled by another hand than the cues, which were then tuned on it."""
HELDOUT = DATA / "heldout"
"""Written and labelled before that, by the hand that tuned them; for measuring only."""
INDEPENDENT = DATA / "independent"
"""Written and labelled by another hand when the cues stood; for measuring only."""
LANGUAGES = ("en", "ru", "zh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """One dialogue and what its handoff must hold."""

    name: str
    language: str
    utterances: tuple[ScoredUtterance, ...]
    expected: tuple[tuple[str, str], ...]

    @property
    def duration_s(self) -> float:
        """Until one second after the last word."""
        return self.utterances[-1].end_s + 1.0


def utterance(
    channel: Channel,
    index: int,
    start_s: float,
    end_s: float,
    text: str | None = None,
    *,
    language: str = "en",
    stress: float | None = None,
    frustration: float | None = None,
    human_request: HumanRequest | None = None,
) -> ScoredUtterance:
    """Build an utterance of which only what matters is given."""
    return ScoredUtterance(
        call_id="call",
        channel=channel,
        index=index,
        start_s=start_s,
        end_s=end_s,
        decided_s=end_s + 0.5,
        speech_s=end_s - start_s,
        transcript=None if text is None else Transcript(text=text, language=language),
        score=None
        if stress is None
        else StressScore(
            stress=stress, arousal=0.0, valence=0.0, emotions={}, confidence=1.0, model_id="m", baseline_ready=True
        ),
        human_request=human_request,
        frustration=None if frustration is None else Frustration(prob=frustration, words=(), model_id="m"),
    )


def spoken(lines: Sequence[tuple[Channel, str]], *, language: str = "en") -> tuple[ScoredUtterance, ...]:
    """Let the lines follow one another, 0.35 s for a word (0.22 for a Chinese character), 0.6 s between them."""
    found: list[ScoredUtterance] = []
    start_s, counts = 0.5, dict.fromkeys(Channel, 0)
    for channel, text in lines:
        end_s = start_s + 0.5 + count_words(text) * (0.22 if language == "zh" else 0.35)
        found.append(utterance(channel, counts[channel], start_s, end_s, text, language=language))
        counts[channel] += 1
        start_s = end_s + 0.6
    return tuple(found)


def caller_and_agent(*lines: str, language: str = "en") -> tuple[ScoredUtterance, ...]:
    """Read ``agent: ...`` and ``caller: ...``."""
    pairs = [line.split(": ", 1) for line in lines]
    return spoken([(Channel(side), text) for side, text in pairs], language=language)


def dialogues(language: str, folder: Path = DATA) -> Iterator[Dialogue]:
    """Read the dialogues of one language."""
    name, lines, expected = "", [], []
    for line in [*(folder / f"{language}.txt").read_text(encoding="utf-8").splitlines(), "= "]:
        if line.startswith("= "):
            if lines:
                yield Dialogue(
                    name=f"{language}-{name}",
                    language=language,
                    utterances=caller_and_agent(*lines, language=language),
                    expected=tuple(expected),
                )
            name, lines, expected = line[2:].strip(), [], []
        elif line.startswith("> "):
            part, words = line[2:].split(": ", 1)
            expected.append((part, words))
        elif line and not line.startswith("#"):
            lines.append(line)


def with_stress(utterances: Sequence[ScoredUtterance], stress: Mapping[int, float]) -> tuple[ScoredUtterance, ...]:
    """Score the caller's utterances of these indices."""
    return tuple(
        utterance(
            u.channel,
            u.index,
            u.start_s,
            u.end_s,
            u.transcript.text if u.transcript else None,
            language=u.transcript.language if u.transcript else "en",
            stress=stress.get(u.index) if u.channel is Channel.CALLER else None,
        )
        for u in utterances
    )
