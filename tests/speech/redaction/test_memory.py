"""What a call is about to say."""

from voicepipe.speech.redaction.kinds import Kind
from voicepipe.speech.redaction.memory import PATIENCE, REFERENCE, REPEAT_PATIENCE, TOPIC_PATIENCE, Memory


def lasting(memory: Memory, kind: Kind) -> int:
    count = 0
    while memory.of(kind):
        memory.pass_utterance()
        count += 1
    return count


def test_what_was_asked_for_is_expected_longer_than_what_was_talked_about() -> None:
    asked, told = Memory(), Memory()
    asked.announce(Kind.CARD, strong=True)
    told.announce(Kind.CARD, strong=False)
    assert lasting(asked, Kind.CARD) == PATIENCE
    assert lasting(told, Kind.CARD) == TOPIC_PATIENCE


def test_a_number_said_in_full_is_expected_to_be_repeated_only() -> None:
    memory = Memory()
    memory.announce(Kind.CARD, strong=True)
    for _ in range(4):
        memory.hear(Kind.CARD, 4)
    assert lasting(memory, Kind.CARD) == REPEAT_PATIENCE


def test_an_unfinished_number_goes_before_a_finished_one() -> None:
    memory = Memory()
    memory.announce(Kind.CODE, strong=True)
    memory.hear(Kind.CARD, 16)
    expected = memory.of(Kind.CARD, Kind.CODE)
    assert expected is not None
    assert expected.kind == Kind.CODE


def test_a_question_is_not_weakened_by_talk_of_the_thing() -> None:
    memory = Memory()
    memory.announce(Kind.PHONE, strong=True)
    memory.announce(Kind.PHONE, strong=False)
    expected = memory.of(Kind.PHONE)
    assert expected is not None
    assert expected.strong


def test_what_was_said_is_forgotten() -> None:
    memory = Memory()
    memory.announce(Kind.NAME, strong=True, asked_by="agent")
    memory.forget(Kind.NAME)
    assert memory.of(Kind.NAME) is None
    assert memory.state() == []


def test_the_memory_comes_back_from_its_state() -> None:
    memory = Memory()
    memory.announce(Kind.NAME, strong=True, asked_by="agent")
    memory.hear(Kind.PHONE, 4)
    assert Memory.restored(memory.state()).expected == memory.expected


def test_a_reference_counts_unless_a_private_number_is_half_said() -> None:
    memory = Memory()
    memory.announce(REFERENCE, strong=True)
    assert memory.reference(None) is not None
    memory.announce(Kind.CARD, strong=True)
    assert memory.reference(memory.of(Kind.CARD)) is None
    memory.announce(REFERENCE, strong=True)
    assert memory.reference(memory.of(Kind.CARD)) is not None
    memory.hear(Kind.CARD, 4, said="4000")
    assert memory.reference(memory.of(Kind.CARD)) is None
    assert Memory.restored(memory.state()).expected == memory.expected
    assert "4000" not in str(memory.state())
