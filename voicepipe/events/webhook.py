"""The webhook: the same events by HTTPS POST, for CRMs and ACDs that read no Kafka.

Each event is one CloudEvent in structured mode (CloudEvents HTTP Protocol Binding 1.0.2, section 3.2), signed as
Standard Webhooks 1.0 says (https://www.standardwebhooks.com): ``webhook-signature`` is ``v1,`` and the base64 of
HMAC-SHA256 over ``id.timestamp.body``. The receiver checks it, and that the timestamp is recent.
"""

import base64
import binascii
import hashlib
import hmac
import http.client
import ipaddress
import json
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from voicepipe.events.config import WebhookConfig
from voicepipe.events.delivery import SinkDelivery
from voicepipe.ports import OutboundMessage
from voicepipe.types import SinkError

_GONE = 410
_REFUSALS = frozenset({400, 409, 413, 415, 422})
"""Answers that say that this very message will never be taken."""

_FAULTS = frozenset({500, 501})
"""Answers of a receiver that stumbles, perhaps over this very message."""

_READ_LIMIT_BYTES = 65_536
_BUDGET_S = 20.0
"""A batch is ended after this long, so that what was taken is written down."""


class WebhookSink:
    """Posts events one after the other; implements `voicepipe.ports.EventSink`.

    An answer 2xx is the acknowledgement. 400, 409, 413, 415 and 422 refuse the one message for good; so do many
    answers 500 or 501 to it. 410 switches the sink off until it is made again; everything else is tried again.

    Parameters
    ----------
    config : WebhookConfig
    unix_time_s : callable
        Present time in seconds since 1970, for the signature.
    """

    name = "webhook"

    def __init__(self, config: WebhookConfig, *, unix_time_s: Callable[[], float]) -> None:
        self._config = config
        self._unix_time_s = unix_time_s
        self._is_off = False
        self._stumbled: tuple[str, int] = ("", 0)
        """The message that the receiver stumbles over, and how often it did."""
        parts = urlsplit(config.url)
        self._host = parts.hostname or ""
        self._tls = _tls_context(config) if parts.scheme == "https" else None
        self._port = parts.port or (443 if self._tls else 80)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._place = f"{self._host}:{self._port}"
        """How messages call the receiver; the path may hold a secret."""

    def publish(self, messages: Sequence[OutboundMessage]) -> Sequence[SinkDelivery]:
        """Post messages in order until one is not taken.

        Raises
        ------
        SinkError
            If the first was not taken.
        """
        if self._is_off:
            raise SinkError(f"The webhook {self._place} is switched off: it answered 410 (gone). Give a new address.")
        deliveries: list[SinkDelivery] = []
        give_up_at = time.monotonic() + _BUDGET_S
        connection = _Connection(self._host, self._port, opened=self._opened)
        try:
            for message in messages:
                deliveries.append(self._post(connection, message))
                if time.monotonic() > give_up_at:
                    break
        except SinkError:
            if not deliveries:
                raise
        finally:
            connection.close()
        unsent = len(messages) - len(deliveries)
        return deliveries + [SinkDelivery(delivered=False)] * unsent

    def close(self) -> None:
        """Nothing is kept open between batches."""

    def _post(self, connection: http.client.HTTPConnection, message: OutboundMessage) -> SinkDelivery:
        body = structured(message)
        try:
            connection.request("POST", self._path, body=body, headers=self._headers(message, body))
            response = connection.getresponse()
            response.read(_READ_LIMIT_BYTES)
            if not response.isclosed():
                connection.close()  # The rest of a long answer is not worth reading.
        except (OSError, http.client.HTTPException) as error:
            raise SinkError(
                f"The webhook {self._place} did not answer ({error or type(error).__name__}); it is tried again."
            ) from error
        return self._judge(response.status, message)

    def _judge(self, status: int, message: OutboundMessage) -> SinkDelivery:
        if 200 <= status < 300:
            return SinkDelivery(delivered=True)
        if status in _REFUSALS:
            return SinkDelivery(delivered=False, refused=f"the receiver answered {status}")
        if status == _GONE:
            self._is_off = True
            raise SinkError(f"The webhook {self._place} answered 410 (gone) and is switched off. Give a new address.")
        if status in _FAULTS:
            stumbled_id, times = self._stumbled
            times = times + 1 if stumbled_id == message.event_id else 1
            self._stumbled = (message.event_id, times)
            if times >= self._config.max_faults:
                return SinkDelivery(delivered=False, refused=f"the receiver answered {status}, {times} times")
        if 300 <= status < 400:
            raise SinkError(
                f"The webhook {self._place} answered {status}; redirects are not followed, give the final address."
            )
        raise SinkError(f"The webhook {self._place} answered {status}; it is tried again.")

    def _headers(self, message: OutboundMessage, body: bytes) -> dict[str, str]:
        headers = {"Content-Type": "application/cloudevents+json; charset=utf-8", "User-Agent": "voicepipe"}
        if self._config.secret is None:
            return headers
        timestamp = str(int(self._unix_time_s()))
        signature = sign(
            self._config.secret.get_secret_value(), event_id=message.event_id, timestamp=timestamp, body=body
        )
        return headers | {
            "webhook-id": message.event_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": signature,
        }

    def _opened(self) -> socket.socket:
        """Open a socket to the first checked address that answers: the name is not looked up a second time."""
        failure: OSError | None = None
        for address in self._checked_addresses():
            try:
                opened = socket.create_connection((address, self._port), timeout=self._config.timeout_s)
                return opened if self._tls is None else self._tls.wrap_socket(opened, server_hostname=self._host)
            except OSError as error:
                failure = error
        raise SinkError(
            f"The webhook {self._place} cannot be reached ({getattr(failure, 'strerror', None) or failure}); it is "
            "tried again."
        ) from failure

    def _checked_addresses(self) -> Sequence[str]:
        """Return the addresses of the host; private ones only if they are allowed."""
        try:
            found = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as error:
            raise SinkError(f"The webhook's host {self._host} is not known ({error.strerror or error}).") from error
        addresses = [str(entry[4][0]) for entry in found]
        for address in addresses:
            ip = ipaddress.ip_address(address.partition("%")[0])
            public = (getattr(ip, "ipv4_mapped", None) or ip).is_global
            if not public and not self._config.allow_private_addresses:
                raise SinkError(
                    f"The webhook's host {self._host} has the private address {address}; "
                    "set allow_private_addresses if that is meant."
                )
        return addresses


class _Connection(http.client.HTTPConnection):
    """Opened by the one given way alone: the library opens a connection anew when the receiver has closed it."""

    def __init__(self, host: str, port: int, *, opened: Callable[[], socket.socket]) -> None:
        super().__init__(host, port)
        self._opened = opened

    def connect(self) -> None:
        self.sock = self._opened()


def structured(message: OutboundMessage) -> bytes:
    """Return a message as a CloudEvent in structured mode: the attributes of its headers around its body."""
    event: dict[str, Any] = {}
    for name, value in message.headers:
        if name.startswith("ce_"):
            event[name.removeprefix("ce_")] = value.decode()
        elif name == "content-type":
            event["datacontenttype"] = value.decode()
    data = {"data": json.loads(message.body)} if message.body else {}
    return json.dumps(event | data, ensure_ascii=False, separators=(",", ":")).encode()


def sign(secret: str, *, event_id: str, timestamp: str, body: bytes) -> str:
    """Return the value of ``webhook-signature``.

    Parameters
    ----------
    secret : str
        ``whsec_`` and base64, as Standard Webhooks writes it; any other text is taken as it is.
    event_id, timestamp : str
        As in ``webhook-id`` and ``webhook-timestamp``.
    body : bytes
        As it is sent.
    """
    digest = hmac.new(_key_of(secret), f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _key_of(secret: str) -> bytes:
    if secret.startswith("whsec_"):
        try:
            return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
        except binascii.Error:
            pass
    return secret.encode()


def _tls_context(config: WebhookConfig) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=config.ca_file)
    except OSError as error:
        raise SinkError(
            f"The CA certificates of the webhook cannot be loaded ({error}); check {config.ca_file}."
        ) from error
