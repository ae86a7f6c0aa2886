"""The command that reads written utterances."""

import gc
import os
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
    gc.disable()  # until everything is loaded: it lives as long as the process
    from voicepipe.packaged import packaged
    from voicepipe.speech.words import WordsReader
    from voicepipe.text import TABLE_HEAD, read_stream

    if config is None:
        reader, redaction = WordsReader.load(packaged("models") / "frustration-1"), None
    else:
        settings = read_settings(config)
        reader = WordsReader.load(settings.frustration_model, config=settings.words)
        redaction = settings.analysis.redaction
    table = format_ is Format.TABLE or (format_ is None and sys.stdout.isatty())
    write, flush = sys.stdout.buffer.write, sys.stdout.buffer.flush
    gc.freeze()
    gc.set_threshold(50_000)  # lines leave hardly any cycles behind
    gc.enable()
    pieces = read_stream(
        open(sys.stdin.fileno(), "rb", closefd=False),  # noqa: SIM115
        language=None if language is Language.AUTO else language.value,
        reader=reader,
        redaction=redaction,
        processes=_processors(),
    )
    if table:
        write(f"{TABLE_HEAD}\n".encode())
    for lines in pieces:
        write("".join([f"{line.as_row() if table else line.as_json()}\n" for line in lines]).encode(errors="replace"))
        flush()


def _processors() -> int:
    """Return how many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
