import pytest

from voicepipe.gateways.decoder import Handshake
from voicepipe.gateways.twilio_signature import is_signed, sign

URL = "wss://calls.example.com/v1/twilio"
TOKEN = "0123456789abcdef0123456789abcdef"


def shake(signature: str | None, *, target: str = "/v1/twilio") -> Handshake:
    return Handshake(target=target, headers={} if signature is None else {"x-twilio-signature": signature})


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"{URL}/",
        "https://calls.example.com/v1/twilio",
        "wss://calls.example.com:443/v1/twilio",
        "https://calls.example.com:443/v1/twilio/",
    ],
)
def test_what_twilio_signs_is_accepted_however_the_url_is_spelled(url: str) -> None:
    validator = pytest.importorskip("twilio.request_validator", reason="twilio is not installed")
    signature = validator.RequestValidator(TOKEN).compute_signature(url, {})
    assert sign(url, auth_token=TOKEN) == signature
    assert is_signed(shake(signature), auth_tokens=[TOKEN], public_url=URL)
    assert is_signed(shake(signature), auth_tokens=["old", TOKEN], public_url=f"{URL}/")
    assert not is_signed(shake(signature), auth_tokens=["another"], public_url=URL)


def test_twilio_accepts_what_we_sign() -> None:
    validator = pytest.importorskip("twilio.request_validator", reason="twilio is not installed")
    assert validator.RequestValidator(TOKEN).validate(URL, {}, sign(URL, auth_token=TOKEN))


def test_a_query_belongs_to_the_signed_url() -> None:
    signature = sign(f"{URL}?queue=a", auth_token=TOKEN)
    assert is_signed(shake(signature, target="/v1/twilio?queue=a"), auth_tokens=[TOKEN], public_url=URL)
    assert not is_signed(shake(signature, target="/v1/twilio?queue=b"), auth_tokens=[TOKEN], public_url=URL)
    assert not is_signed(shake(signature), auth_tokens=[TOKEN], public_url=URL)


@pytest.mark.parametrize("signature", [None, "", "x", "я", sign("wss://other.example.com/v1/twilio", auth_token=TOKEN)])
def test_anything_else_is_not_signed(signature: str | None) -> None:
    assert not is_signed(shake(signature), auth_tokens=[TOKEN], public_url=URL)


def test_an_empty_token_signs_nothing() -> None:
    assert not is_signed(shake(sign(URL, auth_token="")), auth_tokens=[""], public_url=URL)
    assert not is_signed(shake(sign(URL, auth_token=TOKEN)), auth_tokens=[], public_url=URL)


def test_a_port_of_its_own_is_part_of_the_url() -> None:
    url = "wss://calls.example.com:8443/v1/twilio"
    assert is_signed(shake(sign(url, auth_token=TOKEN)), auth_tokens=[TOKEN], public_url=url)
    assert not is_signed(shake(sign(URL, auth_token=TOKEN)), auth_tokens=[TOKEN], public_url=url)
