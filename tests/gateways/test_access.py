"""Who may push calls."""

import base64
from collections.abc import Sequence

import pytest
from pydantic import SecretStr

from voicepipe.gateways import audiohook_signature, twilio_signature
from voicepipe.gateways.access import Access, Tempo
from voicepipe.gateways.config import ANYBODY, ClientConfig, ServeConfig, is_loopback
from voicepipe.gateways.decoder import Handshake

TOKEN = "0123456789abcdef"
SECRET = base64.b64encode(b"a secret of the client").decode()
NOW_S = 1_790_000_000.0


def access(*clients: ClientConfig, public_url: str | None = None) -> Access:
    return Access(ServeConfig(clients=clients, public_url=public_url))


def test_without_clients_anybody_may_come() -> None:
    client = access().identify("twilio", Handshake(), unix_s=NOW_S)
    assert client is not None
    assert client.name == ANYBODY


def test_a_twilio_signature_stands_for_a_token_if_the_url_is_known() -> None:
    url = "wss://calls.example.com/v1/twilio"
    client = ClientConfig(name="twilio", token=SecretStr(TOKEN), twilio_auth_tokens=(SecretStr("auth-token"),))
    good = Handshake(headers={"x-twilio-signature": twilio_signature.sign(url, auth_token="auth-token")})
    wrong = Handshake(headers={"x-twilio-signature": twilio_signature.sign(url, auth_token="auth-tokem")})
    assert access(client, public_url=url).identify("twilio", good, unix_s=NOW_S) == client
    assert access(client, public_url=url).identify("twilio", wrong, unix_s=NOW_S) is None
    assert access(client, public_url=url).identify("l16", good, unix_s=NOW_S) is None


def signed(components: Sequence[str], *, secret: str, created_s: int) -> Handshake:
    headers = {
        "host": "calls.example.com",
        "audiohook-organization-id": "org",
        "audiohook-session-id": "session",
        "audiohook-correlation-id": "correlation",
        "x-api-key": TOKEN,
    }
    values = {"@request-target": "/v1/audiohook", "@authority": "calls.example.com"} | headers
    names = " ".join(f'"{name}"' for name in components)
    written = (
        f'({names});keyid="{TOKEN}";nonce="{"n" * 22}";alg="hmac-sha256";created={created_s};expires={created_s + 9}'
    )
    lines = [f'"{name}": {values[name]}' for name in components] + [f'"@signature-params": {written}']
    signature = base64.b64encode(audiohook_signature.sign(lines, secret=secret)).decode()
    return Handshake(
        target="/v1/audiohook",
        headers=headers | {"signature-input": f"sig1={written}", "signature": f"sig1=:{signature}:"},
    )


def test_an_audiohook_client_with_a_secret_must_sign() -> None:
    door = access(ClientConfig(name="genesys", token=SecretStr(TOKEN), audiohook_secret=SecretStr(SECRET)))
    good = signed(audiohook_signature.COMPONENTS, secret=SECRET, created_s=int(NOW_S))
    client = door.identify("audiohook", good, unix_s=NOW_S + 1)
    assert client is not None
    assert client.name == "genesys"
    assert door.identify("audiohook", good, unix_s=NOW_S + 3600) is None
    forged = signed(audiohook_signature.COMPONENTS, secret=base64.b64encode(b"guess").decode(), created_s=int(NOW_S))
    assert door.identify("audiohook", forged, unix_s=NOW_S) is None
    assert door.identify("audiohook", Handshake(headers={"x-api-key": TOKEN}), unix_s=NOW_S) is None


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("::", False),
     ("10.0.0.1", False), ("calls.example.com", False), ("localhost.example.com", False)],
)  # fmt: skip
def test_loopback_is_told_from_the_network(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


def test_a_tempo_lets_a_burst_through_and_then_its_rate() -> None:
    tempo = Tempo(per_s=2.0, burst=3)
    assert [tempo.allows(now_s=10.0) for _ in range(4)] == [True, True, True, False]
    assert [tempo.allows(now_s=10.5), tempo.allows(now_s=10.5)] == [True, False]
    assert [tempo.allows(now_s=99.0) for _ in range(4)] == [True, True, True, False]
    assert not tempo.allows(now_s=98.0)
