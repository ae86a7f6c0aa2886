"""Recordings scored one by one and shown in the terminal, or written to it as lines of JSON."""

import contextlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text

from voicepipe import terminal
from voicepipe.batch import lines
from voicepipe.batch.inputs import list_items
from voicepipe.batch.items import Item
from voicepipe.batch.scoring import call_lines, opened
from voicepipe.config import Settings
from voicepipe.pipeline.call import MOST_TOGETHER
from voicepipe.service import Courier, Listener, Told
from voicepipe.types import AudioInputError, CallEvent, CallSummary, Episode, ScoredUtterance

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
    table : bool
        Write a table to standard output instead of lines of JSON.
    """

    caller_channel: Literal["left", "right"] | None = None
    language: str | None = None
    table: bool = True


def score_recordings(
    inputs: Sequence[str], *, settings: Settings, options: ScoreOptions, deliver: bool, say: Say
) -> int:
    """Score recordings one after the other and show what comes of them; one that fails harms no other.

    Parameters
    ----------
    inputs : sequence of str
        See `voicepipe.batch.inputs.list_items`.
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
        If a manifest is not usable.
    ModelError, StoreError
        If nothing can be scored at all.
    """
    listener = Listener(settings)
    console = Console(highlight=False)
    failures = 0

    def fail(error: str) -> None:
        nonlocal failures
        failures += 1
        say(f"voicepipe: {error}")

    def miss(given: str, error: str) -> None:
        fail(error)
        if not options.table:
            sys.stdout.write(lines.dump([lines.failed_line(path=given, error=error)]))

    with contextlib.ExitStack() as stack:
        courier = None
        if deliver and settings.kafka is not None:
            courier = stack.enter_context(Courier(settings, kafka=settings.kafka))
        for item in list_items(inputs, caller_channel=options.caller_channel, language=options.language, miss=miss):
            error = _score_one(item, listener, courier=courier, table=options.table, console=console)
            if error is not None:
                fail(error)
        if courier is not None and (undelivered := courier.flush(FLUSH_S)):
            fail(undelivered)
    return failures


def _score_one(item: Item, listener: Listener, *, courier: Courier | None, table: bool, console: Console) -> str | None:
    """Score one recording and show what came of it; return the sentence of its error, None if all went well."""
    story: list[Told] = []
    error: str | None = None
    if table:
        console.print(Text(f"\n{item.path}", style="bold"))
    try:
        with opened(item) as source:
            for event, reroute in listener.listen(source.events(), together=MOST_TOGETHER):
                if courier is not None:
                    courier.record(event, reroute)
                story.append((event, reroute))
                if table:
                    _show(event, console)
    except AudioInputError as failure:
        error = str(failure)
    if not table:
        sys.stdout.write(lines.dump(call_lines(story, path=item.path, error=error)))
        sys.stdout.flush()
        return error
    requested = sum(reroute is not None and reroute.kind == "requested" for _, reroute in story)
    for event, _ in story:
        if isinstance(event, CallSummary):
            console.print(terminal.summary_line(event, reroutes=requested))
    return error


def _show(event: CallEvent, console: Console) -> None:
    """Print an event of a call as it comes."""
    if isinstance(event, ScoredUtterance):
        console.print(terminal.utterance_line(event, reasons=True))
    elif isinstance(event, Episode):
        console.print(terminal.episode_line(event))
