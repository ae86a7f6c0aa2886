"""What an operator may write about live calls, and what is refused with a sentence."""

import base64

import pytest
from pydantic import SecretStr, ValidationError

from voicepipe.gateways.config import ClientConfig, ServeConfig

TOKEN = "0123456789abcdef"


def genesys(secret: str) -> ClientConfig:
    return ClientConfig(name="genesys", token=SecretStr(TOKEN), audiohook_secret=SecretStr(secret))


def test_a_client_secret_in_base64_is_taken() -> None:
    genesys(base64.b64encode(bytes(range(32))).decode())


@pytest.mark.parametrize("secret", ["", "not base64!", "c2VjcmV", "c2Vj cmV0", "сéкрет", "=", "c2VjcmV0\n"])
def test_a_client_secret_that_is_not_base64_is_refused_when_the_settings_load(secret: str) -> None:
    with pytest.raises(ValidationError, match="the audiohook_secret of the client genesys is not base64") as refused:
        genesys(secret)
    assert len(secret) < 4 or secret not in str(refused.value)


def test_twilios_tokens_need_the_address_that_it_calls() -> None:
    """Without it no signature can be checked, and every call would be refused."""
    client = ClientConfig(name="acme", token=SecretStr(TOKEN), twilio_auth_tokens=(SecretStr("auth-token"),))
    with pytest.raises(ValidationError, match="client acme: Twilio signs the address that it calls; give it as public"):
        ServeConfig(clients=(client,))
    assert ServeConfig(clients=(client,), public_url="https://voice.example.org").clients == (client,)
