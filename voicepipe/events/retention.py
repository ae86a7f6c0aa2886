"""Retention: what has been kept long enough is removed, little by little, while the service runs."""

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta

from voicepipe.events.config import RetentionConfig
from voicepipe.events.interrupted import end_interrupted
from voicepipe.events.store import Clock, Store
from voicepipe.types import StoreError

_PAUSE_S = 0.05
"""Between two batches, so that the calls that run are written down first."""


class Retention:
    """Looks at once, then every `RetentionConfig.every_s`, for what is due, in a thread of its own.

    First it ends the calls that a process left behind, so that they are over before their time is.

    Parameters
    ----------
    store : Store
    config : RetentionConfig
    clock : callable
        Present time, timezone-aware UTC.
    on_failure : callable
        Is told the error of a run that failed; the next one tries again.
    """

    def __init__(
        self,
        store: Store,
        *,
        config: RetentionConfig,
        clock: Clock,
        on_failure: Callable[[StoreError], None],
    ) -> None:
        self._store = store
        self._config = config
        self._clock = clock
        self._on_failure = on_failure
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End the thread after its present batch."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def run_once(self) -> Mapping[str, int]:
        """Remove all that is due now; return how much of each kind.

        Raises
        ------
        StoreError
            What was removed before it stays removed.
        """
        now, config = self._clock(), self._config
        days = {
            "transcripts": config.transcripts_days,
            "acoustics": config.acoustics_days,
            "events": config.events_days,
            "calls": config.calls_days,
            "audit": None if config.audit_days is None else 0.0,  # its lines carry their own last day
        }
        removed: dict[str, int] = {}
        for kind, age in days.items():
            if age is None:
                continue
            before = now - timedelta(days=age)
            while not self._stopping.is_set() and (gone := self._store.expire(kind, before=before)):
                removed[kind] = removed.get(kind, 0) + gone
                self._stopping.wait(_PAUSE_S)
        self._store.forget_pages()
        return removed

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                end_interrupted(self._store, now=self._clock())
                self.run_once()
            except StoreError as error:
                self._on_failure(error)
            self._stopping.wait(self._config.every_s)
