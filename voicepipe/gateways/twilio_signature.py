"""Who opened the connection: ``X-Twilio-Signature`` on the request that upgrades to a WebSocket.

The signature is HMAC-SHA1 over the URL as Twilio knows it, keyed with the account's auth token, in base64; an upgrade
has no form fields to add [1]_. Behind a proxy only the operator knows that URL.

References
----------
.. [1] Twilio, "Webhooks Security", https://www.twilio.com/docs/usage/webhooks/webhooks-security
"""

import base64
import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit, urlunsplit

from voicepipe.gateways.decoder import Handshake

_DEFAULT_PORTS = {"wss": 443, "https": 443, "ws": 80, "http": 80}
_SAME_SCHEME = {"wss": ("wss", "https"), "https": ("https", "wss"), "ws": ("ws", "http"), "http": ("http", "ws")}


def sign(url: str, *, auth_token: str) -> str:
    """Return the signature of a request to `url` without form fields."""
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(handshake: Handshake, *, auth_tokens: Sequence[str], public_url: str) -> bool:
    """Tell whether Twilio signed the request.

    Parameters
    ----------
    handshake : Handshake
        Its query string, if any, belongs to the signed URL.
    auth_tokens : sequence of str
        Of the accounts that may connect, primary and secondary tokens alike.
    public_url : str
        The URL that the ``<Stream>`` names, without a query: ``wss://calls.example.com/v1/twilio``. It is tried with
        ``wss`` and ``https``, with and without the default port, with and without a trailing slash: senders and proxies
        differ in these.
    """
    given = handshake.headers.get("x-twilio-signature", "")
    urls = _spellings(public_url, query=handshake.target.partition("?")[2])
    matches = [
        hmac.compare_digest(sign(url, auth_token=token).encode(), given.encode())
        for token in auth_tokens
        if token
        for url in urls
    ]
    return any(matches)


def _spellings(public_url: str, *, query: str) -> list[str]:
    parts = urlsplit(public_url)
    host = parts.netloc.removesuffix(f":{_DEFAULT_PORTS.get(parts.scheme, 0)}")
    port = "" if parts.port and host == parts.netloc else f":{_DEFAULT_PORTS.get(parts.scheme, 443)}"
    path = parts.path.rstrip("/")
    return [
        urlunsplit((scheme, netloc, spelled, query, ""))
        for scheme in _SAME_SCHEME.get(parts.scheme, (parts.scheme,))
        for netloc in dict.fromkeys((host, host + port))
        for spelled in (path, path + "/")
    ]
