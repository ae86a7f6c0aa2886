"""The console on a port of its own, for a real browser."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from playwright.sync_api import Browser, Page
from starlette.types import ASGIApp


@contextmanager
def served(app: ASGIApp) -> Iterator[str]:
    """Serve an application on loopback for the length of the block; yields its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_level="warning", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listening.close()


@contextmanager
def signed_in(browser: Browser, address: str, token: str, **context: object) -> Iterator[tuple[Page, list[str]]]:
    """Open a page of a person's browser; yields it with what it complains of, which a test checks at the end."""
    settings = {"timezone_id": "Europe/Berlin", "locale": "en-GB", **context}
    with browser.new_context(**settings) as opened:  # type: ignore[arg-type]
        opened.set_default_timeout(15_000)
        page = opened.new_page()
        complaints: list[str] = []
        page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith((address, "data:")) else complaints.append(one.url))
        page.goto(f"{address}/console/sign-in")
        page.fill('input[name="token"]', token)
        page.press('input[name="token"]', "Enter")
        page.wait_for_url(lambda url: "sign-in" not in url)
        yield page, complaints
