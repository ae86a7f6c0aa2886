"""Settings from a file and the environment."""

import subprocess
import sys
import tomllib
import traceback
from pathlib import Path

import pytest

from voicepipe.config import Settings, load_settings
from voicepipe.types import ConfigError

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("VOICEPIPE_CONFIG", "VOICEPIPE_STORE_URL", "VOICEPIPE_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)


def write(folder: Path, text: str) -> Path:
    path = folder / "site.toml"
    path.write_text(text)
    return path


def test_the_environment_overrules_the_file_and_the_file_the_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        tmp_path,
        "[analysis.episode]\nfalse_alarms_per_100_call_hours = 0.5\nmin_utterances = 4\n"
        '[kafka]\nbootstrap_servers = "kafka-1:9092,kafka-2:9092"\n',
    )
    monkeypatch.setenv("VOICEPIPE_ANALYSIS__EPISODE__MIN_UTTERANCES", "5")
    settings = load_settings(path)
    assert settings.analysis.episode.false_alarms_per_100_call_hours == 0.5
    assert settings.analysis.episode.min_utterances == 5
    assert settings.analysis.episode.cool_down_s == Settings().analysis.episode.cool_down_s
    assert settings.kafka is not None
    assert settings.kafka.bootstrap_servers == "kafka-1:9092,kafka-2:9092"
    assert load_settings().kafka is None


def test_a_secret_comes_from_the_environment_and_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEPIPE_KAFKA__SASL_MECHANISM", "SCRAM-SHA-512")
    monkeypatch.setenv("VOICEPIPE_KAFKA__SASL_USERNAME", "voicepipe")
    monkeypatch.setenv("VOICEPIPE_KAFKA__SASL_PASSWORD", "planted-secret")
    settings = load_settings()
    assert settings.kafka is not None
    assert settings.kafka.sasl_password is not None
    assert settings.kafka.sasl_password.get_secret_value() == "planted-secret"
    assert "planted-secret" not in repr(settings)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[analysis.episode]\nmin_uterances = 4\n", "analysis.episode.min_uterances"),
        ("[analysis.episode]\nfalse_alarms_per_100_call_hours = -1\n", "false_alarms_per_100_call_hours"),
        ('[kafka]\nbootstrap_servers = "nowhere"\n', "kafka.bootstrap_servers"),
        ("colour = 3\n", "colour"),
        ("[analysis\n", "not valid TOML"),
    ],
)
def test_a_setting_that_is_wrong_is_named(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError, match=says) as caught:
        load_settings(path)
    assert str(path) in str(caught.value)


def test_a_settings_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"gone\.toml"):
        load_settings(tmp_path / "gone.toml")


def test_a_settings_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "site.toml"
    path.write_bytes("[serve]\n".encode("utf-16"))
    with pytest.raises(ConfigError, match=r"site\.toml is not text in UTF-8"):
        load_settings(path)


def test_a_list_in_the_environment_that_is_no_json_is_named_and_its_token_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VOICEPIPE_SERVE__CLIENTS", '[{"name": "acme", "token": "planted-secret-token"')
    with pytest.raises(ConfigError, match=r"^VOICEPIPE_SERVE__CLIENTS is not valid JSON") as caught:
        load_settings()
    assert "planted" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[serve]\nprot = 1\n",
            (
                "The setting 'serve.prot' (in {path} or VOICEPIPE_SERVE__PROT) is not usable: there is no such "
                "setting; configs/README.md lists every key."
            ),
        ),
        (
            '[[serve.clients]]\nname = "acme"\ntoken = "short"\n',
            (
                "The setting 'serve.clients.0' (in {path} or VOICEPIPE_SERVE__CLIENTS) is not usable: the token of the "
                "client acme is shorter than 16 characters; configs/README.md lists every key."
            ),
        ),
    ],
)
def test_what_is_wrong_is_said_in_words(tmp_path: Path, text: str, sentence: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert str(caught.value) == sentence.format(path=path)


def test_the_digest_follows_what_decisions_depend_on(monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_settings().digest()
    monkeypatch.setenv("VOICEPIPE_STORE_URL", "sqlite:///elsewhere.sqlite")
    assert load_settings().digest() == before
    monkeypatch.setenv("VOICEPIPE_ANALYSIS__EPISODE__MIN_UTTERANCES", "7")
    assert load_settings().digest() != before


def test_a_folder_in_the_home_is_found(tmp_path: Path) -> None:
    settings = load_settings(write(tmp_path, 'conversation_phrases = "~/phrases"\nstress_model = "~/north-1"\n'))
    assert settings.conversation_phrases == Path.home() / "phrases"
    assert settings.stress_model == Path.home() / "north-1"


def test_a_store_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEPIPE_STORE_URL", "postgresql://desk:planted-secret@db/voicepipe")
    assert load_settings().store_name == "postgresql://db/voicepipe"


def test_the_settings_page_is_what_the_settings_say(tmp_path: Path) -> None:
    script = ROOT / "scripts" / "document_settings.py"
    subprocess.run([sys.executable, script, "--out", tmp_path], check=True)
    for name in ("README.md", "default.toml"):
        assert (tmp_path / name).read_text() == (ROOT / "configs" / name).read_text(), f"run {script.name}"


def test_the_default_file_changes_nothing_and_every_key_in_it_is_known(tmp_path: Path) -> None:
    text = (ROOT / "configs" / "default.toml").read_text()
    assert tomllib.loads(text) == {}
    active = [line.removeprefix("# ") for line in text.splitlines()[2:] if not line.endswith("=")]
    settings = load_settings(write(tmp_path, "\n".join(active)))
    assert settings.analysis == Settings().analysis
    assert settings.whisper == Settings().whisper
    assert settings.cache_dir == Path.home() / ".cache" / "voicepipe"
