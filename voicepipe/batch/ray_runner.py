"""Workers as actors of a Ray cluster: one core each, on whatever node has one."""

import contextlib
import logging
import socket
from collections.abc import Sequence
from typing import Any, Self

from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.runner import WAIT_S, Done, Lost, News, OpenScorer, Ready, Score, Unable
from voicepipe.types import ConfigError, VoicepipeError

_REACH_S = 10.0


class RayCrew:
    """A `voicepipe.batch.runner.Crew` of actors. A context manager.

    Every node needs voicepipe, the Whisper weights and the recordings under the same paths (or at an address); the
    results come back to this process, which alone writes them.

    Parameters
    ----------
    open_scorer : OpenScorer
    size : int or None
        None for one a core of the cluster.
    address : str or None
        Of a running cluster; None starts one on this machine.

    Raises
    ------
    ConfigError
        If Ray is not installed, or the cluster cannot be reached.
    """

    def __init__(self, open_scorer: OpenScorer, *, size: int | None, address: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise ConfigError(
                "--engine ray needs Ray, which is not installed: pip install 'voicepipe[ray]'."
            ) from error
        if address is not None:
            _reach(address)
        self._ray = ray
        self._own = not ray.is_initialized()
        if self._own:
            local: dict[str, Any] = {"num_cpus": size, "include_dashboard": False} if address is None else {}
            try:
                ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise ConfigError(
                    f"The Ray cluster {address or 'of this machine'} cannot be joined ({error}); check --ray-address."
                ) from error
        self.size = size or max(1, int(ray.cluster_resources().get("CPU", 1)))
        self._actor = ray.remote(num_cpus=1, max_restarts=0)(_Worker)
        self._open_scorer = ray.put(open_scorer)
        self._actors: dict[int, Any] = {}
        self._promises: dict[Any, int] = {}
        self._hired = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def hire(self) -> int:
        """Start an actor; it is ready when the cluster has found a place for it."""
        number = self._hired
        self._hired += 1
        self._actors[number] = self._actor.remote(self._open_scorer)
        self._promises[self._actors[number].begin.remote()] = number
        return number

    def give(self, worker: int, item: Item) -> None:
        """Have it score a recording."""
        self._promises[self._actors[worker].score.remote(item)] = worker

    def wait(self) -> Sequence[News]:
        """Return what the actors answered, and which of them died."""
        answered, _ = self._ray.wait(list(self._promises), num_returns=1, timeout=WAIT_S)
        return [self._hear(promise, self._promises.pop(promise)) for promise in answered]

    def close(self) -> None:
        """End the actors, and Ray, if it was started for them."""
        for actor in self._actors.values():
            with contextlib.suppress(Exception):
                self._ray.kill(actor)
        self._actors.clear()
        self._promises.clear()
        if self._own:
            self._ray.shutdown()

    def _hear(self, promise: Any, number: int) -> News:
        try:
            said = self._ray.get(promise)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(self._actors.pop(number))
            return Lost(number, " ".join(str(error).split())[:200])
        if isinstance(said, Outcome):
            return Done(number, said)
        if isinstance(said, VoicepipeError):
            return Unable(number, said)
        return Ready(number)


def _reach(address: str) -> None:
    """See that something answers at an address of the form ``HOST:PORT``; Ray itself tries for minutes."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or "/" in host:
        return
    try:
        socket.create_connection((host, int(port)), timeout=_REACH_S).close()
    except OSError as error:
        raise ConfigError(f"The Ray cluster {address} cannot be reached ({error}); check --ray-address.") from error


class _Worker:
    """What runs in an actor."""

    def __init__(self, open_scorer: OpenScorer) -> None:
        self._open_scorer = open_scorer
        self._score: Score | None = None

    def begin(self) -> VoicepipeError | None:
        """Load the models."""
        try:
            self._score = self._open_scorer()
        except VoicepipeError as error:
            return error
        return None

    def score(self, item: Item) -> Outcome:
        """Score a recording."""
        assert self._score is not None
        return self._score(item)
