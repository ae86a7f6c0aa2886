from typing import Any

import pytest
from pydantic import ValidationError

from voicepipe.web.config import ConsoleConfig, PersonConfig, ProxyConfig, console_fault
from voicepipe.web.language import LANGUAGES

ANN: dict[str, Any] = {"name": "ann", "token": "sixteen-characters", "role": "supervisor"}


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"people": [ANN | {"token": "fifteen-charact"}]}, "shorter than 16"),
        ({"people": [ANN, ANN | {"token": "another-long-token"}]}, "names of people must differ"),
        ({"people": [ANN, ANN | {"name": "bob"}]}, "same token"),
        ({"people": [ANN | {"name": "local"}]}, "none may be 'local'"),
        ({"people": [{"name": "ann", "role": "qa"}]}, "no token and there is no proxy"),
        ({"people": [ANN | {"role": "boss"}]}, "Input should be"),
        ({"people": [ANN | {"name": "a\nb"}]}, "match pattern"),
        ({"people": [ANN | {"language": "tlh"}]}, "Input should be"),
        ({"public_url": "console.example.org"}, "no http or https URL"),
        ({"proxy": {"addresses": ["0.0.0.0/0"]}}, "anybody be anybody"),
        ({"proxy": {"addresses": []}}, "at least 1 item"),
        ({"peple": []}, "Extra inputs"),
    ],
)
def test_what_is_not_usable_is_said(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        ConsoleConfig.model_validate(settings)


def test_no_error_shows_a_token() -> None:
    with pytest.raises(ValidationError) as caught:
        ConsoleConfig.model_validate({"people": [ANN, ANN | {"name": "bob", "extra": 1}]})
    assert ANN["token"] not in str(caught.value)
    assert ANN["token"] not in repr(PersonConfig.model_validate(ANN))


def test_behind_a_proxy_people_need_no_token() -> None:
    config = ConsoleConfig.model_validate(
        {"people": [{"name": "ann", "role": "qa"}], "proxy": {"addresses": ["10.0.0.2"]}}
    )
    assert config.people[0].token is None
    assert not config.is_open


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_on_loopback_nobody_needs_to_be_configured(host: str) -> None:
    assert console_fault(ConsoleConfig(), host) is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "voice.example.org", ""])
def test_elsewhere_the_console_is_off_until_somebody_is(host: str) -> None:
    fault = console_fault(ConsoleConfig(), host)
    assert fault is not None
    assert fault.startswith("The console is off:")
    assert "console.people" in fault
    assert console_fault(ConsoleConfig(enabled=False), host) is None
    assert console_fault(ConsoleConfig.model_validate({"people": [ANN]}), host) is None
    assert console_fault(ConsoleConfig(proxy=ProxyConfig.model_validate({"addresses": ["10.0.0.2"]})), host) is None


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_of_the_console_can_be_a_persons(code: str) -> None:
    assert PersonConfig.model_validate(ANN | {"language": code}).language == code
