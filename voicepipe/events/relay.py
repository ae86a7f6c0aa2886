"""The relay: carries the outbox to its sinks, in the order of each call, until everything is acknowledged."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from voicepipe.events.store import Clock, Store
from voicepipe.ports import Delivery, EventSink
from voicepipe.types import SinkError, VoicepipeError

Tell = Callable[[Exception], None]
"""Is told an error that was survived."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long to wait after a failure: exponential with full jitter.

    The n-th wait in a row is uniform in [0, min(cap_s, first_s * 2**n)]. Full jitter spreads the retries of many
    clients best: Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.

    Attributes
    ----------
    first_s : float
    cap_s : float
    """

    first_s: float = 0.2
    cap_s: float = 5.0

    def wait_s(self, failures: int, *, rng: random.Random) -> float:
        """Return the wait after the given number of failures in a row (1, 2, ...), in seconds."""
        return rng.uniform(0.0, min(self.cap_s, self.first_s * 2.0 ** min(failures - 1, 30)))


def tell_change(error: Exception, *, before: str | None, on_failure: Tell) -> str:
    """Return the sentence of an error; tell of it unless that is the sentence of the try before.

    Of errors that are not voicepipe's own it is the kind alone, for they may quote what was said.
    """
    sentence = str(error) if isinstance(error, VoicepipeError) else type(error).__name__
    if sentence != before:
        on_failure(error)
    return sentence


def tell_nobody(error: Exception) -> None:
    """Pass over an error."""
    del error


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """State of one sink, for metrics and readiness.

    Attributes
    ----------
    sink : str
    pending : int
        Messages not yet acknowledged.
    oldest_age_s : float
        Age of the oldest of them; 0 when nothing waits.
    refused : int
        Messages refused for good: dead letters.
    failures : int
        Failed attempts in a row; 0 when the last one went through.
    last_error : str, optional
        The sentence of the last failure; None when the last attempt went through.
    """

    sink: str
    pending: int
    oldest_age_s: float
    refused: int
    failures: int
    last_error: str | None


class SinkCarrier:
    """Carries the outbox to one sink, one batch at a time; knows nothing of threads.

    Parameters
    ----------
    store : Store
    sink : EventSink
    backoff : Backoff
    rng : random.Random
        Source of the jitter.
    batch_size : int
        Largest number of messages per attempt.
    on_failure : callable
        Is told when an error begins or changes.
    """

    def __init__(
        self,
        store: Store,
        sink: EventSink,
        *,
        backoff: Backoff,
        rng: random.Random,
        batch_size: int = 500,
        on_failure: Tell = tell_nobody,
    ) -> None:
        self.sink = sink
        self.failures = 0
        self.last_error: str | None = None
        self._store = store
        self._backoff = backoff
        self._rng = rng
        self._batch_size = batch_size
        self._on_failure = on_failure
        self._unwritten: dict[int, Delivery] = {}
        """What the sink said of messages, by seq, until the store has taken it: a full disk sends nothing twice."""

    def carry(self) -> float | None:
        """Make one attempt.

        Returns
        -------
        float or None
            Seconds to wait before the next attempt: 0 if there may be more, positive after a failure; None if
            nothing is pending.
        """
        try:
            with self._store.claim(self.sink.name, limit=self._batch_size) as claim:
                if not claim.rows:
                    self._succeed()
                    return None
                unsent = [row for row in claim.rows if row.seq not in self._unwritten]
                for row, delivery in zip(unsent, self.sink.publish(unsent) if unsent else (), strict=True):
                    if delivery.delivered or delivery.refused is not None:
                        self._unwritten[row.seq] = delivery
                for row in claim.rows:
                    if row.seq in self._unwritten:
                        claim.settle(row, self._unwritten[row.seq])
            self._unwritten.clear()
        except Exception as error:
            # Whatever went wrong, the rows are still in the outbox; the thread must live to try again.
            return self._fail(error)
        if not claim.settled:
            return self._fail(SinkError(f"{self.sink.name} acknowledged nothing; the events are sent again."))
        self._succeed()
        return 0.0

    def _succeed(self) -> None:
        self.failures = 0
        self.last_error = None

    def _fail(self, error: Exception) -> float:
        self.failures += 1
        self.last_error = tell_change(error, before=self.last_error, on_failure=self._on_failure)
        return self._backoff.wait_s(self.failures, rng=self._rng)


class _Lane:
    """One sink's thread: carries until told to stop; sleeps when nothing is pending or after a failure."""

    def __init__(self, carrier: SinkCarrier, *, poll_s: float) -> None:
        self.carrier = carrier
        self._poll_s = poll_s
        self._state = threading.Condition()
        self._stopping = False
        self._asked = 0
        """Counts the wishes to look at the outbox."""
        self._emptied = 0
        """The last wish after which the outbox was seen empty."""
        self._thread = threading.Thread(target=self._run, name=f"relay-{carrier.sink.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> int:
        """Ask for a look at the outbox; returns the number of the wish."""
        with self._state:
            self._asked += 1
            self._state.notify_all()
            return self._asked

    def wait_emptied(self, wish: int, *, timeout_s: float) -> bool:
        """Wait until the outbox was seen empty after the wish."""
        with self._state:
            return self._state.wait_for(lambda: self._emptied >= wish, timeout_s)

    def stop(self, *, timeout_s: float) -> None:
        with self._state:
            self._stopping = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def _run(self) -> None:
        while True:
            with self._state:
                if self._stopping:
                    return
                wish = self._asked
            wait_s = self.carrier.carry()
            with self._state:
                if wait_s is None:
                    self._emptied = wish
                    self._state.notify_all()
                    if not self._stopping and self._asked == wish:
                        self._state.wait(self._poll_s)
                elif wait_s > 0.0:
                    self._state.wait_for(lambda: self._stopping, wait_s)


class Relay:
    """Runs one thread per sink, so that a slow sink holds up no other.

    What was pending when a process ended goes out first at the next start.

    Parameters
    ----------
    store : Store
    sinks : sequence of EventSink
        Their names are those the store was opened with. `stop` closes them.
    backoff : Backoff
    rng : random.Random
        Source of the jitter.
    clock : callable
        Present time, timezone-aware UTC; for the ages in `status`.
    poll_s : float
        The outbox is looked at this often even when nobody reports new messages: other processes write to a shared one.
    batch_size : int
        Largest number of messages per attempt.
    on_failure : callable, optional
        Is told the name of a sink and its error when one begins or changes.
    """

    def __init__(
        self,
        store: Store,
        sinks: Sequence[EventSink],
        *,
        backoff: Backoff,
        rng: random.Random,
        clock: Clock,
        poll_s: float = 1.0,
        batch_size: int = 500,
        on_failure: Callable[[str, Exception], None] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        carriers = [
            SinkCarrier(
                store,
                sink,
                backoff=backoff,
                rng=rng,
                batch_size=batch_size,
                on_failure=partial(on_failure, sink.name) if on_failure else tell_nobody,
            )
            for sink in sinks
        ]
        self._lanes = [_Lane(carrier, poll_s=poll_s) for carrier in carriers]

    def start(self) -> None:
        """Begin to carry."""
        self._store.watch(self._wake)
        for lane in self._lanes:
            lane.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until everything recorded before the call is delivered or refused.

        Returns
        -------
        bool
            False if something is still pending after `timeout_s` seconds; it stays in the outbox.
        """
        deadline = time.monotonic() + timeout_s
        wishes = [(lane, lane.wake()) for lane in self._lanes]
        return all(lane.wait_emptied(wish, timeout_s=max(0.0, deadline - time.monotonic())) for lane, wish in wishes)

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the threads after their present attempt and close the sinks; what is pending stays in the outbox."""
        for lane in self._lanes:
            lane.stop(timeout_s=timeout_s)
        for lane in self._lanes:
            lane.carrier.sink.close()

    def status(self) -> tuple[SinkStatus, ...]:
        """Return the state of every sink."""
        now = self._clock()
        statuses = []
        for lane in self._lanes:
            depth = self._store.depth(lane.carrier.sink.name)
            age_s = (now - depth.oldest_at).total_seconds() if depth.oldest_at is not None else 0.0
            statuses.append(
                SinkStatus(
                    sink=depth.sink,
                    pending=depth.pending,
                    oldest_age_s=max(0.0, age_s),
                    refused=depth.refused,
                    failures=lane.carrier.failures,
                    last_error=lane.carrier.last_error,
                )
            )
        return tuple(statuses)

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake()
