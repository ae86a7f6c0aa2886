import pytest

from tests.conversation.dialogues import utterance
from voicepipe.conversation.silence import SilenceReason
from voicepipe.conversation.spurts import TurnConfig
from voicepipe.conversation.turns import TurnTaking, measure_turns
from voicepipe.types import Channel

A, C = Channel.AGENT, Channel.CALLER


def _measure(*spans: tuple[Channel, float, float, str], holds: bool = False) -> TurnTaking:
    utterances = [utterance(c, k, start, end, text) for k, (c, start, end, text) in enumerate(spans)]
    return measure_turns(
        utterances,
        duration_s=spans[-1][2] + 1.0,
        channels=(C, A),
        holds=[(A, k) for k, (c, *_) in enumerate(spans) if holds and c is A],
        config=TurnConfig(padding_s=0.0),
    )


@pytest.mark.parametrize(
    ("first", "text", "second", "owner", "reason"),
    [
        (A, "What is your number?", C, C, SilenceReason.QUESTION),
        (A, "What is your number?", A, C, SilenceReason.QUESTION),
        (C, "Can you fix it?", A, A, SilenceReason.QUESTION),
        (A, "It says here", A, A, SilenceReason.PAUSE),
        (C, "well the thing is", C, C, SilenceReason.PAUSE),
        (C, "My bill is wrong.", A, A, SilenceReason.GAP),
        (A, "Your balance is low.", C, C, SilenceReason.GAP),
    ],
)
def test_a_silence_belongs_to_who_was_expected_to_speak(
    first: Channel, text: str, second: Channel, owner: Channel, reason: SilenceReason
) -> None:
    turns = _measure((first, 0.0, 2.0, text), (second, 8.0, 10.0, "yes"))
    assert turns.silences is not None
    (silence,) = turns.silences
    assert (silence.owner, silence.reason, silence.duration_s) == (owner, reason, 6.0)
    side = turns.side(owner)
    assert side is not None
    assert side.silence_s == 6.0


def test_who_asks_for_time_owes_the_next_turn_also_after_the_others_okay() -> None:
    turns = _measure((A, 0.0, 2.0, "one moment"), (C, 2.5, 3.0, "okay"), (C, 12.0, 14.0, "hello?"), holds=True)
    assert turns.silences is not None
    assert [(s.owner, s.reason) for s in turns.silences] == [(A, SilenceReason.HOLD)]


def test_three_seconds_exactly_is_no_silence() -> None:
    assert _measure((A, 0.0, 2.0, "a"), (C, 5.0, 6.0, "b")).silences == ()


def test_before_the_first_and_after_the_last_word_nobody_was_expected() -> None:
    turns = measure_turns([utterance(A, 0, 5.0, 6.0)], duration_s=20.0, channels=(C, A))
    assert turns.silences is not None
    assert [(s.owner, s.reason) for s in turns.silences] == [(None, SilenceReason.EDGE)] * 2
