"""AudioSocket calls that are expected."""

from uuid import UUID

from voicepipe.gateways.registrations import Registration, Registrations
from voicepipe.types import Channel

ONE, TWO = UUID(int=1), UUID(int=2)


def test_a_registration_is_known_until_its_time_is_over() -> None:
    book = Registrations(most=10, wait_s=60.0)
    registration = Registration(uuid=ONE, call_id="A1", channel=Channel.AGENT, language="ru")
    assert book.expect(registration, owner="acme", now_s=0.0) == ONE
    found = book.take(ONE, now_s=59.0)
    assert found is not None
    identity, owner = found
    assert (identity.call_id, identity.channel, identity.language, owner) == ("A1", Channel.AGENT, "ru", "acme")
    assert book.take(TWO, now_s=59.0) is None
    assert book.take(ONE, now_s=60.0) is None


def test_a_uuid_is_made_where_none_is_given() -> None:
    book = Registrations(most=10, wait_s=60.0)
    uuids = {book.expect(Registration(call_id="A1"), owner="acme", now_s=0.0) for _ in range(3)}
    assert len(uuids) == 3
    assert None not in uuids


def test_another_clients_uuid_is_not_taken_and_the_number_is_bounded() -> None:
    book = Registrations(most=1, wait_s=60.0)
    assert book.expect(Registration(uuid=ONE, call_id="A1"), owner="acme", now_s=0.0) == ONE
    assert book.expect(Registration(uuid=ONE, call_id="B1"), owner="other", now_s=1.0) is None
    assert book.expect(Registration(uuid=ONE, call_id="A2"), owner="acme", now_s=1.0) == ONE
    assert book.expect(Registration(uuid=TWO, call_id="A3"), owner="acme", now_s=1.0) is None
    assert book.expect(Registration(uuid=TWO, call_id="A3"), owner="acme", now_s=99.0) == TWO
