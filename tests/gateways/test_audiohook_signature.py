import base64
from typing import Any

import pytest

from voicepipe.gateways.audiohook_signature import COMPONENTS, is_genuine, sign
from voicepipe.gateways.decoder import Handshake

KEY = "SGVsbG8sIEkgYW0gdGhlIEFQSSBrZXkh"
SECRET = base64.b64encode(b"TheSecretOfTheClientIsThirtyTwoB").decode()
NOW_S = 1_700_000_000
HEADERS = {
    "host": "AudioHook.example.com",
    "audiohook-organization-id": "d7934305-0972-4844-938e-9060eef73d05",
    "audiohook-session-id": "e160e428-53e2-487c-977d-96989bf5c99d",
    "audiohook-correlation-id": "30b0e395-84d3-4570-ac13-9a62d8f514c0",
    "x-api-key": KEY,
}
TARGET = "/v1/audiohook?region=eu"


def signed(
    *,
    headers: dict[str, str] | None = None,
    components: tuple[str, ...] = COMPONENTS,
    secret: str = SECRET,
    **changed: Any,
) -> Handshake:
    """Sign a request as the client does (draft-ietf-httpbis-message-signatures-11, section 2.3)."""
    headers = HEADERS | (headers or {})
    parameters: dict[str, Any] = {
        "keyid": KEY,
        "nonce": "VGhpc0lzQVVuaXF1ZU5vbmNl",
        "alg": "hmac-sha256",
        "created": NOW_S,
        "expires": NOW_S + 30,
    } | changed
    listed = " ".join(f'"{name}"' for name in components)
    written = ";".join(
        f"{name}={value}" if isinstance(value, int) else f'{name}="{value}"'
        for name, value in parameters.items()
        if value is not None
    )
    values = {"@request-target": TARGET, "@authority": headers["host"].lower()} | headers
    lines = [
        *(f'"{name}": {values.get(name, "")}' for name in components),
        f'"@signature-params": ({listed});{written}',
    ]
    signature = base64.b64encode(sign(lines, secret=secret)).decode()
    return Handshake(
        target=TARGET,
        headers=headers | {"signature-input": f"sig1=({listed});{written}", "signature": f"sig1=:{signature}:"},
    )


def check(
    handshake: Handshake, *, secrets: dict[str, str] | None = None, now_s: float = NOW_S + 1, **more: Any
) -> bool:
    return is_genuine(handshake, secrets={KEY: SECRET} if secrets is None else secrets, now_s=now_s, **more)


def test_a_signed_request_is_genuine() -> None:
    assert check(signed())
    assert check(signed(), secrets={"another": SECRET, KEY: SECRET})
    assert check(signed(expires=None))


def test_the_base_is_written_as_the_vendor_writes_it() -> None:
    """The signature of a base that is spelled out here, by HMAC-SHA256 of OpenSSL."""
    lines = ['"@request-target": /x', '"@signature-params": ("@request-target");keyid="k"']
    # printf '%s' of the two lines, joined by a line feed, | openssl dgst -sha256 -hmac key
    assert sign(lines, secret=base64.b64encode(b"key").decode()).hex() == (
        "072c91c800f7f41a5fdc3522da97c06674fde2991423a43f301547e1b5f9439a"
    )


@pytest.mark.parametrize(
    "handshake",
    [
        signed(secret=base64.b64encode(b"another").decode()),
        signed(keyid="another"),
        signed(nonce="short"),
        signed(nonce=None),
        signed(alg="none"),
        signed(created=None),
        signed(created=NOW_S - 60, expires=None),
        signed(created=NOW_S + 60, expires=NOW_S + 90),
        signed(expires=NOW_S - 60),
        signed(components=COMPONENTS[1:]),
        signed(components=COMPONENTS[:-1]),
        signed(components=(*COMPONENTS, "x-missing")),
        signed(components=(*COMPONENTS, COMPONENTS[0])),
        signed(headers={"x-api-key": "another"}),
        Handshake(target="/other", headers=signed().headers),
        Handshake(target=TARGET, headers=dict(signed().headers) | {"audiohook-session-id": "other"}),
        Handshake(target=TARGET, headers=dict(signed().headers) | {"signature": "sig2=:AAAA:"}),
        Handshake(target=TARGET, headers=dict(signed().headers) | {"signature": "sig1=:A:"}),
        Handshake(target=TARGET, headers=dict(signed().headers) | {"signature-input": "sig1=()"}),
        Handshake(target=TARGET, headers=dict(signed().headers) | {"signature-input": '("a' * 600}),
        Handshake(target=TARGET, headers={"x-api-key": "\ud800"}),
        Handshake(target=TARGET, headers=HEADERS),
        Handshake(target=TARGET),
    ],
)
def test_anything_else_is_not(handshake: Handshake) -> None:
    assert not check(handshake)


def test_an_unsigned_request_needs_a_key_without_a_secret() -> None:
    assert check(Handshake(target=TARGET, headers=HEADERS), secrets={KEY: ""})
    assert not check(Handshake(target=TARGET, headers=HEADERS), secrets={})
    assert not check(Handshake(target=TARGET, headers=HEADERS | {"x-api-key": ""}), secrets={KEY: ""})
    assert not check(signed(secret=""), secrets={KEY: ""})


def test_behind_a_proxy_the_host_is_a_setting() -> None:
    proxied = Handshake(target=TARGET, headers=dict(signed().headers) | {"host": "10.0.0.7:8780"})
    assert not check(proxied)
    assert check(proxied, authority="audiohook.example.com")
