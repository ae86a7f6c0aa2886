"""What goes to a worker and what comes back: a recording with what is known of it, and its call as lines."""

import hashlib
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from voicepipe.types import CallSummary

if TYPE_CHECKING:
    from voicepipe.service import Told

Stage = Literal["read", "decode", "score", "worker", "write"]
"""Where a recording failed: nothing of it could be read; a part was read; in the analysis; twice a worker process died
of it; its result could not be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A recording to score.

    Attributes
    ----------
    path : str
        As it was given, or an address such as ``s3://bucket/night/a.wav``.
    version : str
        Size and modification time (or the store's ETag) of what lies there; empty where that is not known.
    call_id, agent, queue, language, consent : str, optional
        From the manifest; `language` may also be the run's own.
    caller_channel : {"left", "right"}, optional
        Which of two tracks is the caller's.
    started_at : datetime, optional
        Time of the first sample.
    own : tuple of (str, str)
        The customer's own columns of the manifest, by name.
    """

    path: str
    version: str = ""
    call_id: str | None = None
    agent: str | None = None
    queue: str | None = None
    caller_channel: Literal["left", "right"] | None = None
    language: str | None = None
    started_at: datetime | None = None
    consent: str | None = None
    own: tuple[tuple[str, str], ...] = ()

    @property
    def identity(self) -> str:
        """16 hexadecimal digits that change with the recording and with everything that is known of it but its path."""
        return hashlib.blake2b(repr(astuple(self)[1:]).encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a recording.

    Attributes
    ----------
    item : Item
    call_id : str or None
        None where nothing could be read.
    text : str
        The call's lines, the call's own last; empty where nothing could be read.
    summary : CallSummary or None
    reroutes : int
        How many were requested.
    stage : Stage or None
        Where it failed; None if all went well.
    error : str or None
        One sentence.
    story : tuple of Told
        Events for the store and the brokers, where they were asked for.
    """

    item: Item
    call_id: str | None = None
    text: str = ""
    summary: CallSummary | None = None
    reroutes: int = 0
    stage: Stage | None = None
    error: str | None = None
    story: "tuple[Told, ...]" = ()
