"""Connections to PostgreSQL that give up one that no longer answers; needs psycopg 3.3, which looks up as it waits."""

import time
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen

STATEMENT_S = 60.0
"""Longest that a statement may take, locks that it waits for included; far above a batch of retention."""
_ANSWER_S = STATEMENT_S + 10.0
"""PostgreSQL itself ends what takes too long; if it has not by then, it is frozen, and TCP does not tell."""

CONNECT_ARGS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of libpq: in seconds, but the last in milliseconds. A host that is gone is noticed within half a minute.
https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""


class PunctualConnection(psycopg.Connection[Any]):
    """A connection that closes itself where an answer does not come; what waited for it gets an `OperationalError`."""

    def wait(self, gen: PQGen[RV], *args: Any, **kwargs: Any) -> RV:
        """Wait for an answer, but not for ever."""
        return super().wait(self._in_time(gen), *args, **kwargs)

    def _in_time(self, gen: PQGen[RV]) -> PQGen[RV]:
        deadline_s = time.monotonic() + _ANSWER_S
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and time.monotonic() > deadline_s:
                    self.close()
                    raise psycopg.OperationalError(f"the connection gave no answer for {_ANSWER_S:.0f} s")
                wanted = gen.send(ready)
        except StopIteration as end:
            answer: RV = end.value
            return answer


def connect(_dialect: object, _record: object, args: Any, kwargs: Any) -> PunctualConnection:
    """Open a connection whose statements are limited; for SQLAlchemy's event ``do_connect``."""
    connection = PunctualConnection.connect(*args, **kwargs)
    connection.execute(f"SET statement_timeout = {STATEMENT_S * 1000:.0f}")
    connection.commit()
    return connection
