"""The application, and what its commands share. Heavy libraries load inside the command that needs them."""

import getpass
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from voicepipe import __version__
from voicepipe.types import VoicepipeError

if TYPE_CHECKING:
    from voicepipe.config import Settings

FAILED = 1

app = typer.Typer(
    name="voicepipe",
    help="Hears persistent caller stress in call-centre audio and asks for a senior agent, with its evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", help="TOML file of settings; every key is described in configs/README.md.", metavar="FILE"
    ),
]


class Format(StrEnum):
    """How results are written to standard output."""

    TABLE = "table"
    JSONL = "jsonl"


class Side(StrEnum):
    """Track of a stereo recording."""

    LEFT = "left"
    RIGHT = "right"


def main() -> NoReturn:
    """Run the command line; an error becomes one sentence on standard error and exit code 1, misuse exit code 2."""
    try:
        app(standalone_mode=True)
    except VoicepipeError as error:
        say(f"voicepipe: {error}")
        sys.exit(FAILED)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    sys.exit(0)


def say(sentence: str) -> None:
    """Write one line to standard error."""
    print(sentence, file=sys.stderr, flush=True)


def read_settings(path: Path | None) -> "Settings":
    """Read the settings of a command's ``--config``."""
    from voicepipe.config import load_settings

    return load_settings(path)


def moment(text: str) -> datetime:
    """Read a span back from now (90m, 12h, 7d), or an ISO 8601 time with its zone.

    Raises
    ------
    typer.BadParameter
        If it is neither, or further back than the calendar reaches.
    """
    try:
        if match := re.fullmatch(r"(\d{1,6})([smhd])", text):
            unit = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}[match[2]]
            return datetime.now(tz=UTC) - timedelta(**{unit: int(match[1])})
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is not None:
            return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise typer.BadParameter(f"{text} is no time; give 90m, 12h, 7d or a time like 2026-11-21T08:00+00:00.")


def spoken(language: str) -> str | None:
    """Read a command's ``--language``: None for auto.

    Raises
    ------
    typer.BadParameter
        If Whisper does not know it.
    """
    from voicepipe.speech.language import WHISPER_LANGUAGES

    code = language.lower()
    if code == "auto":
        return None
    if code not in WHISPER_LANGUAGES:
        raise typer.BadParameter(
            f"Whisper does not know {language}; give an ISO 639-1 code such as en, ru or zh, or auto.",
            param_hint="--language",
        )
    return code


def user() -> str:
    """Return who runs the command; a container's user need not have a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def show(renderable: object) -> None:
    """Print something of rich's to standard output."""
    from rich.console import Console

    Console().print(renderable)


def _version(value: bool) -> None:  # noqa: FBT001
    if value:
        print(f"voicepipe {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[  # noqa: FBT002
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    del version
