from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.gateways.dialogue import STARTED_AT, make_decoder
from voicepipe.gateways.decoder import Decoder
from voicepipe.gateways.identity import CallIdentity
from voicepipe.gateways.joining import CallJoiner, JoiningConfig
from voicepipe.types import AudioChunk, CallEnded, CallStarted, Channel, GatewayProtocolError, MediaEvent

BOTH = (Channel.CALLER, Channel.AGENT)
IDS = {
    UUID(int=n + 1): identity
    for n, identity in enumerate(
        (
            CallIdentity(call_id="call-1", channel=Channel.CALLER, channels=BOTH),
            CallIdentity(call_id="call-1", channel=Channel.AGENT, channels=BOTH),
            CallIdentity(call_id="call-1", channel=Channel.MIXED),
            CallIdentity(call_id="call-2", channel=Channel.CALLER),
            CallIdentity(call_id="call-2.2", channel=Channel.CALLER),
        )
    )
}
CALLER, AGENT, STRANGE, OTHER, NUMBERED = IDS


class Line:
    """One connection to a joiner, accepted so long after the first one."""

    def __init__(
        self,
        joiner: CallJoiner,
        uuid: UUID,
        *,
        after_s: float = 0.0,
        owner: str = "",
        started_at: datetime = STARTED_AT,
    ):
        self.joiner, self.after_s, self.owner = joiner, after_s, owner
        self.leg: Decoder = make_decoder("audiosocket", registered=IDS, started_at=started_at)
        self.begun = self.send(b"\x01\x00\x10" + uuid.bytes)

    def send(self, message: bytes) -> list[MediaEvent]:
        events = self.leg.feed(message)
        return self.joiner.take(self.leg, events, now_s=self.after_s, accepted_s=self.after_s, owner=self.owner)

    def audio(self, n: int = 160, *, kind: int = 0x10) -> list[MediaEvent]:
        return self.send(bytes([kind]) + (2 * n).to_bytes(2, "big") + b"\x01\x00" * n)

    def end(self, code: int | None = 1000, *, now_s: float = 0.0) -> list[MediaEvent]:
        return self.joiner.take(self.leg, self.leg.end(code), now_s=now_s, accepted_s=self.after_s)


@pytest.fixture
def joiner() -> CallJoiner:
    return CallJoiner(config=JoiningConfig(reconnect_s=20.0))


def places(events: list[MediaEvent]) -> list[tuple[str, str, int]]:
    return [(e.call_id, e.channel, e.first_sample) for e in events if isinstance(e, AudioChunk)]


def test_two_connections_are_one_call_of_two_channels(joiner: CallJoiner) -> None:
    caller = Line(joiner, CALLER)
    agent = Line(joiner, AGENT, after_s=0.3)
    assert [event.call.channels for event in caller.begun if isinstance(event, CallStarted)] == [BOTH]
    assert agent.begun == []
    assert places(caller.audio() + agent.audio()) == [("call-1", "caller", 0), ("call-1", "agent", 0)]
    assert joiner.legs_of("call-1") == [caller.leg, agent.leg]
    assert caller.end() == []
    assert places(agent.audio()) == [("call-1", "agent", 160)]
    assert agent.end() == [CallEnded(call_id="call-1", reason="end")]
    assert joiner.calls == 0


def test_a_track_that_begins_later_lies_later(joiner: CallJoiner) -> None:
    Line(joiner, CALLER)
    agent = Line(joiner, AGENT, after_s=2.5)
    assert places(agent.audio()) == [("call-1", "agent", 20_000)]
    assert joiner.offset_s(agent.leg) == 2.5


def test_a_connection_that_comes_back_goes_on_with_the_call(joiner: CallJoiner) -> None:
    first = Line(joiner, OTHER)
    assert first.begun
    first.audio()
    assert first.end(None, now_s=5.0) == []
    assert joiner.expire(now_s=24.9) == []
    second = Line(joiner, OTHER, after_s=7.0)
    assert second.begun == []
    assert places(second.audio()) == [("call-2", "caller", 56_000)]
    assert joiner.expire(now_s=1e6) == []
    assert second.end() == [CallEnded(call_id="call-2", reason="end")]


@pytest.mark.parametrize("set_by_s", [-20.0, 3600.0])
def test_a_clock_that_is_set_between_two_connections_moves_no_audio(joiner: CallJoiner, set_by_s: float) -> None:
    Line(joiner, OTHER).end(None, now_s=5.0)
    second = Line(joiner, OTHER, after_s=7.0, started_at=STARTED_AT + timedelta(seconds=7.0 + set_by_s))
    assert places(second.audio()) == [("call-2", "caller", 56_000)]


def test_even_a_quick_return_lies_after_what_was_heard(joiner: CallJoiner) -> None:
    Line(joiner, OTHER).end(None)
    assert places(Line(joiner, OTHER, after_s=0.25).audio()) == [("call-2", "caller", 2_000)]


def test_a_call_whose_connection_does_not_come_back_ends(joiner: CallJoiner) -> None:
    Line(joiner, OTHER).end(None, now_s=5.0)
    assert joiner.expire(now_s=25.0) == [CallEnded(call_id="call-2", reason="connection_lost")]
    assert joiner.expire(now_s=99.0) == []


def test_a_call_waits_for_the_track_that_never_came(joiner: CallJoiner) -> None:
    assert Line(joiner, CALLER).end(1000, now_s=1.0) == []
    assert joiner.expire(now_s=21.0) == [CallEnded(call_id="call-1", reason="connection_lost")]


def test_the_newer_of_two_connections_of_one_channel_counts(joiner: CallJoiner) -> None:
    old = Line(joiner, OTHER)
    new = Line(joiner, OTHER, after_s=30.0)
    assert joiner.superseded() == [old.leg]
    assert joiner.superseded() == []
    assert old.audio() == []
    assert old.end() == []
    assert places(new.audio()) == [("call-2", "caller", 240_000)]


def test_an_id_that_is_used_again_is_another_call(joiner: CallJoiner) -> None:
    Line(joiner, OTHER).end()
    for name in ("call-2.2", "call-2.3"):
        again = Line(joiner, OTHER)
        assert [event.call.call_id for event in again.begun if isinstance(event, CallStarted)] == [name]
        assert places(again.audio())[0][0] == name
        assert again.end() == [CallEnded(call_id=name, reason="end")]


def ids_of(lines: list[Line]) -> list[str]:
    return [event.call.call_id for line in lines for event in line.begun if isinstance(event, CallStarted)]


@pytest.mark.parametrize("ended", [False, True])
def test_an_id_that_another_call_was_given_is_another_call(joiner: CallJoiner, *, ended: bool) -> None:
    Line(joiner, OTHER, owner="pbx-b").end()
    theirs = Line(joiner, OTHER, owner="pbx-b")
    if ended:
        theirs.end()
    ours = Line(joiner, NUMBERED, owner="pbx-a")
    assert ids_of([theirs, ours]) == ["call-2.2", "call-2.2.2"]
    assert places(ours.audio()) == [("call-2.2.2", "caller", 0)]
    assert places(theirs.audio()) == ([] if ended else [("call-2.2", "caller", 0)])


@pytest.mark.parametrize("ended", [False, True])
def test_a_call_is_not_given_an_id_that_another_one_has_announced(joiner: CallJoiner, *, ended: bool) -> None:
    ours = Line(joiner, NUMBERED, owner="pbx-a")
    if ended:
        ours.end()
    Line(joiner, OTHER, owner="pbx-b").end()
    assert ids_of([Line(joiner, OTHER, owner="pbx-b")]) == ["call-2.3"]


def test_an_id_that_another_node_gave_is_another_call(joiner: CallJoiner) -> None:
    """What the store tells, again and again: calls of others, of before the restart, and the joiner's own."""
    joiner.remember(["call-2"])
    first = Line(joiner, OTHER)
    joiner.remember(["call-2", "call-2.2"])
    assert first.end() == [CallEnded(call_id="call-2.2", reason="end")]
    joiner.remember(["call-2", "call-2.2", "call-2.3"])
    assert ids_of([first, Line(joiner, OTHER)]) == ["call-2.2", "call-2.4"]


def test_a_call_that_cannot_be_taken_is_forgotten_and_its_id_counts_as_used(joiner: CallJoiner) -> None:
    first = Line(joiner, OTHER)
    joiner.drop(first.leg)
    assert joiner.calls == 0
    assert first.audio() == first.end() == []
    assert ids_of([Line(joiner, OTHER)]) == ["call-2.2"]


def test_with_time_to_linger_the_next_stream_of_a_call_goes_on() -> None:
    joiner = CallJoiner(config=JoiningConfig(linger_s=3.0))
    assert Line(joiner, OTHER).end(1000, now_s=10.0) == []
    assert Line(joiner, OTHER, after_s=12.0).begun == []
    assert joiner.expire(now_s=13.0) == []


def test_a_channel_that_was_not_announced_cannot_join(joiner: CallJoiner) -> None:
    caller = Line(joiner, CALLER)
    with pytest.raises(GatewayProtocolError, match="began with the channels caller, agent"):
        Line(joiner, STRANGE)
    assert places(caller.audio()) == [("call-1", "caller", 0)]


def test_somebody_else_cannot_join(joiner: CallJoiner) -> None:
    Line(joiner, CALLER, owner="pbx-a")
    with pytest.raises(GatewayProtocolError, match="somebody else's"):
        Line(joiner, AGENT, owner="pbx-b")
    assert joiner.superseded() == []


def test_another_sample_rate_cannot_join(joiner: CallJoiner) -> None:
    Line(joiner, OTHER).audio()
    again = Line(joiner, OTHER, after_s=1.0)
    with pytest.raises(GatewayProtocolError, match="8000 Hz on its caller channel and goes on at 16000"):
        again.audio(kind=0x12)
    assert again.leg.closing is not None
    assert joiner.expire(now_s=1e6) == [CallEnded(call_id="call-2", reason="connection_lost")]


def test_shutting_down_ends_every_call(joiner: CallJoiner) -> None:
    lines = [Line(joiner, CALLER), Line(joiner, OTHER)]
    assert sorted(event.call_id for event in joiner.finish() if isinstance(event, CallEnded)) == ["call-1", "call-2"]
    assert [line.audio() for line in lines] == [[], []]
    assert joiner.calls == 0


def test_the_call_itself_is_not_changed_by_a_leg(joiner: CallJoiner) -> None:
    caller = Line(joiner, CALLER)
    call = joiner.call_of(caller.leg)
    Line(joiner, AGENT, after_s=1.0)
    assert call is not None
    assert joiner.call_of(caller.leg) == replace(call)
