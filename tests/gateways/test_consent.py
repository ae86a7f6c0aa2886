"""A caller's yes and no come in over HTTP, from the client whose call it is and from nobody else."""

import asyncio
import json
import time
from typing import Any
from urllib.parse import quote

import pytest
from pydantic import SecretStr, ValidationError
from websockets.asyncio.client import connect

from tests.gateways.test_server import SPEECH, TOKEN, House, TwilioCall, closed, house, hum, models, register, run
from voicepipe.consent import caller_id_of
from voicepipe.gateways.config import ClientConfig
from voicepipe.gateways.decoder import DecoderLimits
from voicepipe.types import Basis, CallStarted, Channel, ConsentApplied

OTHER_TOKEN = "fedcba9876543210"
CLIENTS = (
    ClientConfig(name="acme", token=SecretStr(TOKEN)),
    ClientConfig(name="globex", token=SecretStr(OTHER_TOKEN)),
)
KEY = "a key of the operator"


async def tell(here: House, call_id: str, body: object, *, token: str = TOKEN) -> tuple[int, dict[str, Any]]:
    headers = {"authorization": f"Bearer {token}"} if token else {}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, text = await here.get(f"/v1/calls/{quote(call_id, safe='')}/consent", data=data, headers=headers)
    return status, json.loads(text)


def applied(here: House, call_id: str) -> list[ConsentApplied]:
    return [event for event in here.events.get(call_id, []) if isinstance(event, ConsentApplied)]


def test_a_withdrawal_takes_effect_within_a_second() -> None:
    """In seconds of this process's own time: other work on the machine does not count."""

    async def scene() -> None:
        async with house(clients=CLIENTS) as here, connect(here.url(f"/v1/twilio/{TOKEN}")) as socket:
            call = TwilioCall(socket, "CA1")
            await call.start()
            await call.media(SPEECH)
            await here.until(lambda: "CA1" in here.events and bool(here.utterances("CA1", Channel.CALLER)))
            assert here.utterances("CA1", Channel.CALLER)[0].score is not None
            began_s = time.process_time()
            status, answer = await tell(here, "CA1", {"consent": "withdrawn"})
            assert (status, answer) == (202, {"call_id": "CA1", "basis": "withdrawn", "scope": "transcript_only"})
            await here.until(lambda: bool(applied(here, "CA1")))
            assert time.process_time() - began_s < 1.0
            heard = len(here.utterances("CA1", Channel.CALLER))
            await call.media(SPEECH + hum(1.0, 4.0, total_s=7.0), begin=len(SPEECH))
            await call.say("stop", stop={"callSid": "CA1"})
            await closed(socket)
            summary = await here.summary("CA1")
            assert summary.call.basis is Basis.WITHDRAWN
            _, metrics = await here.get("/metrics")
            assert 'voicepipe_consent_changes_total{scope="transcript_only"} 1.0' in metrics
            later = here.utterances("CA1", Channel.CALLER)[heard:]
            assert later
            assert {one.score for one in later} == {None}
            assert all(one.transcript is not None for one in later)

    run(scene)


def test_only_the_client_whose_call_it_is_is_heard() -> None:
    async def scene() -> None:
        async with house(clients=CLIENTS) as here, connect(here.url(f"/v1/twilio/{TOKEN}")) as socket:
            call = TwilioCall(socket, "CA/1 é")
            await call.start()
            await call.media(SPEECH[:6400])
            await here.until(lambda: here.pool.n_calls == 1)
            assert (await tell(here, "CA/1 é", {"consent": "withdrawn"}, token=""))[0] == 401
            assert (await tell(here, "CA/1 é", {"consent": "withdrawn"}, token="guessed-a-token-1"))[0] == 401
            unknown = await tell(here, "CA2", {"consent": "withdrawn"})
            foreign = await tell(here, "CA/1 é", {"consent": "withdrawn"}, token=OTHER_TOKEN)
            assert unknown == foreign, "what others have is nobody's business"
            assert unknown[0] == 404
            assert applied(here, "CA/1 é") == []
            assert (await tell(here, "CA/1 é", {"consent": "withdrawn"}))[0] == 202

    run(scene)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 422),
        ({}, 422),
        ({"consent": ""}, 422),
        ({"consent": "   "}, 422),
        ({"consent": 1}, 422),
        ({"consent": "opt_out\0"}, 422),
        ({"consent": "yes", "reason": "x"}, 422),
        ({"consent": "y" * 257}, 422),
        (b" " * 20_000, 413),
    ],
)
def test_a_body_that_cannot_be_read_changes_nothing_and_is_told_so(body: object, status: int) -> None:
    async def scene() -> None:
        async with house() as here:
            answer = await tell(here, "CA1", body, token="")
            assert answer[0] == status
            assert answer[1]["error"]

    run(scene)


def test_a_word_that_nobody_knows_is_no_yes_and_the_answer_says_so() -> None:
    async def scene() -> None:
        async with house() as here, connect(here.url("/v1/twilio")) as socket:
            call = TwilioCall(socket, "CA1")
            await call.start()
            await call.media(SPEECH[:6400])
            await here.until(lambda: here.pool.n_calls == 1)
            status, answer = await tell(here, "CA1", {"consent": "vielleicht"}, token="")
            assert (status, answer["basis"], answer["scope"]) == (202, "unrecognised", "transcript_only")

    run(scene)


def test_a_call_that_hung_up_may_still_withdraw_while_it_is_being_analysed_and_not_afterwards() -> None:
    async def scene() -> None:
        async with house(equipped=False) as here:
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA1").whole()
                await closed(socket)
            assert (await tell(here, "CA1", {"consent": "withdrawn"}, token=""))[0] == 202
            here.pool.equip(models())
            assert (await here.summary("CA1")).call.basis is Basis.WITHDRAWN
            assert {one.score for one in here.utterances("CA1", Channel.CALLER)} == {None}
            await asyncio.sleep(0)
            status, answer = await tell(here, "CA1", {"consent": "withdrawn"}, token="")
            assert status == 404
            assert "voicepipe purge" in answer["error"]

    run(scene)


def test_an_id_that_came_again_means_the_call_that_is_alive() -> None:
    async def scene() -> None:
        async with house() as here:
            async with connect(here.url("/v1/twilio")) as socket:
                await TwilioCall(socket, "CA1").whole()
                await closed(socket)
            await here.summary("CA1")
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start()
                await call.media(SPEECH[:6400])
                await here.until(lambda: here.pool.n_calls == 1)
                assert (await tell(here, "CA1", {"consent": "no"}, token=""))[0] == 202
                await here.until(lambda: bool(applied(here, "CA1.2")))
                assert applied(here, "CA1") == []

    run(scene)


def test_an_id_that_one_client_announces_and_anothers_call_was_given_means_each_clients_own() -> None:
    async def scene() -> None:
        async with house(clients=CLIENTS) as here:
            async with connect(here.url(f"/v1/twilio/{TOKEN}")) as socket:
                await TwilioCall(socket, "CA1").whole()
                await closed(socket)
            await here.summary("CA1")
            await here.until(lambda: here.pool.n_calls == 0)
            async with (
                connect(here.url(f"/v1/twilio/{TOKEN}")) as ours,
                connect(here.url(f"/v1/twilio/{OTHER_TOKEN}")) as theirs,
            ):
                for number, (socket, call_id) in enumerate(((ours, "CA1"), (theirs, "CA1.2")), start=1):
                    call = TwilioCall(socket, call_id)
                    await call.start()
                    await call.media(SPEECH)
                    await here.until(lambda number=number: here.pool.n_calls == number)  # type: ignore[misc]
                assert (await tell(here, "CA1.2", {"consent": "no"}, token=OTHER_TOKEN))[0] == 202
                await here.until(lambda: bool(applied(here, "CA1.2.2")))
                assert applied(here, "CA1.2") == []
                assert (await tell(here, "CA1.2", {"consent": "no"}))[0] == 202
                await here.until(lambda: bool(applied(here, "CA1.2")))
                assert len(applied(here, "CA1.2.2")) == 1

    run(scene)


@pytest.mark.parametrize("key", [KEY, None])
def test_of_a_callers_number_a_pseudonym_is_kept_where_there_is_a_key_and_nothing_otherwise(key: str | None) -> None:
    async def scene() -> None:
        limits = DecoderLimits(caller_key=SecretStr(key) if key else None)
        async with house(decoder=limits) as here:
            async with connect(here.url("/v1/twilio")) as socket:
                call = TwilioCall(socket, "CA1")
                await call.start(custom={"caller": "+49 30 7654321"})
                await call.media(SPEECH)
                await call.say("stop", stop={"callSid": "CA1"})
                await closed(socket)
            await here.summary("CA1")
            started = here.events["CA1"][0]
            assert isinstance(started, CallStarted)
            assert started.call.caller_id == (caller_id_of("+49307654321", key=key) if key else None)
            assert "7654321" not in repr(here.events)
            assert "7654321" not in here.log.getvalue()

    run(scene)


def test_a_registration_may_name_the_caller() -> None:
    async def scene() -> None:
        async with house(decoder=DecoderLimits(caller_key=SecretStr(KEY))) as here:
            assert (await register(here, call_id="A1", caller="+49307654321"))[0] == 201
            assert "7654321" not in here.log.getvalue()

    run(scene)


def test_a_short_key_is_refused_and_never_shown() -> None:
    with pytest.raises(ValidationError, match="caller_key"):
        DecoderLimits(caller_key=SecretStr("short"))
    assert KEY not in repr(DecoderLimits(caller_key=SecretStr(KEY)))
