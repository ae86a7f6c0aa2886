"""One recording, scored within a worker: fetched if it lies elsewhere, heard, written down as lines."""

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from voicepipe.batch import lines
from voicepipe.batch.items import Item, Outcome, Stage
from voicepipe.batch.measured import measured
from voicepipe.batch.remote import fetched, is_address
from voicepipe.config import Settings
from voicepipe.gateways.files import FileSource
from voicepipe.pipeline.call import MOST_TOGETHER
from voicepipe.service import Listener, Told
from voicepipe.types import AudioInputError, Call, CallSummary, Episode, ScoredUtterance, VoicepipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerOpener:
    """Loads the models and gives back the `Scorer`; a `voicepipe.batch.runner.OpenScorer`.

    Attributes
    ----------
    settings : Settings
    keep_story : bool
        Bring the events home, too, for the store and the brokers.
    """

    settings: Settings
    keep_story: bool = False

    def __call__(self) -> "Scorer":
        """Load the models.

        Raises
        ------
        ModelError
            If weights are missing, damaged or of another version.
        """
        return Scorer(Listener(self.settings), keep_story=self.keep_story)


class Scorer:
    """Scores one recording after the other; what is wrong with one is told in its outcome.

    Parameters
    ----------
    listener : Listener
    keep_story : bool
    """

    def __init__(self, listener: Listener, *, keep_story: bool) -> None:
        self._listener = listener
        self._keep_story = keep_story

    def __call__(self, item: Item) -> Outcome:
        """Score one recording."""
        story: list[Told] = []
        stage: Stage | None = None
        error: str | None = None
        try:
            with opened(item) as source:
                story.extend(self._listener.listen(source.events(), together=MOST_TOGETHER))
        except AudioInputError as failure:
            stage, error = "decode" if story else "read", str(failure)
        except VoicepipeError as failure:
            stage, error = "score", str(failure)
        except Exception as failure:  # one recording must not end the night's run
            stage = "score"
            error = f"{item.path} could not be scored ({type(failure).__name__}: {failure}); please report it."
        summary = next((event for event, _ in reversed(story) if isinstance(event, CallSummary)), None)
        if summary is None:
            return Outcome(item=item, stage=stage, error=error)
        return Outcome(
            item=item,
            call_id=summary.call.call_id,
            text=lines.dump(self._lines(story, call=summary.call, item=item, error=error)),
            summary=summary,
            reroutes=sum(reroute is not None and reroute.kind == "requested" for _, reroute in story),
            stage=stage,
            error=error,
            story=tuple(story) if self._keep_story else (),
        )

    def _lines(self, story: Iterable[Told], *, call: Call, item: Item, error: str | None) -> list[lines.Line]:
        """Return the call's lines; the call's own also says what the tables and ``--resume`` need to know."""
        *told, last = call_lines(story, path=item.path, error=error)
        versions, may_read = self._listener.versions, self._listener.may_read(call)
        known = {
            "own": dict(item.own),
            lines.REQUEST_LANGUAGES: self._listener.request_languages if may_read else (),
            "identity": item.identity,
            "stress_model": versions.model,
            "transcriber": versions.transcriber,
            "config": versions.config,
            "voicepipe": versions.code,
        }
        listener = self._listener
        return [*told, measured(last | known, told, books=listener.books, turns=listener.turns, words=may_read)]


@contextlib.contextmanager
def opened(item: Item) -> Iterator[FileSource]:
    """Give the recording of an item as a source, fetched first if it lies elsewhere.

    Raises
    ------
    AudioInputError
        If it cannot be fetched or read; also for what goes wrong within the context, in the item's own words.
    """
    with contextlib.ExitStack() as stack:
        path = stack.enter_context(fetched(item.path)) if is_address(item.path) else Path(item.path)
        try:
            yield FileSource(
                path,
                caller_channel=item.caller_channel,
                call_id=item.call_id,
                started_at=item.started_at,
                agent_id=item.agent,
                queue=item.queue,
                language=item.language,
                consent=item.consent,
            )
        except AudioInputError as failure:
            raise AudioInputError(str(failure).replace(str(path), item.path)) from failure


def call_lines(story: Iterable[Told], *, path: str, error: str | None) -> list[lines.Line]:
    """Return the lines of a call in time order, the call's own last."""
    timed: list[tuple[float, lines.Line]] = []
    last = lines.failed_line(path=path, error=error or "nothing was read")
    for event, reroute in story:
        if isinstance(event, ScoredUtterance):
            timed.append((event.start_s, lines.utterance_line(event)))
        elif isinstance(event, Episode):
            timed.append((event.at_s, lines.episode_line(event)))
            if reroute is not None:
                timed.append((event.at_s, lines.reroute_line(reroute)))
        elif isinstance(event, CallSummary):
            last = lines.call_line(event, path=path, error=error)
    return [line for _, line in sorted(timed, key=lambda pair: pair[0])] + [last]
