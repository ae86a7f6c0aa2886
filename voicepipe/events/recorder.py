"""The recorder: writes to the store, and holds what it cannot take now (disk full, database away) until it can."""

import random
import threading
from collections import deque
from collections.abc import Sequence

from voicepipe.counting import counted
from voicepipe.events.relay import Backoff, Tell, tell_change, tell_nobody
from voicepipe.events.store import RecordError, Store
from voicepipe.ports import OutboundMessage
from voicepipe.types import CallEvent, StoreError

_Record = tuple[Sequence[CallEvent], Sequence[OutboundMessage]]


class Recorder:
    """Writes in order, at once where it can; while something is held, what follows waits behind it.

    What is held is in memory alone: it is lost if the process is killed before the store takes it again, so `held`
    belongs in the readiness check.

    Parameters
    ----------
    store : Store
    backoff : Backoff
    rng : random.Random
        Source of the jitter.
    capacity : int
        Largest number of records held.
    on_failure : callable
        Is told when an error begins or changes, and of each record that was held and that the store then refuses.
    """

    def __init__(
        self,
        store: Store,
        *,
        backoff: Backoff,
        rng: random.Random,
        capacity: int = 100_000,
        on_failure: Tell = tell_nobody,
    ) -> None:
        self._store = store
        self._backoff = backoff
        self._rng = rng
        self._capacity = capacity
        self._on_failure = on_failure
        self._state = threading.Condition()
        self._held: deque[_Record] = deque()
        """What the store has not taken, oldest first; the oldest stays while it is being written."""
        self._writing = False
        """Whether the oldest is being written, without the lock: a store that does not answer holds up nobody else."""
        self._first_try = False
        self._failures = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.last_error: str | None = None
        """The sentence of the last failure; None after a success."""

    @property
    def held(self) -> int:
        """Number of records that the store was given and has not taken."""
        return len(self._held) - self._first_try

    @property
    def unwritten(self) -> int:
        """Number of records that the store has not taken yet, one that it is just being given included."""
        return len(self._held)

    def start(self) -> None:
        """Begin to try again what is held."""
        self._thread.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the store has taken everything; False if it has not after `timeout_s` seconds."""
        with self._state:
            return self._state.wait_for(lambda: not self._held, timeout_s)

    def stop(self, timeout_s: float = 10.0) -> int:
        """Have what is held tried a last time and end the thread; returns how many records are lost with the process.

        A store that does not answer is waited for no longer than `timeout_s` seconds.
        """
        with self._state:
            self._stopping = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout_s)
        return self.unwritten

    def record(self, call_events: Sequence[CallEvent], messages: Sequence[OutboundMessage]) -> bool:
        """Write call events and the messages they cause in one transaction; see `Store.record`.

        Returns
        -------
        bool
            True when it is on the disk; False when it is held.

        Raises
        ------
        StoreError
            If it can neither be written nor held: too much is held already, or the store will never take it.
        """
        with self._state:
            if len(self._held) >= self._capacity:
                raise StoreError(
                    f"{counted(len(self._held), 'record waits', 'records wait')} for the store and no more are held: "
                    f"{self.last_error}"
                )
            self._held.append((call_events, messages))
            if len(self._held) > 1:
                return False
            self._writing = self._first_try = True
        kept = False
        try:
            self._store.record(call_events, messages)
        except RecordError:
            raise
        except StoreError as error:
            self.last_error = tell_change(error, before=self.last_error, on_failure=self._on_failure)
            kept = True
        finally:
            self._settle(kept=kept)
        return not kept

    def retry(self) -> float | None:
        """Try the oldest record that is held.

        Returns
        -------
        float or None
            Seconds to wait before the next try: 0 after a success, positive after a failure; None if nothing is held
            that is not being written already.
        """
        with self._state:
            if self._writing or not self._held:
                return None
            self._writing = True
            oldest = self._held[0]
        try:
            self._store.record(*oldest)
        except Exception as error:
            kept = isinstance(error, StoreError) and not isinstance(error, RecordError)
            if kept:
                self.last_error = tell_change(error, before=self.last_error, on_failure=self._on_failure)
            else:  # it would block all others for ever, and nobody waits for its outcome any more
                self.last_error = None
                self._on_failure(error)
        else:
            kept = False
            self.last_error = None
        self._settle(kept=kept)
        self._failures = self._failures + 1 if kept else 0
        return self._backoff.wait_s(self._failures, rng=self._rng) if kept else 0.0

    def _settle(self, *, kept: bool) -> None:
        """Take note that the oldest record was tried: it is done with, or kept."""
        with self._state:
            self._writing = self._first_try = False
            if not kept:
                self._held.popleft()
            self._state.notify_all()

    def _run(self) -> None:
        while not self._stopping:
            wait_s = self.retry()
            with self._state:
                if wait_s is None:
                    self._state.wait_for(lambda: self._stopping or (bool(self._held) and not self._writing))
                elif wait_s > 0.0:
                    self._state.wait_for(lambda: self._stopping, wait_s)
        while self.retry() == 0.0:
            pass
