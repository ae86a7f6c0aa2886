"""Sessions: what a browser holds after signing in, and the tokens against forged requests that follow from it.

A session is a random secret in a cookie; the store keeps its digest, so the sessions outlive a restart, hold on every
node of one store, and a copy of the database opens none. Everything that is derived from the secret is derived by HMAC.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Callable
from datetime import datetime, timedelta
from hashlib import sha256

from voicepipe.events.sessions import SessionRow
from voicepipe.events.store import Store
from voicepipe.web.config import ConsoleConfig

_SECRET_BYTES = 32
_TOUCH_EVERY = timedelta(minutes=1)
_SHAPE = re.compile(r"[A-Za-z0-9_-]{43}")


class Sessions:
    """The sessions of the console, kept in the store; its methods wait for the database.

    Parameters
    ----------
    store : Store
    config : ConsoleConfig
    clock : callable
        Present time, UTC.
    """

    def __init__(self, store: Store, *, config: ConsoleConfig, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._lifetime = timedelta(hours=config.session_hours)
        self._idle = timedelta(minutes=config.idle_minutes)
        self._clock = clock

    def begin(self, person: str, *, token: str) -> str:
        """Open a session for a person who gave a token; return its secret."""
        secret, now = new_secret(), self._clock()
        row = SessionRow(
            digest=_digest(secret), person=person, credential=_tie(secret, token), created_at=now, seen_at=now
        )
        self._store.begin_session(row, forget_before=now - self._lifetime)
        return secret

    def find(self, secret: str, *, tokens: Callable[[str], str | None]) -> str | None:
        """Return whose session a secret opens, and note that it is used; None where it opens none.

        Parameters
        ----------
        secret : str
        tokens : callable
            Returns the token that a person has now. The session holds while it is the one that opened it.
        """
        row = self._store.session(_digest(secret))
        if row is None:
            return None
        now, token = self._clock(), tokens(row.person)
        is_over = now >= row.created_at + self._lifetime or now >= row.seen_at + self._idle
        if is_over or token is None or not hmac.compare_digest(row.credential, _tie(secret, token)):
            self._store.end_session(row.digest)
            return None
        if now >= row.seen_at + _TOUCH_EVERY:
            self._store.touch_session(row.digest)
        return row.person

    def end(self, secret: str) -> None:
        """Close a session."""
        self._store.end_session(_digest(secret))


def new_secret() -> str:
    """Return a fresh random secret."""
    return secrets.token_urlsafe(_SECRET_BYTES)


def is_secret(text: str) -> bool:
    """Tell whether a cookie's value looks like a secret of ours."""
    return _SHAPE.fullmatch(text) is not None


def csrf_of(secret: str) -> str:
    """Return the token that proves a request comes from a page of the browser that holds a secret."""
    return _derived(secret, "csrf")


def _digest(secret: str) -> str:
    return sha256(secret.encode()).hexdigest()


def _tie(secret: str, token: str) -> str:
    return _derived(secret, f"token:{token}")


def _derived(secret: str, purpose: str) -> str:
    return urlsafe_b64encode(hmac.digest(secret.encode(), purpose.encode(), sha256)).rstrip(b"=").decode()
