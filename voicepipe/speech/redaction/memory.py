"""What a call is about to say: the redactor's memory from one utterance to the next.

"Can I have your card number?" makes the next numbers private, whoever says them; a number that was read out half may
go on in the next utterance. Both are remembered as an `Expectation`: a kind and two counts. Nothing that was said is
kept, so the memory can be stored with the call.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from voicepipe.speech.redaction.kinds import Kind
from voicepipe.types import ConfigError

WHOLE_DIGITS: dict[str, int] = {
    Kind.CARD: 13,
    Kind.IBAN: 15,
    Kind.ACCOUNT: 8,
    Kind.PHONE: 10,
    Kind.ID: 9,
    Kind.CODE: 3,
    Kind.NUMBER: 10,
}
"""Digits after which a number of the kind may be complete; what is expected then is only its repetition."""

PATIENCE = 6
"""Utterances with words in them that an expectation outlives, backchannels ("mhm", "go on") not counted."""
REPEAT_PATIENCE = 3
"""The same, once the number may be complete."""
TOPIC_PATIENCE = 2
"""The same, where a thing was only talked about ("my card") and no number was asked for."""
_MAX_EXPECTED = 4


@dataclass(frozen=True, slots=True)
class Expectation:
    """Private data that may come next.

    Attributes
    ----------
    kind : str
        A `Kind`.
    strong : bool
        It was asked for, announced or begun; False where it was only talked about.
    utterances_left : int
        How many more utterances it lasts.
    digits : int
        How many digits of it were said.
    asked_by : str
        Channel of the question, for what is answered by the other side only (a name); empty otherwise.
    """

    kind: str
    strong: bool
    utterances_left: int
    digits: int = 0
    asked_by: str = ""


class Memory:
    """Expectations of a call, the most recent first."""

    def __init__(self, expected: Iterable[Expectation] = ()) -> None:
        self.expected: tuple[Expectation, ...] = tuple(expected)

    def of(self, *kinds: str) -> Expectation | None:
        """Return the most recent expectation of these kinds: a strong and unfinished one first, then a strong one."""
        strong = weak = None
        for one in self.expected:
            if one.kind not in kinds:
                continue
            if not one.strong:
                weak = weak or one
            elif one.digits < WHOLE_DIGITS.get(one.kind, 10):
                return one
            else:
                strong = strong or one
        return strong or weak

    def pass_utterance(self) -> None:
        """Let one utterance go by."""
        if self.expected:
            self.expected = tuple(
                [
                    Expectation(one.kind, one.strong, one.utterances_left - 1, one.digits, one.asked_by)
                    for one in self.expected
                    if one.utterances_left > 1
                ]
            )

    def announce(self, kind: str, *, strong: bool, asked_by: str = "") -> None:
        """Expect a kind from now on."""
        known = self.of(kind)
        if known and known.strong and not strong:
            return
        self._put(Expectation(kind, strong, PATIENCE if strong else TOPIC_PATIENCE, 0, asked_by))

    def hear(self, kind: str, digits: int) -> None:
        """Take note that `digits` digits of a kind were said and may go on."""
        known = self.of(kind)
        total = digits + (known.digits if known else 0)
        whole = total >= WHOLE_DIGITS.get(kind, 10)
        self._put(
            Expectation(
                kind, strong=True, utterances_left=REPEAT_PATIENCE if whole else PATIENCE, digits=min(total, 99)
            )
        )

    def forget(self, kind: str) -> None:
        """Expect a kind no longer: it was said in full."""
        self.expected = tuple(one for one in self.expected if one.kind != kind)

    def _put(self, expectation: Expectation) -> None:
        rest = (one for one in self.expected if one.kind != expectation.kind)
        self.expected = (expectation, *rest)[:_MAX_EXPECTED]

    def state(self) -> list[dict[str, str | int | bool]]:
        """Return the memory as plain JSON values: kinds, counts and channels, never what was said."""
        return [
            {
                "kind": str(one.kind),
                "strong": one.strong,
                "utterances_left": one.utterances_left,
                "digits": one.digits,
                "asked_by": one.asked_by,
            }
            for one in self.expected
        ]

    @classmethod
    def restored(cls, state: object) -> "Memory":
        """Return the memory that `state` gave.

        Raises
        ------
        ConfigError
            If it is none.
        """
        if not isinstance(state, list):
            raise ConfigError("The redactor's saved memory is no list: start the call's redaction afresh.")
        try:
            return cls(_restored(one) for one in state)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError("The redactor's saved memory is damaged: start the call's redaction afresh.") from error


def _restored(entry: Mapping[str, object]) -> Expectation:
    left, digits = entry["utterances_left"], entry["digits"]
    if not isinstance(left, int) or not isinstance(digits, int):
        raise TypeError
    return Expectation(Kind(str(entry["kind"])), bool(entry["strong"]), left, digits, str(entry["asked_by"]))
