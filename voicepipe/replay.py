"""Plays a recording as live calls: what a telephony system would push, at its pace or faster, with loss and jitter.

Our own client, so it proves little about other people's senders; it is for trying out, for tests and for load.
"""

import asyncio
import contextlib
import json
import os
import random
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import numpy as np
import soxr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from voicepipe.gateways.files import FileSource
from voicepipe.gateways.sender import Message, Sender, due_messages
from voicepipe.gateways.senders import SENDERS, AudioSocketSender
from voicepipe.types import AudioChunk, CallStarted, ConfigError, FloatArray, MediaEvent

TELEPHONE_RATE_HZ = 8_000

_SCHEMES = frozenset({"ws", "wss", "tcp"})
_STAGGER_S = 0.05
"""Calls begin this long after one another."""
_SAID_BYTES = 200
"""As much is told of what a server says to its refusal."""
_ANSWER_S = 15.0
"""Longest wait for an answer of the server."""
_BREATH_S = 0.02
"""Shorter waits than this are not worth a timer: packets then leave together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What is played where, and how.

    Attributes
    ----------
    to : str
        ``ws://host:port`` or ``wss://``, with a path or without; ``tcp://host:port`` for AudioSocket.
    protocol : str
        A name in `voicepipe.gateways.senders.SENDERS`.
    calls : int
        How many at the same time.
    speed : float
        1 is real time, 0 as fast as the server takes it.
    jitter_ms : float
        Each packet leaves up to this much late; order is kept.
    loss_pct : float
        Share of audio packets that are not sent.
    token : str or None
        Of the ingest client.
    register : str or None
        ``http://host:port`` where the two sides of an AudioSocket call are registered first.
    caller_channel : {"left", "right"} or None
        Side of a stereo recording that carries the caller.
    call_id : str or None
        Of a single call, the beginning of it for several; by default the recording's own with the present time.
    seed : int
        Of loss and jitter.
    """

    to: str
    protocol: str
    calls: int = 1
    speed: float = 1.0
    jitter_ms: float = 0.0
    loss_pct: float = 0.0
    token: str | None = None
    register: str | None = None
    caller_channel: Literal["left", "right"] | None = None
    call_id: str | None = None
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What came of it.

    Attributes
    ----------
    calls : int
        Calls that came to their end in order.
    packets, lost : int
        Audio packets sent, and left out on purpose.
    behind_s : float
        How late the latest packet left beyond its jitter: a sender that cannot keep up proves nothing.
    faults : list of str
        A sentence for each connection that broke off or was refused.
    """

    calls: int = 0
    packets: int = 0
    lost: int = 0
    behind_s: float = 0.0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Line:
    """One open connection."""

    send: Callable[[Message], Awaitable[None]]
    incoming: AsyncIterator[Message]


def replay(path: Path, options: ReplayOptions) -> Replayed:
    """Play a recording as live calls and wait for their end.

    Parameters
    ----------
    path : Path
    options : ReplayOptions

    Raises
    ------
    AudioInputError
        If the recording cannot be read, or the protocol cannot carry its tracks.
    ConfigError
        If the address or a registration does not fit the protocol, or the registration is refused.
    """
    scheme, host, port = _address(options.to)
    is_audiosocket = options.protocol == "audiosocket"
    if not host or (scheme == "tcp") != is_audiosocket or (is_audiosocket and port is None) or scheme not in _SCHEMES:
        raise ConfigError(
            f"{options.to} does not fit {options.protocol}: give tcp://host:port for audiosocket, ws://host:port or "
            "wss://host:port for the others."
        )
    if options.register and not is_audiosocket:
        raise ConfigError(f"Only calls of audiosocket are registered; leave --register out for {options.protocol}.")
    media = read_call(path, caller_channel=options.caller_channel)
    return asyncio.run(_replay_all(media, options, name=path.stem))


def _address(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port of an address; no host where it is none."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname, parts.port
    except ValueError:
        return "", None, None


def read_call(path: Path, *, caller_channel: Literal["left", "right"] | None) -> list[MediaEvent]:
    """Return a recording as a call that begins now, at the rate of the telephone.

    Parameters
    ----------
    path : Path
    caller_channel : {"left", "right"} or None
        As for `FileSource`.

    Raises
    ------
    AudioInputError
        If the recording cannot be read.
    """
    source = FileSource(path, caller_channel=caller_channel, started_at=datetime.now(tz=UTC))
    return list(_at_telephone_rate(source.events()))


async def _replay_all(media: list[MediaEvent], options: ReplayOptions, *, name: str) -> Replayed:
    outcome = Replayed()
    name = options.call_id or f"{name}-{int(time.time())}"
    names = [name] if options.calls == 1 else [f"{name}-{number}" for number in range(1, options.calls + 1)]

    async def one(number: int, call_id: str) -> None:
        await asyncio.sleep(number * _STAGGER_S)
        await play_call(media, options, call_id=call_id, outcome=outcome)

    await asyncio.gather(*(one(number, call_id) for number, call_id in enumerate(names)))
    return outcome


async def play_call(media: Sequence[MediaEvent], options: ReplayOptions, *, call_id: str, outcome: Replayed) -> None:
    """Play one call under an id of its own, all its connections at once, and add to the outcome.

    Parameters
    ----------
    media : sequence of MediaEvent
        As `read_call` gives them.
    options : ReplayOptions
    call_id : str
    outcome : Replayed
    """
    own = _named(media, call_id)
    senders = _senders(own[0], options)
    if options.register:
        for sender in senders:
            await asyncio.to_thread(_register, sender, options)
    faults = await asyncio.gather(
        *(
            _play(sender, own, options, outcome, rng=_chance(f"{options.seed}/{call_id}/{sender.channels}"))
            for sender in senders
        )
    )
    said = [fault for fault in faults if fault]
    outcome.faults.extend(f"{call_id}: {fault}" for fault in said)
    outcome.calls += not said


def _chance(seed: str) -> random.Random:
    return random.Random(seed)  # noqa: S311


def _senders(started: MediaEvent, options: ReplayOptions) -> list[Sender]:
    """Return the connections of a call: one, or one for each track."""
    assert isinstance(started, CallStarted)
    kind = SENDERS[options.protocol]
    if kind is not AudioSocketSender:
        return [kind(started.call, rate_hz=TELEPHONE_RATE_HZ)]
    channels = started.call.channels
    return [kind(started.call, rate_hz=TELEPHONE_RATE_HZ, channels=[channel]) for channel in channels]


async def _play(
    sender: Sender, media: list[MediaEvent], options: ReplayOptions, outcome: Replayed, *, rng: random.Random
) -> str | None:
    """Play one connection; return what went wrong, if anything did."""
    try:
        async with _connected(sender, options) as line:
            answers = asyncio.Event()
            listening = asyncio.create_task(_listen(sender, line, answers))
            try:
                await _push(sender, media, options, outcome, line=line, rng=rng, answers=answers, listening=listening)
                await _until(lambda: sender.is_done, answers, listening)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)
    except InvalidStatus as error:
        said = (error.response.body or b"")[:_SAID_BYTES].decode(errors="replace").strip()
        status = f"HTTP {error.response.status_code}"
        return f"{options.to} refuses the connection ({status}{': ' if said else ''}{said}); check --to and --token."
    except TimeoutError:
        return f"{options.to} did not answer within {_ANSWER_S:g} s."
    except (ConnectionClosed, ConnectionResetError, BrokenPipeError, EOFError) as error:
        return f"{options.to} broke the call off ({error})."
    except (OSError, InvalidHandshake) as error:
        return f"{options.to} cannot be reached ({_reason(error)}); check the address, and that a server listens there."
    return sender.refused


def _reason(error: Exception) -> str:
    """Return the system's own words where it has any; asyncio says an address instead."""
    if isinstance(error, OSError) and not isinstance(error, ssl.SSLError | socket.gaierror) and error.errno:
        return os.strerror(error.errno)
    return str(error)


async def _push(
    sender: Sender,
    media: list[MediaEvent],
    options: ReplayOptions,
    outcome: Replayed,
    *,
    line: _Line,
    rng: random.Random,
    answers: asyncio.Event,
    listening: "asyncio.Task[None]",
) -> None:
    """Send every message when it is due."""
    now = asyncio.get_running_loop().time
    began_s, late_s = now(), 0.0
    for message in due_messages(sender, media):
        if message.is_audio and options.loss_pct and rng.uniform(0.0, 100.0) < options.loss_pct:
            outcome.lost += 1
            continue
        if message.due_s > 0.0 and not sender.is_open:
            await _until(lambda: sender.is_open, answers, listening)
            began_s = now()
        if options.speed and message.is_audio:
            late_s = rng.uniform(0.0, options.jitter_ms / 1000.0)
            due_s = began_s + message.due_s / options.speed + late_s
            if (wait_s := due_s - now()) > _BREATH_S:
                await asyncio.sleep(wait_s)
            outcome.behind_s = max(outcome.behind_s, now() - due_s)
        await line.send(message.data)
        outcome.packets += message.is_audio
        if sender.refused or listening.done():
            return


async def _listen(sender: Sender, line: _Line, answers: asyncio.Event) -> None:
    """Take what the server sends, and answer."""
    async for message in line.incoming:
        for answer in sender.receive(message):
            await line.send(answer)
        answers.set()


async def _until(condition: Callable[[], bool], answers: asyncio.Event, listening: "asyncio.Task[None]") -> None:
    """Wait for an answer of the server that makes the condition true."""
    async with asyncio.timeout(_ANSWER_S):
        while not condition():
            if listening.done():
                raise EOFError("the server closed the connection")
            answers.clear()
            waiting = asyncio.create_task(answers.wait())
            await asyncio.wait({waiting, listening}, return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()


@contextlib.asynccontextmanager
async def _connected(sender: Sender, options: ReplayOptions) -> AsyncIterator[_Line]:
    """Open the connection of a sender for the length of the block."""
    address = urlsplit(options.to)
    if address.scheme == "tcp":
        reader, writer = await asyncio.open_connection(address.hostname, address.port)

        async def write(message: Message) -> None:
            writer.write(message if isinstance(message, bytes) else message.encode())
            await writer.drain()

        async def pieces() -> AsyncIterator[Message]:
            while piece := await reader.read(4096):
                yield piece

        try:
            yield _Line(write, pieces())
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return
    url = options.to if address.path.strip("/") else options.to.rstrip("/") + sender.path
    headers = dict(sender.headers)
    if options.token:
        headers |= {"Authorization": f"Bearer {options.token}", "X-API-KEY": options.token}
    async with connect(
        url,
        additional_headers=headers,
        subprotocols=list(sender.subprotocols) or None,  # type: ignore[arg-type]
        compression=None,
        ping_interval=None,
        open_timeout=_ANSWER_S,
    ) as socket:

        async def incoming() -> AsyncIterator[Message]:
            async for message in socket:
                yield message

        yield _Line(socket.send, incoming())


def _register(sender: Sender, options: ReplayOptions) -> None:
    """Tell the server which call's which side will come under the sender's UUID."""
    assert isinstance(sender, AudioSocketSender)
    assert options.register is not None
    call = sender.call
    facts = {"agent_id": call.agent_id, "queue": call.queue, "language": call.language, "consent": call.consent}
    body = {
        "uuid": str(sender.uuid),
        "call_id": call.call_id,
        "channel": str(sender.channels[0]),
        "channels": [str(channel) for channel in call.channels],
    } | {name: value for name, value in facts.items() if value is not None}
    url = options.register.rstrip("/") + "/v1/audiosocket/calls"
    if urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError(f"{options.register} is not an address like http://127.0.0.1:8780.")
    request = urllib.request.Request(url, data=json.dumps(body).encode())  # noqa: S310
    if options.token:
        request.add_header("Authorization", f"Bearer {options.token}")
    try:
        with urllib.request.urlopen(request, timeout=_ANSWER_S):  # noqa: S310
            pass
    except urllib.error.URLError as error:
        reason = error if isinstance(error, urllib.error.HTTPError) else error.reason
        raise ConfigError(f"{url} does not take the registration ({reason}); check --register and --token.") from error


def _at_telephone_rate(media: Iterator[MediaEvent]) -> Iterator[MediaEvent]:
    """Pass on a recording whose rate is the telephone's, else resample its tracks as a whole."""
    pieces: dict[str, list[AudioChunk]] = {}
    for event in media:
        if not isinstance(event, AudioChunk) or event.sample_rate_hz == TELEPHONE_RATE_HZ:
            if pieces and not isinstance(event, AudioChunk):
                for chunks in pieces.values():
                    track: FloatArray = np.concatenate([chunk.samples for chunk in chunks])
                    yield AudioChunk(
                        call_id=chunks[0].call_id,
                        channel=chunks[0].channel,
                        first_sample=0,
                        sample_rate_hz=TELEPHONE_RATE_HZ,
                        samples=soxr.resample(track, chunks[0].sample_rate_hz, TELEPHONE_RATE_HZ, quality="HQ"),
                    )
            yield event
        else:
            pieces.setdefault(event.channel, []).append(event)


def _named(media: Sequence[MediaEvent], call_id: str) -> list[MediaEvent]:
    """Return the call under another id."""
    return [
        CallStarted(call=replace(event.call, call_id=call_id))
        if isinstance(event, CallStarted)
        else replace(event, call_id=call_id)
        for event in media
    ]
