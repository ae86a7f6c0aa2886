"""Waiting for what another thread or process is about to do: long enough for a busy machine, no longer than needed."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE_S = 300.0
"""Longest wait; a test that reaches it has failed."""

_EVERY_S = 0.02


def until(ask: Callable[[], T], *, timeout_s: float = PATIENCE_S) -> T:
    """Ask until the answer is true; return it. After `timeout_s` the last answer is returned as it is."""
    deadline = time.monotonic() + timeout_s
    while not (answer := ask()) and time.monotonic() < deadline:
        time.sleep(_EVERY_S)
    return answer
