"""The console on a port of its own, for a real browser."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from playwright.sync_api import Browser, Page
from starlette.types import ASGIApp

from tests.browser import PATIENCE_MS

NOTE_WHAT_PASSES = """
window.heard = {};
for (const name of ["calls", "alerts"]) addEventListener(`voicepipe:${name}`, () => { window.heard[name] = true; });
window.toasts = [];
addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("#toasts");
  const note = (changes) => toasts.push(...changes.flatMap((one) => [...one.addedNodes]).map((it) => it.textContent));
  if (box) new MutationObserver(note).observe(box, { childList: true });
});
"""
"""Keeps what a page hears and the short words that it says for some seconds: a busy machine may look for them later.

Messages bubble: the window has one when the page's own scripts are through with it.
"""


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
        opened.set_default_timeout(PATIENCE_MS)
        page = opened.new_page()
        page.add_init_script(NOTE_WHAT_PASSES)
        complaints: list[str] = []
        page.on("console", lambda told: complaints.append(told.text) if told.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda one: None if one.url.startswith((address, "data:")) else complaints.append(one.url))
        page.goto(f"{address}/console/sign-in")
        page.fill('input[name="token"]', token)
        page.press('input[name="token"]', "Enter")
        page.wait_for_url(lambda url: "sign-in" not in url)
        yield page, complaints


def wait_until_heard(page: Page, *names: str) -> None:
    """Wait until the page has taken in its first messages of these names: "calls", "alerts"."""
    for name in names:
        page.wait_for_function("(name) => window.heard[name]", arg=name)


def wait_for_toast(page: Page, text: str) -> None:
    """Wait until the page has said this in short words that come and go."""
    page.wait_for_function("(text) => window.toasts.some((said) => said.includes(text))", arg=text)


def wait_until_settled(page: Page) -> None:
    """Wait until the page has done what it puts off until it is loaded."""
    page.evaluate("() => new Promise((done) => setTimeout(done))")
