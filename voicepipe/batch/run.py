"""A run: recordings in, a folder of results and tables out."""

import hashlib
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal, Self

from rich.console import Console
from rich.text import Text

from voicepipe import __version__, terminal
from voicepipe.batch.columns import IN_PART
from voicepipe.batch.inputs import list_items
from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.local_runner import LocalCrew
from voicepipe.batch.progress import RunProgress, span
from voicepipe.batch.results import Results
from voicepipe.batch.runner import Crew, OpenScorer, dispatch
from voicepipe.batch.scoring import ScorerOpener
from voicepipe.batch.surveys import Surveys
from voicepipe.batch.tables import Failure, Totals, build_tables
from voicepipe.config import DECISIVE, Settings
from voicepipe.counting import counted
from voicepipe.service import Courier
from voicepipe.types import ModelError

Say = Callable[[str], None]

FLUSH_S = 20.0
"""Longest wait for the broker at the end of a run."""

FAILURES_TOLD = 10
"""Failures that are told as they happen; all of them are in the table of errors."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a run is done.

    Attributes
    ----------
    out : Path
        Folder of the run.
    caller_channel : {"left", "right"} or None
        Side of a stereo recording that carries the caller, where no manifest says; None assumes the left.
    language : str or None
        ISO 639-1 code, where no manifest says; None detects.
    workers : int or None
        Recordings at the same time; None for one a core (of the cluster).
    engine : {"local", "ray"}
    ray_address : str or None
        Cluster to join; None starts one on this machine.
    resume : bool
        Go on with what is in `out`.
    limit : int or None
        Most recordings to score now.
    fail_fast : bool
        End with the first recording that fails.
    csv : bool
        Write the tables as CSV, too.
    surveys : Surveys or None
        Answers of customers to fit the estimates of satisfaction and effort on.
    """

    out: Path
    caller_channel: Literal["left", "right"] | None = None
    language: str | None = None
    workers: int | None = None
    engine: Literal["local", "ray"] = "local"
    ray_address: str | None = None
    resume: bool = False
    limit: int | None = None
    fail_fast: bool = False
    csv: bool = False
    surveys: Surveys | None = None


def score_into(
    inputs: Sequence[str],
    *,
    settings: Settings,
    options: RunOptions,
    deliver: bool,
    say: Say,
    open_scorer: OpenScorer | None = None,
) -> int:
    """Score recordings into a folder; a recording that fails costs a row in the table of errors, never the run.

    Parameters
    ----------
    inputs : sequence of str
        See `voicepipe.batch.inputs.list_items`.
    settings : Settings
    options : RunOptions
    deliver : bool
        Send the events to the brokers of the settings.
    say : callable
        Takes one sentence for the operator.
    open_scorer : OpenScorer, optional
        Stands in for the models.

    Returns
    -------
    int
        Number of failures: recordings that could not be read in full, events that still wait for the broker, and
        surveys that nothing could be fitted to (the tables then hold the index).

    Raises
    ------
    ConfigError
        If the inputs or the folder cannot be used.
    ModelError, StoreError
        If nothing can be scored at all, or its results cannot be written.
    """
    missed: dict[str, str] = {}

    def items() -> Iterator[Item]:
        return list_items(
            inputs,
            caller_channel=options.caller_channel,
            language=options.language,
            miss=missed.__setitem__,
        )

    total = sum(1 for _ in items())
    for error in missed.values():
        say(f"voicepipe: {error}")
    with Results(options.out, facts=facts_of(settings), resume=options.resume) as results:
        todo = sum(not results.has(item) for item in items()) if options.resume else total
        if todo < total:
            say(f"{total - todo} of {counted(total, 'recording is', 'recordings are')} scored already.")
        todo = todo if options.limit is None else min(todo, options.limit)
        run = _Run(results, options=options, todo=todo, say=say)
        with ExitStack() as stack:
            courier = None
            if deliver and settings.kafka is not None:
                courier = stack.enter_context(Courier(settings, kafka=settings.kafka))
            if todo:
                opener = open_scorer or ScorerOpener(settings=settings, keep_story=courier is not None)
                left = islice((item for item in items() if not results.has(item)), todo)
                run.score(left, opener, courier=courier)
            undelivered = courier.flush(FLUSH_S) if courier is not None else None
        failures = [Failure(path=path, call_id=None, stage="read", error=error) for path, error in missed.items()]
        totals = build_tables(results, failures=failures + run.failures, with_csv=options.csv, surveys=options.surveys)
        _sum_up(totals, options.out, say=say)
    troubles = [trouble for trouble in (totals.unfitted, undelivered) if trouble]
    for trouble in troubles:
        say(f"voicepipe: {trouble}")
    return totals.errors + len(troubles)


class _Interrupts:
    """Notes Ctrl-C while recordings are scored. A context manager.

    Python's own handler raises wherever the program happens to be; in a ``__del__`` or in the callback of a weak
    reference that exception is swallowed, and the run would go on. So the first Ctrl-C is noted, and the run looks for
    it; the second is Python's own again and ends the run wherever it is.
    """

    def __init__(self) -> None:
        self._noted = False
        self._sets = False

    def __enter__(self) -> Self:
        # Only the main thread sets handlers; who ignores Ctrl-C, or has a handler of their own, keeps it.
        if threading.current_thread() is threading.main_thread():
            self._sets = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._sets:
            signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._sets:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self) -> None:
        """Raise `KeyboardInterrupt` where Ctrl-C was pressed."""
        if self._noted:
            raise KeyboardInterrupt

    def _note(self, *_: object) -> None:
        self._noted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


class _Run:
    """The scoring of what is left to score."""

    def __init__(self, results: Results, *, options: RunOptions, todo: int, say: Say) -> None:
        self.failures: list[Failure] = []
        self._results = results
        self._options = options
        self._todo = todo
        self._say = say
        self._console = Console(highlight=False)
        self._failed = 0

    def score(self, items: Iterator[Item], opener: OpenScorer, *, courier: Courier | None) -> None:
        """Score the items and keep what comes of them."""
        done = 0
        try:
            with (
                _Interrupts() as interrupts,
                RunProgress(self._todo, console=self._console, say=self._say) as progress,
                _crew(opener, self._options, todo=self._todo) as crew,
            ):
                for outcome in dispatch(items, crew, check=interrupts.check):
                    error = self._keep(outcome, courier)
                    done += 1
                    summary = outcome.summary
                    failed = error is not None and outcome.stage not in IN_PART
                    progress.count(call_s=summary.duration_s if summary else 0.0, failed=failed)
                    if error is not None and self._options.fail_fast:
                        return
                interrupts.check()
        except KeyboardInterrupt:
            self._say(
                f"Interrupted: {done} of {counted(self._todo, 'recording is', 'recordings are')} scored and kept in "
                f"{self._options.out}; go on with --resume."
            )
            raise

    def _keep(self, outcome: Outcome, courier: Courier | None) -> str | None:
        """Write an outcome down and tell it; return its error.

        Events first: a run that ends in between scores the recording again, and the same events change nothing.
        """
        error, stage, path = outcome.error, outcome.stage, outcome.item.path
        kept = False
        if outcome.call_id is not None:
            refused = self._results.refusal(outcome.item, outcome.call_id)
            kept = refused is None
            if refused is not None:
                error, stage = refused, "write"
            else:
                if courier is not None:
                    for event, reroute in outcome.story:
                        courier.record(event, reroute)
                self._results.keep(outcome.item, outcome.call_id, outcome.text)
        if kept and outcome.summary is not None:
            line = terminal.summary_line(outcome.summary, reroutes=outcome.reroutes)
            self._console.print(Text.assemble(f"{path}  ", line), soft_wrap=True)
        if error is not None:
            if not kept:
                self.failures.append(Failure(path=path, call_id=outcome.call_id, stage=stage or "score", error=error))
            self._failed += 1
            if self._failed <= FAILURES_TOLD:
                self._say(f"voicepipe: {error}")
        return error


def facts_of(settings: Settings) -> dict[str, str]:
    """Return what the results of a run depend on, by name: settings, models, version.

    Raises
    ------
    ModelError
        If a model cannot be read.
    """
    return dict(_flat(settings.model_dump(mode="json", include=set(DECISIVE)))) | {
        "stress_model": _model(settings.stress_model),
        "frustration_model": _model(settings.frustration_model),
        "voicepipe": __version__,
    }


def _model(folder: Path) -> str:
    """Return the name of a model and a digest of its files."""
    digest = hashlib.sha256()
    try:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                digest.update(path.name.encode() + b"\0" + path.read_bytes())
    except OSError as error:
        raise ModelError(f"The model {folder} cannot be read ({error}); restore it.") from error
    return f"{folder.name} ({digest.hexdigest()[:12]})"


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", str(value)


def _crew(opener: OpenScorer, options: RunOptions, *, todo: int) -> AbstractContextManager[Crew]:
    if options.engine == "ray":
        from voicepipe.batch.ray_runner import RayCrew

        return RayCrew(opener, size=options.workers, address=options.ray_address)
    return LocalCrew(opener, size=min(todo, options.workers or len(os.sched_getaffinity(0))))


def _sum_up(totals: Totals, out: Path, *, say: Say) -> None:
    """Tell at the end what there is, and what failed and why."""
    calls = counted(totals.calls, "call")
    say(f"{out}: {calls}, {span(totals.call_s)} of audio, {totals.alerts} with an alert; {_failed(totals)}.")


def _failed(totals: Totals) -> str:
    if not totals.errors:
        return "none failed"
    told = []
    if failed := {stage: count for stage, count in totals.stages.items() if stage not in IN_PART}:
        stages = ", ".join(f"{count} in {stage}" for stage, count in failed.items())
        told.append(f"{sum(failed.values())} could not be scored ({stages})")
    if totals.in_part:
        told.append(f"{totals.in_part} only in part" if failed else f"{totals.in_part} scored only in part")
    return f"{', '.join(told)}; errors.parquet says why"
