"""The ports that live calls come in by: WebSockets and HTTP on one, AudioSocket on another.

Who connects is known before anything is kept for the connection. What breaks a limit is told so in its protocol's own
way and counted; the others do not notice.
"""

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar, get_args
from uuid import UUID, uuid4

import uvicorn
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket

from voicepipe.gateways.access import Access
from voicepipe.gateways.audiohook import AudioHookDecoder
from voicepipe.gateways.audiosocket import AudioSocketDecoder
from voicepipe.gateways.config import ANYBODY, Protocol, ServeConfig
from voicepipe.gateways.decoder import CloseCode, Decoder, Handshake
from voicepipe.gateways.identity import CallIdentity, Line
from voicepipe.gateways.l16 import L16Decoder, choose_subprotocol
from voicepipe.gateways.registrations import Registration, Registrations
from voicepipe.gateways.switchboard import Switchboard
from voicepipe.gateways.twilio import TwilioDecoder
from voicepipe.gateways.uvicorn_server import AbortableSocket, Server, bounded_http
from voicepipe.pipeline.pool import CallPool
from voicepipe.ports import CallObserver
from voicepipe.telemetry import CONTENT_TYPE, Waiting
from voicepipe.types import CallEvent, ConfigError

_READ_BYTES = 16_384
_BODY_BYTES = 16_384
_BACKLOG = 2048
"""Connections that may wait to be taken in; one that finds no place believes that it is open and is never heard."""
_SPARE_FILES = 128
"""Descriptors kept for the store, the models and the sinks."""


_Body = TypeVar("_Body", bound=BaseModel)


class ConsentNotice(BaseModel):
    """Body of ``POST /v1/calls/CALL_ID/consent``: what the caller said about being analysed, in the operator's word."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    consent: Annotated[Line, StringConstraints(strip_whitespace=True, min_length=1)]


class LiveServer:
    """The ports that live calls come in by.

    Parameters
    ----------
    config : ServeConfig
    pool : CallPool
    observer : CallObserver
    metrics : callable
        Returns the metrics in Prometheus's text format.
    store_fault : callable
        Returns what is wrong with the store, None when it can be written.
    begun : callable, optional
        Returns the ids of calls that began since it was called before, whoever carried them; see `Switchboard`.
    outbox : callable, optional
        Returns how much waits for each sink of events; shown by /readyz, which old events do not make unready.
    routes : sequence of BaseRoute, optional
        What else is served on the HTTP port: the console. Its answers are its own.
    clock : callable, optional
        Seconds, never going back.
    """

    def __init__(
        self,
        *,
        config: ServeConfig,
        pool: CallPool,
        observer: CallObserver,
        metrics: Callable[[], bytes],
        store_fault: Callable[[], str | None],
        begun: Callable[[], Iterable[str]] = tuple,
        outbox: Callable[[], Iterable[Waiting]] = tuple,
        routes: Sequence[BaseRoute] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._config = config
        self._routes = routes
        self._pool = pool
        self._observer = observer
        self._metrics = metrics
        self._store_fault = store_fault
        self._outbox = outbox
        self._clock = clock
        self._access = Access(config)
        self._board = Switchboard(config=config, pool=pool, observer=observer, begun=begun, clock=clock)
        self._registrations = Registrations(most=config.limits.registrations, wait_s=config.limits.registration_s)
        self._max_connections = config.limits.connections
        self._http: Server | None = None
        self._listener: socket.socket | None = None
        self._tcp: asyncio.Server | None = None
        self._tcp_open = 0

    @property
    def port(self) -> int:
        """The HTTP and WebSocket port, once open."""
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    @property
    def audiosocket_port(self) -> int | None:
        """The AudioSocket port, once open; None if there is none."""
        return int(self._tcp.sockets[0].getsockname()[1]) if self._tcp else None

    @property
    def n_connections(self) -> int:
        """Open connections, those that have not asked for anything among them."""
        return self._tcp_open + (len(self._http.server_state.connections) if self._http else 0)

    async def open(self) -> None:
        """Open the ports.

        Raises
        ------
        ConfigError
            If a port cannot be had, or a certificate cannot be used.
        """
        config = self._config
        self._max_connections = _allow_files(config.limits.connections)
        self._listener = _listen(config.host, config.port, key="serve.port")
        http = uvicorn.Config(
            self._app(),
            http=bounded_http(self._has_connection_left, request_s=config.limits.request_s),
            ws=AbortableSocket,
            ws_max_size=config.decoder.message_bytes,
            ws_ping_interval=None,  # server pings hang up calls of some senders; the others ping by themselves
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=config.tls_cert_file,
            ssl_keyfile=config.tls_key_file,
            timeout_graceful_shutdown=5,
        )
        try:
            http.load()
        except OSError as error:
            self._listener.close()
            raise ConfigError(
                f"The certificate {config.tls_cert_file} with the key {config.tls_key_file} cannot be used ({error}); "
                "check serve.tls_cert_file and serve.tls_key_file."
            ) from error
        await self._board.open()
        self._http = Server(http)
        self._serving = asyncio.create_task(self._http.serve(sockets=[self._listener]))
        await self._http.opened.wait()
        if config.audiosocket_port is not None:
            listener = _listen(config.audiosocket_host, config.audiosocket_port, key="serve.audiosocket_port")
            self._tcp = await asyncio.start_server(self._audiosocket, sock=listener, backlog=_BACKLOG)

    async def close(self, *, drain_s: float = 0.0) -> None:
        """Take no new calls, let those that run go on for `drain_s`, then close the ports.

        The pool has got the ends of all calls when this returns; what it still has to tell is the caller's to wait for.
        """
        await self._board.close(drain_s)
        if self._tcp is not None:
            self._tcp.close()
        if self._http is not None:
            self._http.should_exit = True
            await self._serving

    def on_call_event(self, event: CallEvent) -> None:
        """Tell the senders that asked for them what was said; from any thread."""
        self._board.on_call_event(event)

    # HTTP

    def _app(self) -> Starlette:
        sockets = [
            WebSocketRoute(f"/v1/{protocol}{token}", self._websocket, name=protocol)
            for protocol in get_args(Protocol)
            if protocol != "audiosocket"
            for token in ("", "/{token}")
        ]
        return Starlette(
            routes=[
                *sockets,
                Route("/v1/audiosocket/calls", self._register, methods=["POST"]),
                Route("/v1/calls/{call_id:path}/consent", self._change_consent, methods=["POST"]),
                Route("/healthz", self._health),
                Route("/readyz", self._readiness),
                Route("/metrics", self._show_metrics),
                *self._routes,
                WebSocketRoute("/{path:path}", self._astray),
            ]
        )

    async def _health(self, request: Request) -> Response:
        del request
        return PlainTextResponse("ok\n")

    async def _readiness(self, request: Request) -> Response:
        del request
        fault = await asyncio.to_thread(self._store_fault)
        state = {"models": self._pool.ready, "store": fault is None, "draining": self._board.draining}
        ready = self._pool.ready and fault is None and not self._board.draining
        waiting = await asyncio.to_thread(self._outbox)
        outbox = {
            one.sink: {
                "pending": one.pending,
                "oldest_age_s": round(one.oldest_age_s, 1),
                "refused": one.refused,
                "last_error": one.last_error,
            }
            for one in waiting
        }
        found = state | {"outbox": outbox} | ({"fault": fault} if fault else {})
        return JSONResponse(found, status_code=200 if ready else 503)

    async def _show_metrics(self, request: Request) -> Response:
        del request
        return Response(await asyncio.to_thread(self._metrics), headers={"content-type": CONTENT_TYPE})

    async def _register(self, request: Request) -> Response:
        """Take the registration of an AudioSocket call."""
        client = self._access.identify("audiosocket", _handshake(request), unix_s=time.time())
        if client is None:
            self._observer.on_connection("audiosocket", "unauthorized", reason="A registration came without a token.")
            return JSONResponse({"error": "Send the client's token, as Authorization: Bearer."}, status_code=401)
        registration = await _read(Registration, request)
        if isinstance(registration, Response):
            return registration
        uuid = self._registrations.expect(registration, owner=client.name, now_s=self._clock())
        if uuid is None:
            return JSONResponse({"error": "Too many registrations wait, or the UUID is taken."}, status_code=409)
        wait_s = self._config.limits.registration_s
        return JSONResponse({"uuid": str(uuid), "expires_in_s": wait_s}, status_code=201)

    async def _change_consent(self, request: Request) -> Response:
        """Take it that a caller agrees to be analysed, or does not any more."""
        client = self._access.identify_by_token(_handshake(request))
        if client is None:
            self._observer.on_connection("consent", "unauthorized", reason="A change of consent came without a token.")
            return JSONResponse({"error": "Send the client's token, as Authorization: Bearer."}, status_code=401)
        notice = await _read(ConsentNotice, request)
        if isinstance(notice, Response):
            return notice
        call_id = request.path_params["call_id"]
        decision = self._board.change_consent(call_id, notice.consent, owner=client.name)
        if decision is None:
            sentence = (
                "This client has no such call now; what is kept of a call that is over, `voicepipe purge` deletes."
            )
            return JSONResponse({"error": sentence}, status_code=404)
        return JSONResponse({"call_id": call_id, "basis": decision.basis, "scope": decision.scope}, status_code=202)

    # Connections

    async def _websocket(self, websocket: WebSocket) -> None:
        """Serve one WebSocket from its handshake to its end."""
        protocol: Any = websocket.url.path.split("/")[2]
        handshake = _handshake(websocket)
        client = self._access.identify(
            protocol, handshake, unix_s=time.time(), path_token=websocket.path_params.get("token", "")
        )
        if client is None:
            reason = "The request carries no token or signature of a client that may speak this protocol."
            self._observer.on_connection(protocol, "unauthorized", reason=reason)
            await websocket.send_denial_response(PlainTextResponse(reason, status_code=401))
            return
        if self._board.draining:
            self._observer.on_connection(protocol, "draining", client=client.name)
            await websocket.send_denial_response(PlainTextResponse("Shutting down.", status_code=503))
            return
        decoder = self._decoder(protocol, handshake)
        subprotocol = None
        if protocol == "l16":
            subprotocol = choose_subprotocol(websocket.scope["subprotocols"], accepted=self._config.l16.subprotocols)

        async def send(reply: str | bytes) -> None:
            await (websocket.send_text(reply) if isinstance(reply, str) else websocket.send_bytes(reply))

        with contextlib.suppress(OSError, RuntimeError):
            await websocket.accept(subprotocol=subprotocol)
            leg = self._board.welcome(
                decoder, client.name, send=send, close=websocket.close, abort=websocket.state.abort
            )
            code: int | None = None
            try:
                while not leg.closed:
                    message = await websocket.receive()
                    if message["type"] == "websocket.disconnect":
                        # uvicorn calls a connection that broke 1005, too, but gives it no reason
                        code = message.get("code") if "reason" in message else None
                        break
                    content = message.get("text")
                    await self._board.feed(leg, message["bytes"] if content is None else content)
            finally:
                self._board.part(leg, code)

    async def _astray(self, websocket: WebSocket) -> None:
        """Tell a WebSocket that knocks where nobody listens where it should; without this it would hear of a 403."""
        reason = "There are no calls on this path; send them to /v1/twilio, /v1/audiohook or /v1/l16."
        self._observer.on_connection("unknown", "wrong_path", reason=reason)
        await websocket.send_denial_response(PlainTextResponse(reason, status_code=404))

    async def _audiosocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one AudioSocket connection."""
        if self._board.draining or not self._has_connection_left():
            self._observer.on_connection("audiosocket", "draining" if self._board.draining else "connections")
            writer.transport.abort()
            return

        def look_up(uuid: UUID) -> CallIdentity | None:
            found = self._registrations.take(uuid, now_s=self._clock())
            if found is None:
                return None
            identity, leg.owner = found
            return identity

        async def send(reply: str | bytes) -> None:
            writer.write(reply if isinstance(reply, bytes) else reply.encode())
            await writer.drain()

        async def close(code: int, reason: str) -> None:
            del code, reason
            writer.close()

        config = self._config
        decoder = AudioSocketDecoder(
            config=config.audiosocket, look_up=look_up, started_at=datetime.now(tz=UTC), limits=config.decoder
        )
        leg = self._board.welcome(decoder, ANYBODY, send=send, close=close, abort=writer.transport.abort)
        self._tcp_open += 1
        code = None
        try:
            while not leg.closed:
                piece = await reader.read(_READ_BYTES)
                if not piece:
                    code = CloseCode.NORMAL
                    break
                await self._board.feed(leg, piece)
        except OSError:
            pass
        finally:
            self._tcp_open -= 1
            self._board.part(leg, code)
            writer.close()

    def _decoder(self, protocol: str, handshake: Handshake) -> Decoder:
        config, now = self._config, datetime.now(tz=UTC)
        if protocol == "twilio":
            return TwilioDecoder(config=config.twilio, handshake=handshake, started_at=now, limits=config.decoder)
        if protocol == "audiohook":
            return AudioHookDecoder(config=config.audiohook, handshake=handshake, started_at=now, limits=config.decoder)
        return L16Decoder(
            config=config.l16,
            handshake=handshake,
            connection_id=str(uuid4()),
            started_at=now,
            limits=config.decoder,
        )

    def _has_connection_left(self) -> bool:
        return self.n_connections < self._max_connections


async def _read(kind: type[_Body], request: Request) -> _Body | Response:
    """Read a small JSON body; where it cannot be, return the answer that says why."""
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > _BODY_BYTES:
            return JSONResponse({"error": f"A {kind.__name__} has at most {_BODY_BYTES} bytes."}, status_code=413)
    try:
        return kind.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = "".join(f"{part}: " for part in first["loc"])
        return JSONResponse({"error": f"{where}{first['msg']}"}, status_code=422)


def _handshake(request: Request | WebSocket) -> Handshake:
    query = request.url.query
    return Handshake(
        target=request.url.path + (f"?{query}" if query else ""),
        query=dict(request.query_params),
        headers={name.lower(): value for name, value in request.headers.items()},
    )


def _listen(host: str, port: int, *, key: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
        raise ConfigError(f"{host}:{port} cannot be listened on ({reason}); set another {key}.") from error


def _allow_files(connections: int) -> int:
    """Raise the limit on open files as far as needed and allowed; return how many connections fit into it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return connections if soft == resource.RLIM_INFINITY else max(1, min(connections, soft - _SPARE_FILES))
