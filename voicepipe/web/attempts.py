"""Wrong tokens, counted, so that nobody finds a right one by trying."""

import ipaddress
from collections import OrderedDict, deque

_WINDOW_S = 60.0
_MOST_ADDRESSES = 10_000


class Attempts:
    """Counts wrong tokens, per address and in total, over the last minute.

    Who came in from an address lately goes on being let in there, however many try elsewhere.

    Parameters
    ----------
    per_minute : int
        Wrong tokens from one address before it has to wait.
    per_minute_in_total : int
        Wrong tokens from all addresses before an address that nobody came in from has to wait.
    """

    def __init__(self, *, per_minute: int, per_minute_in_total: int) -> None:
        self._per_minute = per_minute
        self._failed_at_s: OrderedDict[str, deque[float]] = OrderedDict()
        self._all_at_s: deque[float] = deque(maxlen=per_minute_in_total)
        self._known: OrderedDict[str, None] = OrderedDict()

    def wait_s(self, address: str, *, now_s: float) -> float:
        """Return how long an address has to wait before its next token is looked at; 0 for not at all."""
        place = _place(address)
        own = self._failed_at_s.get(place)
        wait_s = _wait_s(own, now_s) if own is not None else 0.0
        if place not in self._known:
            wait_s = max(wait_s, _wait_s(self._all_at_s, now_s))
        return wait_s

    def fail(self, address: str, *, now_s: float) -> None:
        """Note a wrong token."""
        place = _place(address)
        self._failed_at_s.setdefault(place, deque(maxlen=self._per_minute)).append(now_s)
        self._failed_at_s.move_to_end(place)
        if len(self._failed_at_s) > _MOST_ADDRESSES:
            self._failed_at_s.popitem(last=False)
        self._all_at_s.append(now_s)

    def succeed(self, address: str) -> None:
        """Note a right token."""
        place = _place(address)
        self._known[place] = None
        self._known.move_to_end(place)
        if len(self._known) > _MOST_ADDRESSES:
            self._known.popitem(last=False)


def _wait_s(failed_at_s: deque[float], now_s: float) -> float:
    """Return when the oldest of a full list of failures is a minute old."""
    if len(failed_at_s) < (failed_at_s.maxlen or 0):
        return 0.0
    return max(0.0, failed_at_s[0] + _WINDOW_S - now_s)


def _place(address: str) -> str:
    """Return what counts as one address: of IPv6 the network of 64 bits, which one subscriber has (RFC 6177)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return str(parsed)
