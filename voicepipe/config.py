"""Settings: a TOML file, overruled by ``VOICEPIPE_*`` in the environment.

This is the only file that reads the environment. Each part of the house has its own ``XConfig``; `Settings` gathers
them, so that a key in the file reads like the attribute: ``[analysis.episode] min_utterances = 4`` is
``VOICEPIPE_ANALYSIS__EPISODE__MIN_UTTERANCES=4`` in the environment.
"""

import hashlib
import json
import os
import tomllib
from itertools import takewhile
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from voicepipe.events.config import KafkaConfig, RelayConfig, RetentionConfig, WebhookConfig
from voicepipe.events.reroute import RerouteConfig
from voicepipe.gateways.config import ServeConfig
from voicepipe.packaged import PACKAGE as PACKAGE
from voicepipe.packaged import packaged
from voicepipe.pipeline.config import AnalysisConfig
from voicepipe.pipeline.shedding import PoolConfig
from voicepipe.speech.whisper import WhisperConfig
from voicepipe.speech.words import WordsConfig
from voicepipe.types import ConfigError
from voicepipe.web.config import ConsoleConfig

DECISIVE = frozenset({"whisper_model", "whisper", "analysis", "words", "reroute", "conversation_phrases"})
"""Settings that a decision depends on."""


def _home(variable: str, fallback: str) -> Path:
    """Return voicepipe's folder under an XDG base directory (specifications.freedesktop.org/basedir-spec)."""
    root = os.environ.get(variable, "")
    return (Path(root) if root.startswith("/") else Path.home() / fallback) / "voicepipe"


class Settings(BaseSettings):
    """Everything an operator can set.

    Attributes
    ----------
    cache_dir : Path
        Where fetched weights are kept.
    store_url : str
        SQLAlchemy URL of the store with its outbox; SQLite by default, PostgreSQL when several nodes share it.
    whisper_model : str
        Name of the Whisper weights, as `voicepipe models list` shows it.
    stress_model : Path
        Folder of the stress model, or of a site's profile of it, which `voicepipe calibrate` writes.
    frustration_model : Path
        Folder of the model of frustration in words.
    whisper : WhisperConfig
    analysis : AnalysisConfig
        The segmenter, the language decision and the episode detector are its parts.
    words : WordsConfig
        A centre's own rules for requests for a person and for frustrated words.
    conversation_phrases : Path or None
        Folder of a centre's own phrases for the handoff and for agents' warmth, a file a language: see
        `voicepipe.conversation.cues`.
    reroute : RerouteConfig
        What a reroute asks for and carries.
    kafka : KafkaConfig or None
        None: events are kept and shown, not sent.
    relay : RelayConfig
        How the outbox is carried.
    webhook : WebhookConfig or None
        Where live calls' events are posted to, beside Kafka or instead of it; None for nowhere.
    retention : RetentionConfig
        How long each kind of data is kept; the live service deletes what is due.
    pool : PoolConfig
        How many live calls share the machine.
    serve : ServeConfig
        Where live calls are taken in, and from whom.
    console : ConsoleConfig
        The supervisors' console on the same port, and who may come in.
    """

    model_config = SettingsConfigDict(
        env_prefix="VOICEPIPE_", env_nested_delimiter="__", extra="forbid", frozen=True, validate_default=False
    )

    cache_dir: Path = Field(default_factory=lambda: _home("XDG_CACHE_HOME", ".cache"))
    store_url: str = Field(
        default_factory=lambda: f"sqlite:///{_home('XDG_STATE_HOME', '.local/state') / 'voicepipe.sqlite'}"
    )
    whisper_model: str = "base"
    stress_model: Path = Field(default_factory=lambda: packaged("models") / "stress-4")
    frustration_model: Path = Field(default_factory=lambda: packaged("models") / "frustration-1")
    whisper: WhisperConfig = WhisperConfig()
    analysis: AnalysisConfig = AnalysisConfig()
    words: WordsConfig = WordsConfig()
    conversation_phrases: Path | None = None
    reroute: RerouteConfig = RerouteConfig()
    kafka: KafkaConfig | None = None
    relay: RelayConfig = RelayConfig()
    webhook: WebhookConfig | None = None
    retention: RetentionConfig = RetentionConfig()
    pool: PoolConfig = PoolConfig()
    serve: ServeConfig = ServeConfig()
    console: ConsoleConfig = ConsoleConfig()

    @field_validator("cache_dir", "stress_model", "frustration_model", "conversation_phrases")
    @classmethod
    def _expand_path(cls, path: Path | None) -> Path | None:
        return path.expanduser() if path else None

    @field_validator("store_url")
    @classmethod
    def _expand_url(cls, url: str) -> str:
        return url.replace("sqlite:///~/", f"sqlite:///{Path.home()}/", 1)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment overrule the file, which comes in as keyword arguments."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def with_kafka(self, bootstrap: str) -> "Settings":
        """Return these settings with the brokers replaced, their security kept."""
        try:
            kafka = (self.kafka or KafkaConfig()).at(bootstrap)
        except ValidationError as error:
            raise ConfigError(f"--kafka {bootstrap} is not usable: {_fault(error)}.") from error
        return self.model_copy(update={"kafka": kafka})

    @property
    def store_name(self) -> str:
        """The store as it may be shown: a file's path, or a URL without its password."""
        scheme, _, rest = self.store_url.partition("://")
        if scheme.startswith("sqlite"):
            return rest.removeprefix("/")
        return f"{scheme}://{rest.rpartition('@')[2]}"

    def digest(self) -> str:
        """Return 12 hexadecimal digits that change when a setting changes that a decision depends on."""
        decisive = self.model_dump_json(include=set(DECISIVE))
        return hashlib.sha256(decisive.encode()).hexdigest()[:12]


def load_settings(path: Path | None = None) -> Settings:
    """Read the settings.

    Parameters
    ----------
    path : Path, optional
        TOML file; without it, ``VOICEPIPE_CONFIG`` names one, else the defaults hold.

    Raises
    ------
    ConfigError
        If the file cannot be read, or a key is unknown or out of range.
    """
    if path is None and os.environ.get("VOICEPIPE_CONFIG"):
        path = Path(os.environ["VOICEPIPE_CONFIG"])
    values = {}
    if path is not None:
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"The settings file {path} cannot be read ({error.strerror}): check the path.") from error
        except UnicodeDecodeError as error:
            raise ConfigError(f"The settings file {path} is not text in UTF-8: save it as such.") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"The settings file {path} is not valid TOML ({error}): mend that line.") from error
    try:
        return Settings(**values)
    except ConfigError as error:
        raise ConfigError(f"A setting{f' in {path}' if path else ''} is not usable: {error}") from error
    except SettingsError as error:
        # Not "from error": that holds the value, which may be a token.
        raise ConfigError(
            f"{_unread_variable(error)} is not valid JSON; lists and tables are written in the environment like "
            """VOICEPIPE_SERVE__CLIENTS='[{"name": "acme", "token": "..."}]'."""
        ) from None
    except ValidationError as error:
        place = error.errors()[0]["loc"]
        key = ".".join(map(str, place))
        names = takewhile(lambda part: isinstance(part, str), place)
        variable = f"VOICEPIPE_{'__'.join(map(str, names)).upper()}"
        where = f"in {path} or {variable}" if path else variable
        raise ConfigError(
            f"The setting '{key}' ({where}) is not usable: {_fault(error)}; configs/README.md lists every key."
        ) from error


def _fault(error: ValidationError) -> str:
    """Return what is wrong with the first value that cannot be used."""
    first = error.errors()[0]
    if first["type"] == "extra_forbidden":
        return "there is no such setting"
    return first["msg"].removeprefix("Value error, ")


def _unread_variable(error: SettingsError) -> str:
    """Return the name of the environment's variable whose JSON could not be read."""
    cause = error.__cause__
    if isinstance(cause, json.JSONDecodeError):
        for name, value in os.environ.items():
            if value == cause.doc and name.upper().startswith("VOICEPIPE_"):
                return name
    return "A variable of the environment"
