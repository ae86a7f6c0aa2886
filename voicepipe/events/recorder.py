"""The recorder: writes to the store, and holds what it cannot take now (disk full, database away) until it can."""

import random
import threading
from collections import deque
from collections.abc import Sequence

from voicepipe.counting import counted
from voicepipe.events.relay import Backoff
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
    """

    def __init__(self, store: Store, *, backoff: Backoff, rng: random.Random, capacity: int = 100_000) -> None:
        self._store = store
        self._backoff = backoff
        self._rng = rng
        self._capacity = capacity
        self._state = threading.Condition()
        self._held: deque[_Record] = deque()
        self._failures = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self.last_error: str | None = None
        """The sentence of the last failure; None after a success."""
        self.refused = 0
        """Records that were held and that the store then refused for good."""

    @property
    def held(self) -> int:
        """Number of records that the store has not taken yet."""
        return len(self._held)

    def start(self) -> None:
        """Begin to try again what is held."""
        self._thread.start()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing is held; False if something still is after `timeout_s` seconds."""
        with self._state:
            return self._state.wait_for(lambda: not self._held, timeout_s)

    def stop(self) -> int:
        """End the thread and try what is held a last time; returns how many records are lost with the process."""
        with self._state:
            self._stopping = True
            self._state.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        while self._held and self.retry() == 0.0:
            pass
        return self.held

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
            if not self._held:
                try:
                    self._store.record(call_events, messages)
                except RecordError:
                    raise
                except StoreError as error:
                    self.last_error = str(error)
                else:
                    return True
            if len(self._held) >= self._capacity:
                raise StoreError(
                    f"{counted(len(self._held), 'record waits', 'records wait')} for the store and no more are held: "
                    f"{self.last_error}"
                )
            self._held.append((call_events, messages))
            self._state.notify_all()
            return False

    def retry(self) -> float | None:
        """Try the oldest record that is held.

        Returns
        -------
        float or None
            Seconds to wait before the next try: 0 after a success, positive after a failure; None if nothing is held.
        """
        with self._state:
            if not self._held:
                return None
            try:
                self._store.record(*self._held[0])
            except RecordError as error:
                # It would block all others for ever, and nobody waits for its outcome any more.
                self.last_error = str(error)
                self.refused += 1
            except StoreError as error:
                self.last_error = str(error)
                self._failures += 1
                return self._backoff.wait_s(self._failures, rng=self._rng)
            else:
                self.last_error = None
            self._held.popleft()
            self._failures = 0
            self._state.notify_all()
            return 0.0

    def _run(self) -> None:
        while True:
            wait_s = self.retry()
            with self._state:
                if self._stopping:
                    return
                if wait_s is None:
                    self._state.wait_for(lambda: self._stopping or bool(self._held))
                elif wait_s > 0.0:
                    self._state.wait_for(lambda: self._stopping, wait_s)
