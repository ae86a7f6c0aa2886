"""Score recordings: each file through the same analysis that a live call gets."""

import contextlib
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.text import Text

from voicepipe import terminal
from voicepipe.batch import lines
from voicepipe.config import Settings
from voicepipe.gateways.files import FileSource
from voicepipe.service import Courier, Listener, Told
from voicepipe.types import (
    AudioInputError,
    CallEvent,
    CallSummary,
    ConfigError,
    Episode,
    ScoredUtterance,
)

RECORDING_SUFFIXES = frozenset(
    {".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".m4a", ".mp4", ".aac", ".amr", ".webm", ".gsm"}
)
"""What is taken for a recording in a folder; a file named on its own is tried whatever its name."""

FLUSH_S = 20.0
"""Longest wait for the broker at the end of a run."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreOptions:
    """How recordings are scored and shown.

    Attributes
    ----------
    caller_channel : {"left", "right"} or None
        Side of a stereo recording that carries the caller; None assumes the left and says so in `roles`.
    language : str or None
        ISO 639-1 code; None detects.
    out : Path or None
        Folder that gets one ``CALL_ID.jsonl`` a recording.
    table : bool
        Write a table to standard output instead of lines of JSON.
    """

    caller_channel: Literal["left", "right"] | None = None
    language: str | None = None
    out: Path | None = None
    table: bool = True


def score_recordings(
    paths: Sequence[Path], *, settings: Settings, options: ScoreOptions, deliver: bool, say: Say
) -> int:
    """Score recordings one after the other; a recording that fails harms no other.

    Parameters
    ----------
    paths : sequence of Path
        Files, and folders that are searched for recordings.
    settings : Settings
    options : ScoreOptions
    deliver : bool
        Send the events to the brokers of the settings.
    say : callable
        Takes one sentence for the operator.

    Returns
    -------
    int
        Number of failures: recordings that could not be read in full, and events that still wait for the broker.

    Raises
    ------
    ConfigError
        If the output folder cannot be written.
    ModelError, StoreError
        If nothing can be scored at all.
    """
    if options.out is not None:
        _make_folder(options.out)
    listener = Listener(settings)
    console = Console(highlight=False)
    failures = 0
    with contextlib.ExitStack() as stack:
        courier = None
        if deliver and settings.kafka is not None:
            courier = stack.enter_context(Courier(settings, kafka=settings.kafka))
        for path, missing in find_recordings(paths):
            error = missing or _score_one(path, listener, courier=courier, options=options, console=console)
            if error is not None:
                failures += 1
                say(f"voicepipe: {error}")
                if missing and not options.table and options.out is None:
                    sys.stdout.write(lines.dump([lines.failed_line(path=str(path), error=missing)]))
        if courier is not None and (undelivered := courier.flush(FLUSH_S)):
            failures += 1
            say(f"voicepipe: {undelivered}")
    return failures


def find_recordings(paths: Iterable[Path]) -> Iterator[tuple[Path, str | None]]:
    """Yield each recording once, folders searched in order of name; with a sentence where a folder holds none."""
    seen = set()
    for path in paths:
        if not path.is_dir():
            found = [path]
        else:
            found = sorted(one for one in path.rglob("*") if one.suffix.lower() in RECORDING_SUFFIXES and one.is_file())
            if not found:
                yield path, f"{path} holds no recordings; voicepipe looks for {', '.join(sorted(RECORDING_SUFFIXES))}."
        for one in found:
            if one.resolve() not in seen:
                seen.add(one.resolve())
                yield one, None


def _score_one(
    path: Path, listener: Listener, *, courier: Courier | None, options: ScoreOptions, console: Console
) -> str | None:
    """Score one recording and write what came of it; return the sentence of its error, None if all went well."""
    story: list[Told] = []
    error: str | None = None
    try:
        source = FileSource(path, caller_channel=options.caller_channel, language=options.language)
        if options.table and options.out is None:
            console.print(Text(f"\n{path}", style="bold"))
        for event, reroute in listener.listen(source.events()):
            if courier is not None:
                courier.record(event, reroute)
            story.append((event, reroute))
            if options.table and options.out is None:
                _show(event, console)
    except AudioInputError as failure:
        error = str(failure)
    written = call_lines(story, path=path, error=error)
    if options.out is not None:
        _write(written, options.out)
    if not options.table and options.out is None:
        sys.stdout.write(lines.dump(written))
        sys.stdout.flush()
    if options.table:
        summaries = [event for event, _ in story if isinstance(event, CallSummary)]
        requested = sum(reroute is not None and reroute.kind == "requested" for _, reroute in story)
        for summary in summaries:
            line = terminal.summary_line(summary, reroutes=requested)
            console.print(Text.assemble(f"{path}  ", line) if options.out is not None else line)
    return error


def call_lines(story: Iterable[Told], *, path: Path, error: str | None) -> list[lines.Line]:
    """Return the lines of a call in time order, the call's own last."""
    timed: list[tuple[float, lines.Line]] = []
    last = lines.failed_line(path=str(path), error=error or "nothing was read")
    for event, reroute in story:
        if isinstance(event, ScoredUtterance):
            timed.append((event.start_s, lines.utterance_line(event)))
        elif isinstance(event, Episode):
            timed.append((event.at_s, lines.episode_line(event)))
            if reroute is not None:
                timed.append((event.at_s, lines.reroute_line(reroute)))
        elif isinstance(event, CallSummary):
            last = lines.call_line(event, path=str(path), error=error)
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])] + [last]


def _show(event: CallEvent, console: Console) -> None:
    """Print an event of a call as it comes."""
    if isinstance(event, ScoredUtterance):
        console.print(terminal.utterance_line(event, reasons=True))
    elif isinstance(event, Episode):
        console.print(terminal.episode_line(event))


def _make_folder(out: Path) -> None:
    """Make the output folder and see that it can be written, before any work is done."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ConfigError(f"The folder {out} cannot be written ({error.strerror}); choose another --out.") from error


def _write(written: Sequence[lines.Line], out: Path) -> None:
    """Write a call's file whole or not at all."""
    call_id = written[-1]["call_id"]
    if call_id is None:
        return
    partial = out / f".{call_id}.jsonl.partial"
    partial.write_text(lines.dump(written), encoding="utf-8")
    partial.replace(out / f"{call_id}.jsonl")
