"""A real Asterisk 22 calls us: AudioSocket and chan_websocket, heard to the bit.

Skipped where there is no Asterisk: ``scripts/fetch_interop`` fetches one without installing it.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect

from tests.gateways.asterisk import PATIENCE_S, VARIABLE, Asterisk, find_asterisk, put_sound, run_by_the_clock, running
from tests.gateways.ear import Ear
from tests.gateways.test_server import House, fetch, house, make_certificate, register
from tests.ports import unused_port
from tests.synth import onset_s, tone
from voicepipe.audio.codecs import Encoding, decode, encode
from voicepipe.gateways.audiosocket import AudioSocketConfig
from voicepipe.gateways.config import ClientConfig, LimitsConfig
from voicepipe.gateways.l16 import L16Config
from voicepipe.types import CallSummary, Channel, FloatArray, Roles

FOUND = find_asterisk()
TOKEN = "0123456789abcdef"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.interop,
    pytest.mark.skipif(
        FOUND is None, reason=f"needs Asterisk: on the path, in {VARIABLE}, or by scripts/fetch_interop"
    ),
]

Shorts = npt.NDArray[np.int16]


def hiss(seed: int, *, seconds: float = 1.0, rate_hz: int = 8_000) -> Shorts:
    """Return noise that uses every bit; nothing in it is silence."""
    samples = np.random.default_rng(seed).integers(-32_768, 32_768, round(seconds * rate_hz))
    return np.where(samples == 0, 1, samples).astype("<i2")


def floats(samples: Shorts) -> FloatArray:
    return decode(samples.tobytes(), encoding=Encoding.L16_LE)


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder with a short path: Asterisk's control socket lives in it."""
    with tempfile.TemporaryDirectory(prefix="pbx") as folder:
        yield Path(folder)


@asynccontextmanager
async def pbx(here: House, home: Path, dialplan: str, **settings: Any) -> AsyncIterator[Asterisk]:
    """Run Asterisk beside a server."""
    assert FOUND is not None
    dialplan = dialplan.replace("AUDIOSOCKET", audiosocket(here))
    async with running(FOUND, home, dialplan=dialplan, **({"websocket": client(here)} | settings)) as asterisk:
        try:
            yield asterisk
        except Exception as error:
            error.add_note(asterisk.log())
            raise


def audiosocket(here: House) -> str:
    return f"127.0.0.1:{here.server.audiosocket_port}"


def client(here: House, *, name: str = "voicepipe", extra: str = "") -> str:
    return (
        f"[{name}]\ntype = websocket_client\nuri = {here.url('/v1/l16')}\nprotocols = media\n"
        f"connection_type = per_call_config\nusername = asterisk\npassword = {TOKEN}\nreconnect_attempts = 1\n{extra}"
    )


async def expect(here: House, call_id: str, channel: str = "caller", channels: tuple[str, ...] = ()) -> str:
    """Register an AudioSocket call; return its UUID."""
    status, answer = await register(here, call_id=call_id, channel=channel, channels=channels or (channel,))
    assert status == 201
    return str(answer["uuid"])


def play(name: str) -> str:
    """Return an extension that plays the sound of its own name."""
    return f"exten = {name},1,Answer()\n same = n,Playback(HOME/{name})\n same = n,Hangup()\n"


def test_audiosocket_channels_of_all_rates_are_heard_to_the_bit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rates_hz = {"slin": 8_000, "slin16": 16_000, "slin48": 48_000}
    sounds = {name: hiss(1, rate_hz=rate_hz) for name, rate_hz in rates_hz.items()}
    for name, sound in sounds.items():
        put_sound(home, name, sound, name.replace("slin", "sln"))

    async def scene() -> None:
        async with house() as here, pbx(here, home, "".join(map(play, sounds))) as asterisk:
            ear = Ear(here, monkeypatch)
            for name in sounds:
                uuid = await expect(here, f"call {name}")
                await asterisk.originate(f"AudioSocket/{audiosocket(here)}/{uuid}/c({name})", then=name)
            for name, sound in sounds.items():
                summary = await here.summary(f"call {name}")
                np.testing.assert_array_equal(ear.samples(f"call {name}", Channel.CALLER), floats(sound))
                assert ear.of(f"call {name}", Channel.CALLER)[0].sample_rate_hz == rates_hz[name]
                assert summary.reason == "end"
                assert summary.duration_s == pytest.approx(1.0)
                assert (summary.call.gateway, summary.call.roles) == ("audiosocket", Roles.GIVEN)
            await asterisk.wait_until_idle()

    run_by_the_clock(scene)


def test_the_audiosocket_application_is_heard_to_the_bit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = hiss(2)
    put_sound(home, "sound", sound, "sln")

    async def scene() -> None:
        async with house() as here, pbx(here, home, play("sound")) as asterisk:
            ear = Ear(here, monkeypatch)
            uuid = await expect(here, "A1")
            application = f"application AudioSocket {uuid},{audiosocket(here)}"
            await asterisk.originate("Local/sound@voicepipe", then=application)
            summary = await here.summary("A1")
            np.testing.assert_array_equal(ear.samples("A1", Channel.CALLER), floats(sound))
            assert summary.reason == "end"

    run_by_the_clock(scene)


def test_two_audiosockets_become_the_two_channels_of_their_call(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = {Channel.CALLER: hiss(3), Channel.AGENT: hiss(4)}
    dialplan = ""
    for channel, sound in sounds.items():
        put_sound(home, channel, sound, "sln")
        dialplan += play(channel)

    async def scene() -> None:
        async with house() as here, pbx(here, home, dialplan) as asterisk:
            ear = Ear(here, monkeypatch)
            for channel in sounds:
                uuid = await expect(here, "A1", channel, ("caller", "agent"))
                await asterisk.originate(f"AudioSocket/{audiosocket(here)}/{uuid}/c(slin)", then=channel)
            summary = await here.summary("A1")
            for channel, sound in sounds.items():
                np.testing.assert_array_equal(ear.samples("A1", channel), floats(sound))
            assert summary.call.channels == (Channel.CALLER, Channel.AGENT)
            assert summary.reason == "end"
            assert list(here.events) == ["A1"]

    run_by_the_clock(scene)


async def need_websocket(asterisk: Asterisk) -> None:
    if not await asterisk.has("chan_websocket"):
        pytest.skip("this Asterisk has no chan_websocket; it came with 20.16, 21.11, 22.6 and 23.0")


@pytest.mark.parametrize("words", ["json", "plain-text"])
def test_websocket_channels_of_all_formats_are_heard_to_the_bit(
    home: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    formats = {
        "slin": ("sln", 8_000, Encoding.L16_LE),
        "slin16": ("sln16", 16_000, Encoding.L16_LE),
        "slin48": ("sln48", 48_000, Encoding.L16_LE),
        "ulaw": ("ulaw", 8_000, Encoding.PCMU),
        "alaw": ("alaw", 8_000, Encoding.PCMA),
    }
    expected = {}
    for name, (suffix, rate_hz, encoding) in formats.items():
        sound = hiss(5, seconds=0.5, rate_hz=rate_hz * encoding.sample_bytes // 2)
        put_sound(home, name, sound, suffix)
        expected[name] = decode(sound.tobytes(), encoding=encoding)

    async def scene() -> None:
        async with house() as here, pbx(here, home, "".join(map(play, formats))) as asterisk:
            await need_websocket(asterisk)
            ear = Ear(here, monkeypatch)
            for name, (_, rate_hz, _) in formats.items():
                known = set(here.events)
                await asterisk.originate(f"WebSocket/voicepipe/c({name})f({words})", then=name)
                await here.until(lambda known=known: bool(set(here.events) - known))  # type: ignore[misc]
                (call_id,) = set(here.events) - known
                summary = await here.summary(call_id)
                np.testing.assert_array_equal(ear.samples(call_id, Channel.MIXED), expected[name])
                assert ear.of(call_id, Channel.MIXED)[0].sample_rate_hz == rate_hz
                assert (summary.reason, summary.call.gateway, summary.call.roles) == ("end", "l16", Roles.UNKNOWN)
            await asterisk.wait_until_idle()

    run_by_the_clock(scene)


def test_variables_of_the_dialplan_say_who_calls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds = {"customer": hiss(6), "agent": hiss(7)}
    dialplan = ""
    for role, sound in sounds.items():
        put_sound(home, role, sound, "sln")
        dialplan += (
            # Nothing is sent while it waits, and the bridge to the WebSocket is built.
            f"exten = {role},1,Answer()\n same = n,Wait(1.5)\n same = n,Playback(HOME/{role})\n same = n,SendDTMF(5)\n"
            f" same = n,Playback(HOME/{role})\n same = n,Hangup()\n"
            f"exten = send-{role},1,Set(__call_id=conf-12)\n same = n,Set(_channel_role={role})\n"
            " same = n,Set(__channels=caller,agent)\n same = n,Set(_queue=billing)\n"
            " same = n,Dial(WebSocket/voicepipe/c(slin)f(json))\n"
        )

    async def scene() -> None:
        async with house() as here, pbx(here, home, dialplan) as asterisk:
            await need_websocket(asterisk)
            ear = Ear(here, monkeypatch)
            for role in sounds:
                await asterisk.originate(f"Local/{role}@voicepipe/n", then=f"send-{role}")
            summary = await here.summary("conf-12")
            assert list(here.events) == ["conf-12"]
            assert summary.call.channels == (Channel.CALLER, Channel.AGENT)
            assert (summary.call.roles, summary.call.queue) == (Roles.GIVEN, "billing")
            for channel, sound in zip((Channel.CALLER, Channel.AGENT), sounds.values(), strict=True):
                np.testing.assert_array_equal(ear.samples("conf-12", channel), floats(np.tile(sound, 2)))

    run_by_the_clock(scene)


def test_what_an_earlier_call_was_given_does_not_name_the_next(home: Path) -> None:
    put_sound(home, "sound", hiss(8), "sln")

    async def scene() -> None:
        async with house() as here, pbx(here, home, play("sound")) as asterisk:
            await need_websocket(asterisk)
            await asterisk.originate(
                "WebSocket/voicepipe/c(slin)f(json)v(call_id=first,channel_role=agent)", then="sound"
            )
            await asterisk.originate("WebSocket/voicepipe/c(slin)f(json)", then="sound")
            await here.until(lambda: len(here.events) == 2)
            for call_id in here.events:
                summary = await here.summary(call_id)
                assert call_id != "first"
                assert summary.call.roles is Roles.UNKNOWN

    run_by_the_clock(scene)


LINES: dict[str, Callable[[House, str], str]] = {
    "audiosocket": lambda here, uuid: f"AudioSocket/{audiosocket(here)}/{uuid}/c(slin)",
    "websocket": lambda here, uuid: "WebSocket/voicepipe/c(slin)f(json)",
}


async def dial(here: House, asterisk: Asterisk, line: str) -> str:
    """Make a call that plays the sound; return its id."""
    known = set(here.events)
    if line == "websocket":
        await need_websocket(asterisk)
    uuid = await expect(here, f"A{len(known)}") if line == "audiosocket" else ""
    await asterisk.originate(LINES[line](here, uuid), then="sound")
    await here.until(lambda: bool(set(here.events) - known))
    (call_id,) = set(here.events) - known
    return call_id


@pytest.mark.parametrize("line", LINES)
def test_asterisk_hangs_up_in_the_middle_of_a_word(home: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    sound = hiss(9, seconds=20)
    put_sound(home, "sound", sound, "sln")

    async def scene() -> None:
        async with house() as here, pbx(here, home, play("sound")) as asterisk:
            ear = Ear(here, monkeypatch)
            call_id = await dial(here, asterisk, line)
            await here.until(lambda: len(ear.chunks) >= 10)
            await asterisk.ask("channel request hangup all")
            summary = await here.summary(call_id)
            heard = np.concatenate([chunk.samples for chunk in ear.chunks])
            assert summary.reason == "end"
            assert 1600 <= len(heard) < len(sound)
            np.testing.assert_array_equal(heard, floats(sound[: len(heard)]))
            await asterisk.wait_until_idle()

    run_by_the_clock(scene)


@pytest.mark.parametrize("line", LINES)
def test_asterisk_takes_leave_when_we_hang_up(home: Path, line: str) -> None:
    put_sound(home, "sound", hiss(10, seconds=60), "sln")

    async def scene() -> None:
        async with house(limits=LimitsConfig(call_s=0.5)) as here, pbx(here, home, play("sound")) as asterisk:
            call_id = await dial(here, asterisk, line)
            assert (await here.summary(call_id)).reason == "hung_up"
            await asterisk.wait_until_idle()
            assert "too_long" in here.outcomes()
            assert (await here.summary(await dial(here, asterisk, line))).reason == "hung_up"

    run_by_the_clock(scene)


def test_a_uuid_that_nobody_registered_and_a_wrong_password_are_refused(home: Path) -> None:
    put_sound(home, "sound", hiss(11, seconds=60), "sln")
    someone = ClientConfig(name="acme", token=SecretStr("another token of acme"))

    async def scene() -> None:
        async with house(clients=(someone,)) as here, pbx(here, home, play("sound")) as asterisk:
            await asterisk.originate(LINES["audiosocket"](here, str(uuid4())), then="sound")
            await here.until(lambda: "protocol_error" in here.outcomes())
            if await asterisk.has("chan_websocket"):
                await asterisk.ask(f"channel originate {LINES['websocket'](here, '')} extension sound@voicepipe")
                await here.until(lambda: "unauthorized" in here.outcomes())
            await asterisk.wait_until_idle()
            assert here.events == {}

    run_by_the_clock(scene)


def test_a_password_that_is_a_clients_token_lets_asterisk_in(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = hiss(12)
    put_sound(home, "sound", sound, "sln")

    async def scene() -> None:
        clients = (ClientConfig(name="acme", token=SecretStr(TOKEN)),)
        async with house(clients=clients) as here, pbx(here, home, play("sound")) as asterisk:
            ear = Ear(here, monkeypatch)
            call_id = await dial(here, asterisk, "websocket")
            assert (await here.summary(call_id)).reason == "end"
            np.testing.assert_array_equal(ear.samples(call_id, Channel.MIXED), floats(sound))

    run_by_the_clock(scene)


def test_silences_on_the_line_keep_the_times_of_what_follows(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While an extension waits, Asterisk sends nothing at all."""
    sound = hiss(13)
    put_sound(home, "sound", sound, "sln")
    dialplan = "exten = sound,1,Answer()\n" + 2 * " same = n,Wait(2)\n same = n,Playback(HOME/sound)\n"
    dialplan += " same = n,Hangup()\n"
    patience = {"audiosocket": AudioSocketConfig(gap_after_s=1.0), "l16": L16Config(gap_after_s=1.0)}

    async def scene() -> None:
        async with house(**patience) as here, pbx(here, home, dialplan) as asterisk:
            ear = Ear(here, monkeypatch)
            by_websocket = await asterisk.has("chan_websocket")
            for call_id in [await dial(here, asterisk, line) for line in LINES if line != "websocket" or by_websocket]:
                summary = await here.summary(call_id)
                chunks = [chunk for chunk in ear.chunks if chunk.call_id == call_id]
                starts_s = [chunks[n].first_sample / 8_000 for n in (0, len(chunks) // 2)]
                assert starts_s == pytest.approx([2.0, 5.0], abs=0.5)
                heard = np.concatenate([chunk.samples for chunk in chunks])
                np.testing.assert_array_equal(heard, floats(np.tile(sound, 2)))
                assert summary.duration_s == pytest.approx(6.0, abs=0.5)

    run_by_the_clock(scene)


def test_many_calls_at_once_are_each_heard_to_the_bit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = {f"A{number}": hiss(20 + number, seconds=2.0) for number in range(12)}
    dialplan = ""
    for call_id, sound in calls.items():
        put_sound(home, call_id, sound, "sln")
        dialplan += (
            f"exten = {call_id},1,Set(__call_id={call_id})\n same = n,Dial(WebSocket/voicepipe/c(slin)f(json))\n"
            f"exten = play-{call_id},1,Answer()\n same = n,Wait(1)\n same = n,Playback(HOME/{call_id})\n"
            " same = n,Hangup()\n"
        )

    async def scene() -> None:
        async with house() as here, pbx(here, home, dialplan) as asterisk:
            ear = Ear(here, monkeypatch)
            by_websocket = await asterisk.has("chan_websocket")
            for number, call_id in enumerate(calls):
                if number % 2 and by_websocket:
                    await asterisk.originate(f"Local/play-{call_id}@voicepipe/n", then=call_id)
                else:
                    uuid = await expect(here, call_id, "mixed")
                    await asterisk.originate(LINES["audiosocket"](here, uuid), then=f"play-{call_id}")
            for call_id, sound in calls.items():
                assert (await here.summary(call_id)).reason == "end"
                np.testing.assert_array_equal(ear.samples(call_id, Channel.MIXED), floats(sound))

    run_by_the_clock(scene)


def test_asterisk_calls_over_tls(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = hiss(14)
    put_sound(home, "sound", sound, "sln")
    cert, key = home / "cert.pem", home / "key.pem"
    make_certificate(cert, key)

    async def scene() -> None:
        async with house(tls_cert_file=cert, tls_key_file=key) as here:
            trusting = f"tls_enabled = yes\nca_list_file = {cert}\n"
            # Asterisk knows no addresses among the names of a certificate.
            settings = client(here, extra=trusting).replace("ws://127.0.0.1", "wss://localhost")
            async with pbx(here, home, play("sound"), websocket=settings) as asterisk:
                await need_websocket(asterisk)
                ear = Ear(here, monkeypatch)
                await asterisk.originate("WebSocket/voicepipe/c(slin)f(json)", then="sound")
                await here.until(lambda: bool(here.events))
                (call_id,) = here.events
                assert (await here.summary(call_id)).reason == "end"
                np.testing.assert_array_equal(ear.samples(call_id, Channel.MIXED), floats(sound))

    run_by_the_clock(scene)


class Rest:
    """Asterisk's REST interface, as an application uses it that brings calls to us."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def post(self, path: str, **body: object) -> None:
        credentials = base64.b64encode(b"test:test").decode()
        headers = {"authorization": f"Basic {credentials}", "content-type": "application/json"}
        url = f"http://127.0.0.1:{self._port}/ari/{path}"
        status, answer = await asyncio.to_thread(fetch, url, data=json.dumps(body).encode(), headers=headers)
        assert status in (200, 204), answer

    @asynccontextmanager
    async def listening(self, application: str) -> AsyncIterator[Callable[[str], Awaitable[None]]]:
        """Register an application; give what waits until a channel has come to it."""
        url = f"ws://127.0.0.1:{self._port}/ari/events?app={application}&api_key=test:test"
        async with connect(url, close_timeout=1) as events:
            here: set[str] = set()

            async def arrival(channel: str) -> None:
                async with asyncio.timeout(PATIENCE_S):
                    while channel not in here:
                        event = json.loads(await events.recv())
                        if event["type"] == "StasisStart":
                            here.add(event["channel"]["id"])

            yield arrival


PITCHES_HZ = {"caller": 440.0, "agent": 1000.0}


def put_voices(home: Path, *, stay_s: int = 1) -> str:
    """Give each side a voice; return the extensions of two who speak at the same time and then stay for a while."""
    dialplan = ""
    for role, pitch_hz in PITCHES_HZ.items():
        voice = encode(tone(1.5, rate_hz=8_000, frequency_hz=pitch_hz), encoding=Encoding.L16_LE)
        put_sound(home, role, np.frombuffer(voice, "<i2"), "sln")
        dialplan += (
            f"exten = {role},1,Answer()\n same = n,Wait(2)\n same = n,Playback(HOME/{role})\n"
            f" same = n,Wait({stay_s})\n same = n,Hangup()\n"
        )
    return dialplan


def check_voices(ear: Ear, summary: CallSummary) -> None:
    """Each side has its own voice, and they spoke at the same time; listening resamples, so a voice is its pitch."""
    assert (summary.call.channels, summary.call.roles) == ((Channel.CALLER, Channel.AGENT), Roles.GIVEN)
    assert summary.reason == "end"
    onsets_s = []
    for role, pitch_hz in PITCHES_HZ.items():
        track = ear.samples(summary.call.call_id, Channel(role))
        assert pitch_of(track, rate_hz=8_000) == pytest.approx(pitch_hz, abs=2.0)
        onsets_s.append(onset_s(track, rate_hz=8_000))
    assert onsets_s[0] == pytest.approx(onsets_s[1], abs=0.25)


def read_settings(page: Path, *, of: str) -> str:
    """Return the indented lines that follow the mention of a file on a page of the documentation."""
    rest = page.read_text(encoding="utf-8").partition(f"`{of}`")[2]
    lines = rest.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("    "))
    end = next(number for number, line in enumerate(lines) if number > start and line and not line.startswith("    "))
    return "\n".join(line[4:] for line in lines[start:end]) + "\n"


def test_the_dialplan_of_the_documentation_listens_to_both_sides(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = Path(__file__).parents[2] / "docs" / "asterisk.md"
    dialplan = read_settings(page, of="extensions.conf").removeprefix("[voicepipe]\n")
    dialplan = dialplan.replace("PJSIP/anna", "Local/agent@voicepipe/n") + put_voices(home)

    async def scene() -> None:
        clients = (ClientConfig(name="acme", token=SecretStr(TOKEN)),)
        async with house(clients=clients) as here:
            websocket = read_settings(page, of="websocket_client.conf")
            websocket = websocket.replace("ws://127.0.0.1:8780/v1/l16", here.url("/v1/l16"))
            async with pbx(here, home, dialplan, websocket=websocket) as asterisk:
                await need_websocket(asterisk)
                ear = Ear(here, monkeypatch)
                await asterisk.originate("Local/caller@voicepipe/n", then="call")
                await here.until(lambda: bool(here.events))
                (call_id,) = here.events
                summary = await here.summary(call_id)
                await asterisk.wait_until_idle()
            assert list(here.events) == [call_id]
            assert summary.call.queue == "billing"
            check_voices(ear, summary)

    run_by_the_clock(scene)


@pytest.mark.parametrize("line", LINES)
def test_an_application_that_snoops_lets_us_hear_both_sides(
    home: Path, monkeypatch: pytest.MonkeyPatch, line: str
) -> None:
    dialplan = put_voices(home, stay_s=60)  # until they are told to go
    port = unused_port()

    async def scene() -> None:
        async with house() as here, pbx(here, home, dialplan, rest_port=port) as asterisk:
            if line == "websocket":
                await need_websocket(asterisk)
            ear = Ear(here, monkeypatch)
            rest = Rest(port)
            async with rest.listening("listener") as arrival:
                for role in PITCHES_HZ:
                    await rest.post(f"channels?endpoint=Local/{role}@voicepipe/n&app=listener&channelId={role}")
                    await arrival(role)
                await rest.post("bridges?bridgeId=conversation&type=mixing")
                await rest.post("bridges/conversation/addChannel?channel=caller,agent")
                for role in PITCHES_HZ:
                    await rest.post(f"channels/{role}/snoop?spy=in&app=listener&snoopId=snoop-{role}")
                    await arrival(f"snoop-{role}")
                    variables = {"call_id": "conf-12", "channel_role": role, "channels": "caller,agent"}
                    if line == "websocket":
                        where = "external_host=voicepipe&transport=websocket&encapsulation=none&transport_data=f(json)"
                    else:
                        uuid = await expect(here, "conf-12", role, ("caller", "agent"))
                        where = f"external_host={audiosocket(here)}&transport=tcp&encapsulation=audiosocket&data={uuid}"
                    media = f"channels/externalMedia?app=listener&channelId=media-{role}&format=slin&{where}"
                    await rest.post(media, variables=variables)
                    await arrival(f"media-{role}")
                    await rest.post(f"bridges?bridgeId=tap-{role}&type=mixing")
                    await rest.post(f"bridges/tap-{role}/addChannel?channel=snoop-{role},media-{role}")
                await here.until(lambda: len(ear.of("conf-12", Channel.AGENT)) > 50 * 4)
                await asterisk.ask("channel request hangup all")
                summary = await here.summary("conf-12")
            assert list(here.events) == ["conf-12"]
            check_voices(ear, summary)

    run_by_the_clock(scene)


def pitch_of(samples: FloatArray, *, rate_hz: int) -> float:
    """Return the frequency of a tone that has nearly all the power."""
    power = np.abs(np.fft.rfft(samples)) ** 2
    peak = int(power.argmax())
    width = round(20 * len(samples) / rate_hz)
    assert power[peak - width : peak + width].sum() > 0.9 * power.sum()
    return peak * rate_hz / len(samples)
