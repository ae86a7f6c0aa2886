"""Who opened an AudioHook connection: an API key and, where the client has a secret, a signature over the request.

The signature follows a draft of HTTP Message Signatures that still knew ``@request-target`` (RFC 9421 has ``@path`` and
``@query`` instead): the covered components are written out one to a line, the parameters last, and signed with
HMAC-SHA256 under the client's secret [1]_.

References
----------
.. [1] Genesys, "AudioHook session walkthrough: security",
   https://developer.genesys.cloud/devapps/audiohook/session-walkthrough and the draft it names,
   https://datatracker.ietf.org/doc/html/draft-ietf-httpbis-message-signatures-11
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from voicepipe.gateways.decoder import Handshake

COMPONENTS = (
    "@request-target",
    "@authority",
    "audiohook-organization-id",
    "audiohook-session-id",
    "audiohook-correlation-id",
    "x-api-key",
)
"""What a signature must cover, in the order in which Genesys lists it."""

CLOCK_SKEW_S = 3
"""How far ahead the client's clock may be, as in the vendor's own verifier."""

SHORTEST_NONCE = 22
"""Characters of a nonce of 16 bytes in base64."""

_INPUT = re.compile(
    r'([a-z*][a-z0-9_\-.*]*)=(\(((?:"[^"\\]*" ?)*)\)((?:;[a-z*][a-z0-9_\-.*]*=(?:"[^"\\]*"|-?\d{1,15}))*))'
)
_SIGNATURE = re.compile(r"([a-z*][a-z0-9_\-.*]*)=:([A-Za-z0-9+/]*={0,2}):")
_PARAMETER = re.compile(r';([a-z*][a-z0-9_\-.*]*)=(?:"([^"\\]*)"|(-?\d{1,15}))')


def is_genuine(
    handshake: Handshake,
    *,
    secrets: Mapping[str, str],
    now_s: float,
    max_age_s: float = 30.0,
    authority: str | None = None,
) -> bool:
    """Tell whether the request comes from a client that we know.

    Parameters
    ----------
    handshake : Handshake
    secrets : mapping of str to str
        API key to client secret in base64, as Genesys Cloud shows it. A key with an empty secret may come unsigned.
    now_s : float
        Unix time.
    max_age_s : float
        Oldest signature that is accepted.
    authority : str, optional
        Host (and port, unless it is the scheme's own) as the client knows it; otherwise the ``Host`` header. Needed
        behind a proxy that replaces it.
    """
    api_key = handshake.headers.get("x-api-key", "").strip()
    secret: str | None = None
    for known, its_secret in secrets.items():
        if hmac.compare_digest(known.encode(), api_key.encode(errors="replace")):
            secret = its_secret
    if secret is None:
        return False
    if "signature" not in handshake.headers and "signature-input" not in handshake.headers:
        return secret == ""
    if secret == "":
        return False
    parsed = _parse(handshake.headers)
    if parsed is None:
        return False
    components, parameters, written, signature = parsed
    try:
        created, expires = int(parameters["created"]), int(parameters.get("expires", parameters["created"]) or 0)
    except (KeyError, ValueError):
        return False
    if not set(COMPONENTS) <= set(components) or len(set(components)) != len(components):
        return False
    values = _values(handshake, components, authority=authority)
    if values is None:
        return False
    lines = [f'"{name}": {value}' for name, value in zip(components, values, strict=True)]
    expected = sign([*lines, f'"@signature-params": {written}'], secret=secret)
    return (
        hmac.compare_digest(expected, signature)
        and parameters.get("keyid") == api_key
        and parameters.get("alg", "hmac-sha256") == "hmac-sha256"
        and len(parameters.get("nonce", "")) >= SHORTEST_NONCE
        and now_s - max_age_s <= created <= now_s + CLOCK_SKEW_S
        and ("expires" not in parameters or expires >= now_s - CLOCK_SKEW_S)
    )


def sign(lines: Sequence[str], *, secret: str) -> bytes:
    """Return the signature of a base that is written out line by line; `secret` is base64."""
    return hmac.new(base64.b64decode(secret), "\n".join(lines).encode(errors="replace"), hashlib.sha256).digest()


def _parse(headers: Mapping[str, str]) -> tuple[list[str], dict[str, str], str, bytes] | None:
    """Return components, parameters, the parameters as written, and the signature; None where one is malformed."""
    given = _INPUT.fullmatch(headers.get("signature-input", "")[:2048].strip())
    signed = _SIGNATURE.fullmatch(headers.get("signature", "")[:512].strip())
    if given is None or signed is None or given.group(1) != signed.group(1):
        return None
    components = re.findall(r'"([^"\\]*)"', given.group(3))
    parameters = {name: text or number for name, text, number in _PARAMETER.findall(given.group(4))}
    try:
        signature = base64.b64decode(signed.group(2), validate=True)
    except ValueError:
        return None
    return components, parameters, given.group(2), signature


def _values(handshake: Handshake, components: Sequence[str], *, authority: str | None) -> list[str] | None:
    """Return the value of each component; None where one is not there or not known."""
    derived = {
        "@request-target": handshake.target,
        "@authority": (authority or handshake.headers.get("host", "")).strip().lower(),
    }
    values = [
        derived.get(name, "") if name.startswith("@") else handshake.headers.get(name, "").strip()
        for name in components
    ]
    return values if all(values) else None
