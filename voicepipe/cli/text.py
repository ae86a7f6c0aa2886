"""The command that reads written utterances."""

import gc
import sys
from enum import StrEnum
from typing import Annotated

import typer

from voicepipe.cli.app import ConfigOption, Format, app, read_settings


class Language(StrEnum):
    """What the lines are written in."""

    EN = "en"
    RU = "ru"
    ZH = "zh"
    AUTO = "auto"


@app.command()
def text(
    *,
    language: Annotated[
        Language, typer.Option("--language", help="auto tells it from the letters of each line.")
    ] = Language.AUTO,
    format_: Annotated[
        Format | None,
        typer.Option("--format", help="By default a table on a terminal, and one JSON object a line anywhere else."),
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Read utterances from standard input, one a line; "agent:" or "caller:" in front says whose. Nothing is kept."""
    from voicepipe.packaged import packaged
    from voicepipe.speech.words import WordsReader
    from voicepipe.text import TABLE_HEAD, read_lines

    gc.set_threshold(50_000, 20, 20)  # the rules live as long as the process: no need to look through them so often
    if config is None:
        reader, redaction = WordsReader.load(packaged("models") / "frustration-1"), None
    else:
        settings = read_settings(config)
        reader = WordsReader.load(settings.frustration_model, config=settings.words)
        redaction = settings.analysis.redaction
    table = format_ is Format.TABLE or (format_ is None and sys.stdout.isatty())
    write, flush = sys.stdout.buffer.write, sys.stdout.buffer.flush
    lines = read_lines(
        sys.stdin.buffer,
        language=None if language is Language.AUTO else language.value,
        reader=reader,
        redaction=redaction,
    )
    if table:
        write(f"{TABLE_HEAD}\n".encode())
    for line in lines:
        write(f"{line.as_row() if table else line.as_json()}\n".encode(errors="replace"))
        flush()
