"""The stream: what a console is told, when, and what happens to one that does not keep up."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.events.calls import make_episode, make_summary, make_utterance
from tests.web.scene import PAST_CALL, Scene, call_of
from voicepipe.types import Basis, CallStarted, ConsentApplied, EpisodeState, Erasure, Scope, StoreError
from voicepipe.web.hub import Hub
from voicepipe.web.stream import EventStream, Listener

PATIENCE_S = 60.0


class Ear:
    """A console that listens to the hub."""

    def __init__(self, hub: Hub, *, last_id: str = "", **wants: Any) -> None:
        self.listener = Listener(**{"queues": None, **wants})
        self.joined = hub.join(self.listener, last_id=last_id)
        self._messages: list[tuple[str, str, Any]] = []

    async def hear(self, event: str) -> Any:
        """Return the content of the next message of a kind; others are passed over."""
        return (await self.message(event))[1]

    async def message(self, event: str) -> tuple[str, Any]:
        async with asyncio.timeout(PATIENCE_S):
            while True:
                while self._messages:
                    name, own_id, told = self._messages.pop(0)
                    if name == event:
                        return own_id, told
                self._messages += parse(await self.listener.waiting.get())


def parse(piece: bytes) -> list[tuple[str, str, Any]]:
    """Read server-sent events as a browser does."""
    found = []
    for block in piece.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "event" in fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found


def run(scenario: Callable[[Hub], Awaitable[None]], hub: Hub) -> None:
    asyncio.run(_within(scenario, hub))


async def _within(scenario: Callable[[Hub], Awaitable[None]], hub: Hub) -> None:
    async with asyncio.timeout(2 * PATIENCE_S):
        await scenario(hub)


def test_a_console_gets_all_calls_and_then_what_changes(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        first = await ear.hear("calls")
        assert first["all"]
        assert {row["call_id"] for row in first["calls"]} == {"call-billing", "call-claims", "call-none"}
        scene.board.on_call_event(make_utterance(7, call_id="call-claims", start_s=290.0, stress=0.1))
        told = await ear.hear("calls")
        assert (told["all"], [row["call_id"] for row in told["calls"]], told["gone"]) == (False, ["call-claims"], [])
        assert told["calls"][0]["trend"] == [[293.0, 0.1]]
        assert told["calls"][0]["episode"]["alert_id"] == scene.alert_id("call-claims")

    run(scenario, scene.console.hub)


def test_an_episode_is_told_at_once(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.hub._TICK_S", 3600.0)

    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        await ear.hear("calls")
        scene.board.on_call_event(make_episode(EpisodeState.CLOSED, call_id="call-billing", at_s=50.0))
        told = await ear.hear("calls")  # and not at the next tick
        assert told["calls"][0]["episode"] is None

    run(scenario, scene.console.hub)


def test_everybody_is_told_of_their_own_queues(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        mine = Ear(hub, calls=True, alerts=True, queues=frozenset({"billing"}))
        none = Ear(hub, calls=True, alerts=True, queues=frozenset())
        assert [row["call_id"] for row in (await mine.hear("calls"))["calls"]] == ["call-billing"]
        assert (await none.hear("calls"))["calls"] == []
        told = await mine.hear("alerts")
        assert [alert["call_id"] for alert in told["alerts"]] == ["call-billing", PAST_CALL]
        assert told["unhandled"] == 2
        assert (await none.hear("alerts"))["alerts"] == []
        await asyncio.to_thread(scene.store.take_alert, scene.alert_id("call-claims"), by="qa")
        await asyncio.to_thread(scene.store.take_alert, scene.alert_id("call-billing"), by="qa")
        told = await mine.hear("alerts")
        while not told["alerts"]:
            told = await mine.hear("alerts")
        assert [(alert["call_id"], alert["is_handled"]) for alert in told["alerts"]] == [("call-billing", True)]
        assert told["unhandled"] == 1

    run(scenario, scene.console.hub)


def test_who_was_here_before_is_told_only_what_was_missed(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        last_id, _ = await ear.message("calls")
        hub.leave(ear.listener)
        scene.board.on_call_event(make_utterance(9, call_id="call-none"))
        again = await Ear(hub, calls=True, last_id=last_id).hear("calls")
        assert (again["all"], [row["call_id"] for row in again["calls"]]) == (False, ["call-none"])
        for stranger in ("ffffffff-3", "nonsense", "-", last_id.partition("-")[0] + "-999999"):
            assert (await Ear(hub, calls=True, last_id=stranger).hear("calls"))["all"], stranger

    run(scenario, scene.console.hub)


def test_a_call_that_ends_and_a_caller_who_withdraws_are_gone(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        await ear.hear("calls")
        call = replace(call_of("call-none", None), consent="withdrawn", basis=Basis.WITHDRAWN)
        scene.board.on_call_event(ConsentApplied(call=call, at_s=20.0, scope=Scope.NOTHING, erases=Erasure.EVERYTHING))
        assert (await ear.hear("calls"))["gone"] == ["call-none"]
        scene.board.on_call_event(replace(make_summary("call-claims"), call=call_of("call-claims", "claims")))
        told = await ear.hear("calls")
        assert [(row["call_id"], row["duration_s"], row["ended"]) for row in told["calls"]] == [
            ("call-claims", 62.5, True)
        ]
        scene.clock.advance(seconds=6)
        scene.board.on_call_event(make_utterance(9, call_id="call-billing"))
        assert (await ear.hear("calls"))["gone"] == ["call-claims"]

    run(scenario, scene.console.hub)


def test_alerts_come_as_cards_in_the_language_of_each_console(scene: Scene) -> None:
    languages = scene.console.languages

    async def scenario(hub: Hub) -> None:
        english = Ear(hub, alerts=True, as_cards=(languages["en"], True))
        chinese = Ear(hub, alerts=True, as_cards=(languages["zh"], False))
        first, second = await english.hear("alerts"), await chinese.hear("alerts")
        assert first["all"]
        assert len(first["alerts"]) == len(second["alerts"]) == 4 == first["unhandled"]
        assert 'data-act="take"' in first["alerts"][0]["html"]
        assert 'data-act="take"' not in second["alerts"][0]["html"]
        assert first["alerts"][0]["html"] != second["alerts"][0]["html"]
        again = Ear(hub, alerts=True, as_cards=(languages["en"], True), known_alerts=first["mark"])
        told = await again.hear("alerts")
        assert all(alert["html"] is None for alert in told["alerts"]), "what the page shows already is not sent again"
        await asyncio.to_thread(scene.store.judge_alert, scene.alert_id("call-none"), verdict="justified", by="anna")
        for ear in (english, chinese, again):
            told = await ear.hear("alerts")
            assert [alert["call_id"] for alert in told["alerts"]] == ["call-none"]
            assert "anna" in told["alerts"][0]["html"]

    run(scenario, scene.console.hub)


def test_an_alert_whose_data_were_deleted_is_gone(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, alerts=True)
        await ear.hear("alerts")
        await asyncio.to_thread(scene.store.purge, call_id="call-none", actor="anna", reason="Art. 17")
        assert (await ear.hear("alerts"))["gone"] == [scene.alert_id("call-none")]

    run(scenario, scene.console.hub)


def test_what_another_node_writes_is_seen_within_seconds(scene: Scene) -> None:
    """Another process has no way to wake this one: the store is asked."""
    other = type(scene.store).open(scene.store._place, sinks=(), clock=scene.clock)

    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, alerts=True)
        await ear.hear("alerts")
        await asyncio.to_thread(other.take_alert, scene.alert_id("call-none"), by="elsewhere")
        told = await ear.hear("alerts")
        assert [alert["is_handled"] for alert in told["alerts"]] == [True]

    with other:
        run(scenario, scene.console.hub)


def test_a_store_that_is_away_is_said_and_what_is_there_stays(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise StoreError("away")

    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True, alerts=True)
        assert (await ear.hear("state"))["store"] == "ok"
        await ear.hear("alerts")
        with monkeypatch.context() as patch:
            patch.setattr(scene.store, "alerts_mark", fail)
            assert (await ear.hear("state"))["store"] == "away"
            scene.board.on_call_event(make_utterance(9, call_id="call-none"))
            assert (await ear.hear("calls"))["calls"], "the calls go on"
            late = Ear(hub, alerts=True)
            assert (await late.hear("state"))["store"] == "away"
            assert len((await late.hear("alerts"))["alerts"]) == 4, "and who comes now sees the alerts as they were"
        assert (await ear.hear("state"))["store"] == "ok"

    run(scenario, scene.console.hub)


def test_a_call_s_page_hears_that_the_call_changed(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, call_id="call-billing")
        scene.board.on_call_event(make_utterance(9, call_id="call-none"))
        scene.board.on_call_event(make_utterance(9, call_id="call-billing"))
        told = await ear.hear("call")
        assert (told["call_id"], told["version"]) == ("call-billing", scene.board.version)
        blind = Ear(hub, call_id="call-claims", queues=frozenset({"billing"}))
        scene.board.on_call_event(make_utterance(10, call_id="call-claims"))
        scene.board.on_call_event(make_utterance(10, call_id="call-billing"))
        await ear.hear("call")
        assert all(
            b"event: call" not in blind.listener.waiting.get_nowait() for _ in range(blind.listener.waiting.qsize())
        )

    run(scenario, scene.console.hub)


def test_the_hub_rests_while_nobody_listens(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        await ear.hear("calls")
        assert len(asyncio.all_tasks()) > 1
        hub.leave(ear.listener)
        hub.leave(ear.listener)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) == 1
        scene.board.on_call_event(make_episode(EpisodeState.CLOSED, call_id="call-none", at_s=50.0))
        assert (await Ear(hub, calls=True).hear("calls"))["all"]

    run(scenario, scene.console.hub)


def test_one_fault_does_not_end_the_news(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(hub: Hub) -> None:
        ear = Ear(hub, calls=True)
        await ear.hear("calls")
        with monkeypatch.context() as patch:
            patch.setattr(scene.board, "changes", lambda *_, **__: 1 / 0)
            while not scene.failures:
                await asyncio.sleep(0.05)
        scene.board.on_call_event(make_utterance(9, call_id="call-none"))
        assert (await ear.hear("calls"))["calls"]

    run(scenario, scene.console.hub)
    assert {where for where, _ in scene.failures} == {"console"}


def test_there_is_a_bound_on_consoles(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.hub.MOST_CONSOLES", 2)

    async def scenario(hub: Hub) -> None:
        assert [Ear(hub, calls=True).joined for _ in range(3)] == [True, True, False]

    run(scenario, scene.console.hub)


# The answer itself


class Browser:
    """The other end of an answer, as ASGI has it; it reads as long as `reads` is set."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.left = asyncio.Event()
        self.was_aborted = False

    def abort(self) -> None:
        self.was_aborted = True

    async def send(self, message: Any) -> None:
        await self.reads.wait()
        self.sent.append(dict(message))

    async def receive(self) -> Any:
        await self.left.wait()
        return {"type": "http.disconnect"}

    @property
    def text(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)


async def always() -> bool:
    return True


def serve(hub: Hub, browser: Browser, *, is_still_in: Callable[[], Awaitable[bool]] = always) -> "asyncio.Task[None]":
    listener = Listener(queues=None, calls=True)
    assert hub.join(listener)
    stream = EventStream(hub, listener, is_still_in=is_still_in)
    scope = {"type": "http", "state": {"abort": browser.abort}}
    return asyncio.create_task(stream(scope, browser.receive, browser.send))


def test_the_stream_ends_when_the_browser_leaves(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        browser = Browser()
        task = serve(hub, browser)
        while b"event: calls" not in browser.text:
            await asyncio.sleep(0.01)
        assert browser.text.startswith(b"retry: 2000\n\n")
        headers = dict(browser.sent[0]["headers"])
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert b"content-length" not in headers
        browser.left.set()
        await task
        assert hub.n_consoles == 0

    run(scenario, scene.console.hub)


def test_a_browser_that_does_not_read_is_cut_off_and_holds_nobody_up(scene: Scene) -> None:
    async def scenario(hub: Hub) -> None:
        slow, quick = Browser(), Browser()
        slow.reads.clear()
        stuck = serve(hub, slow)
        going = serve(hub, quick)
        for number in range(200):
            scene.board.on_call_event(make_episode(call_id="call-none", index=number + 1))
            await asyncio.sleep(0.11)
            if stuck.done():
                break
        await stuck
        assert slow.was_aborted
        assert (hub.n_consoles, quick.was_aborted, going.done()) == (1, False, False)
        quick.left.set()
        await going

    run(scenario, scene.console.hub)


def test_who_is_signed_out_hears_no_more(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.stream._STILL_IN_S", 0.0)

    async def signed_out() -> bool:
        return False

    async def scenario(hub: Hub) -> None:
        browser = Browser()
        await serve(hub, browser, is_still_in=signed_out)
        assert browser.sent[-1]["more_body"] is False
        assert not browser.was_aborted

    run(scenario, scene.console.hub)


def test_a_quiet_stream_beats(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voicepipe.web.stream._BEAT_S", 0.05)

    async def scenario(hub: Hub) -> None:
        browser = Browser()
        task = serve(hub, browser)
        while b"event: beat" not in browser.text:
            await asyncio.sleep(0.01)
        hub.close()
        await task
        assert browser.sent[-1]["more_body"] is False, "a server that ends says so"

    run(scenario, scene.console.hub)


def test_words_of_callers_never_go_with_the_calls(scene: Scene) -> None:
    """The live view is for viewers, too, who may not see what was said."""

    async def scenario(hub: Hub) -> None:
        scene.board.on_call_event(CallStarted(call=call_of("fresh", "billing")))
        scene.board.on_call_event(make_utterance(0, call_id="fresh", text="a secret of mine"))
        told = await Ear(hub, calls=True).hear("calls")
        assert "secret" not in json.dumps(told)

    run(scenario, scene.console.hub)
