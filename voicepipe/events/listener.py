"""The listener: takes feedback from its topic into the store, and only then lets the group forget it."""

import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

from voicepipe.events.erasure import TOMBSTONE_TYPE
from voicepipe.events.feedback import InboundFeedback, read_feedback
from voicepipe.events.kafka import KafkaRecord
from voicepipe.events.relay import Backoff, Tell, tell_change, tell_nobody
from voicepipe.events.store import RecordError, Store
from voicepipe.types import StoreError

_POLL_S = 0.5


class GroupReader(Protocol):
    """What the listener reads from."""

    def poll(self, *, timeout_s: float) -> Sequence[KafkaRecord]:
        """Return what came."""
        ...

    def commit(self) -> None:
        """Let the group remember that all of it is done with."""
        ...

    def close(self) -> None:
        """Leave the group."""
        ...


class FeedbackListener:
    """Listens in a thread of its own; after a failure it connects again and reads from the last commit.

    Parameters
    ----------
    store : Store
    connect : callable
        Joins the group (`voicepipe.events.kafka.KafkaGroupReader`); raises `SinkError` while the broker is away.
    backoff : Backoff
    rng : random.Random
        Source of the jitter.
    on_failure : callable
        Is told when an error begins or changes.
    """

    def __init__(
        self,
        store: Store,
        *,
        connect: Callable[[], GroupReader],
        backoff: Backoff,
        rng: random.Random,
        on_failure: Tell = tell_nobody,
    ) -> None:
        self.last_error: str | None = None
        self._store = store
        self._connect = connect
        self._backoff = backoff
        self._rng = rng
        self._on_failure = on_failure
        self._reader: GroupReader | None = None
        self._failures = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feedback-listener", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread and leave the group."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        self._disconnect()

    def listen(self) -> float:
        """Read once, store what came, commit.

        Returns
        -------
        float
            Seconds to wait before the next time; positive after a failure.
        """
        try:
            if self._reader is None:
                self._reader = self._connect()
            records = self._reader.poll(timeout_s=_POLL_S)
            if records:
                self._record([_inbound(record) for record in records if not _is_tombstone(record)])
                self._reader.commit()
        except Exception as error:
            # Nothing was committed: the same records come again.
            self._disconnect()
            self._failures += 1
            self.last_error = tell_change(error, before=self.last_error, on_failure=self._on_failure)
            return self._backoff.wait_s(self._failures, rng=self._rng)
        self._failures = 0
        self.last_error = None
        return 0.0

    def _record(self, inbound: Sequence[InboundFeedback]) -> None:
        """Keep what came; a record that cannot be kept is a dead letter, so that it holds up no other."""
        try:
            self._store.record_feedback(inbound)
        except Exception as error:
            if isinstance(error, StoreError) and not isinstance(error, RecordError):
                raise
            if len(inbound) > 1:
                for one in inbound:
                    self._record([one])
            elif inbound[0].feedback is not None:
                reason = f"it cannot be kept: {error}"
                self._store.record_feedback([replace(inbound[0], feedback=None, reason=reason)])
            else:
                raise

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._stopping.wait(self.listen())

    def _disconnect(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()


def _is_tombstone(record: KafkaRecord) -> bool:
    """Whether a record only says that the answers under its key are to be forgotten: the store did before it left."""
    return not record.body and record.headers.get("ce_type") == TOMBSTONE_TYPE.encode()


def _inbound(record: KafkaRecord) -> InboundFeedback:
    return read_feedback(record.body, headers=record.headers, topic=record.topic, place=record.place)
