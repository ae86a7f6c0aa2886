"""Who pushes calls, told by what a request presents; checked before anything is kept for a connection."""

import base64
import binascii
import contextlib
import hmac
from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import urlsplit

from pydantic import SecretStr

from voicepipe.gateways.audiohook_signature import is_genuine
from voicepipe.gateways.config import ANYBODY, ClientConfig, Protocol, ServeConfig
from voicepipe.gateways.decoder import Handshake
from voicepipe.gateways.twilio_signature import is_signed


class Access:
    """Tells clients by what they present; all comparisons take the same time whatever is presented.

    Parameters
    ----------
    config : ServeConfig
    """

    def __init__(self, config: ServeConfig) -> None:
        self._clients = config.clients
        self._digests = [_digest(client.token.get_secret_value()) for client in config.clients]
        self._public_url = config.public_url
        self._anybody = ClientConfig.model_construct(
            name=ANYBODY, token=SecretStr(""), max_calls=config.limits.anybody_calls
        )

    def identify(
        self, protocol: Protocol, handshake: Handshake, *, unix_s: float, path_token: str = ""
    ) -> ClientConfig | None:
        """Return the client that a request comes from; None for nobody who may speak the protocol.

        Parameters
        ----------
        protocol : str
        handshake : Handshake
        unix_s : float
            Present time, for signatures that expire.
        path_token : str
            Last part of the path, where it may be a token.
        """
        if not self._clients:
            return self._anybody
        client = self._by_token([*_presented(handshake), path_token])
        if client is None and protocol == "twilio" and self._public_url:
            client = self._by_signature(handshake, self._public_url)
        if client is None or protocol not in client.protocols:
            return None
        if protocol == "audiohook" and client.audiohook_secret is not None:
            secrets = {client.token.get_secret_value(): client.audiohook_secret.get_secret_value()}
            authority = urlsplit(self._public_url).netloc if self._public_url else None
            if not is_genuine(handshake, secrets=secrets, now_s=unix_s, authority=authority):
                return None
        return client

    def identify_by_token(self, handshake: Handshake) -> ClientConfig | None:
        """Return the client whose token a request of no protocol carries; None for nobody."""
        return self._by_token(_presented(handshake)) if self._clients else self._anybody

    def _by_token(self, presented: Sequence[str]) -> ClientConfig | None:
        digests = [_digest(token) for token in presented if token]
        found = None
        for client, digest in zip(self._clients, self._digests, strict=True):
            for given in digests:
                if hmac.compare_digest(given, digest):
                    found = client
        return found

    def _by_signature(self, handshake: Handshake, public_url: str) -> ClientConfig | None:
        found = None
        for client in self._clients:
            tokens = [token.get_secret_value() for token in client.twilio_auth_tokens]
            if is_signed(handshake, auth_tokens=tokens, public_url=public_url):
                found = client
        return found


def _digest(token: str) -> bytes:
    return sha256(token.encode(errors="replace")).digest()


def _presented(handshake: Handshake) -> list[str]:
    """Return whatever could be a token."""
    scheme, _, value = handshake.headers.get("authorization", "").partition(" ")
    tokens = [handshake.headers.get("x-api-key", ""), handshake.query.get("token", "")]
    if scheme.lower() == "bearer":
        tokens.append(value.strip())
    elif scheme.lower() == "basic":
        with contextlib.suppress(binascii.Error, ValueError):
            tokens.append(base64.b64decode(value, validate=True).decode(errors="replace").partition(":")[2])
    return tokens


class Tempo:
    """How often something may happen: a token bucket.

    Parameters
    ----------
    per_s : float
    burst : int
    """

    def __init__(self, *, per_s: float, burst: int) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._left = float(burst)
        self._at_s = 0.0

    def allows(self, *, now_s: float) -> bool:
        """Tell whether it may happen now; if so, it counts."""
        self._left = min(self._burst, self._left + max(0.0, now_s - self._at_s) * self._per_s)
        self._at_s = now_s
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True
