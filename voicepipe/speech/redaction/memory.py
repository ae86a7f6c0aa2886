"""What a call is about to say: the redactor's memory from one utterance to the next.

"Can I have your card number?" makes the next numbers private, whoever says them; a number that was read out half may
go on in the next utterance. Both are remembered as an `Expectation`: a kind and two counts. So is talk of a reference
("which order?"), whose number stays. Nothing that was said is in them, so they can be stored with the call; the digits
by which a repetition is known (`voicepipe.speech.redaction.said`) are not stored.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

from voicepipe.speech.redaction.kinds import Kind
from voicepipe.speech.redaction.said import Said
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

REFERENCE = "reference"
"""Expected where the talk is of an order, a ticket, a claim: the next agent needs its number, nobody's secret."""

PATIENCE = 6
"""Utterances with words in them that an expectation outlives, backchannels ("mhm", "go on") not counted."""
REPEAT_PATIENCE = 3
"""The same, once the number may be complete."""
TOPIC_PATIENCE = 2
"""The same, where a thing was only talked about ("my card") and no number was asked for."""
REFERENCE_PATIENCE = 3
"""The same, where a reference was named."""
_MAX_EXPECTED = 5


class Expectation(NamedTuple):
    """Private data that may come next.

    Attributes
    ----------
    kind : str
        A `Kind`, or `REFERENCE`.
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

    @property
    def complete(self) -> bool:
        """Whether so many digits were said that there may be no more of them."""
        return self.digits >= WHOLE_DIGITS.get(self.kind, 10)


class Memory:
    """Expectations of a call, the most recent first, and the digits of the numbers that are expected."""

    def __init__(self, expected: Iterable[Expectation] = (), said: Said | None = None) -> None:
        self.expected: tuple[Expectation, ...] = tuple(expected)
        self.names: frozenset[str] = frozenset()  # words of the names that were said; in the process only
        self.mailboxes: frozenset[tuple[str, str]] = frozenset()  # neighbours in e-mail addresses; in the process only
        self.han = False  # there was Chinese
        self.tail = ""  # the kind of which the last four digits were asked for
        self.said = said if said is not None else Said()

    def copy(self) -> "Memory":
        """Return the same, to be changed on its own."""
        other = Memory(self.expected, self.said.copy())
        other.tail, other.names, other.mailboxes, other.han = self.tail, self.names, self.mailboxes, self.han
        return other

    def of(self, *kinds: str) -> Expectation | None:
        """Return the most recent expectation of these kinds: a strong and unfinished one first, then a strong one."""
        strong = weak = None
        for one in self.expected:
            if one.kind not in kinds:
                continue
            if not one.strong:
                weak = weak or one
            elif not one.complete:
                return one
            else:
                strong = strong or one
        return strong or weak

    def reference(self, expected: Expectation | None) -> Expectation | None:
        """Return the reference that was named after the private number that is expected, unless that is half said."""
        place = next((place for place, one in enumerate(self.expected) if one.kind == REFERENCE), None)
        if place is None:
            return None
        if expected is None or not expected.strong or expected.complete or self.said.is_whole(expected.kind):
            return self.expected[place]
        return self.expected[place] if not expected.digits and place < self.expected.index(expected) else None

    def pass_utterance(self, *, heard: Collection[str] = ()) -> None:
        """Let one utterance go by; what was heard in it does not lapse."""
        self.expected = tuple(
            one._replace(utterances_left=max(one.utterances_left - 1, 1))
            for one in self.expected
            if one.utterances_left > 1 or one.kind in heard
        )
        self.said.keep(one.kind for one in self.expected)

    def announce(self, kind: str, *, strong: bool, asked_by: str = "", patience: int = 0) -> None:
        """Expect a kind from now on, for as many utterances as are usual unless `patience` says how many."""
        known = self.of(kind)
        if known and known.strong and not strong:
            return
        if strong:
            self.said.begin(kind)
        usual = REFERENCE_PATIENCE if kind == REFERENCE else PATIENCE if strong else TOPIC_PATIENCE
        self._put(Expectation(kind, strong, patience or usual, 0, asked_by))

    def hear(self, kind: str, digits: int, *, said: str = "", by: str = "") -> None:
        """Take note that `digits` digits of a kind were said and may go on: see `Said.hear`."""
        known = self.of(kind)
        new = not said or self.said.hear(kind, said, by=by, han=self.han)
        total = (digits if new else 0) + (known.digits if known else 0)
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
    kind = str(entry["kind"])
    return Expectation(
        kind if kind == REFERENCE else Kind(kind), bool(entry["strong"]), left, digits, str(entry["asked_by"])
    )
