"""A real headless Chromium for tests of pages: the machine's own, driven through Playwright."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Route, expect, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")

VARIABLE = "VOICEPIPE_TEST_BROWSER"
"""Path of a Chromium; where it is set, tests fail rather than skip without one."""

PATIENCE_MS = 60_000
"""Longest wait for what a page is about to do: a busy machine is no failure."""


def find_browser() -> str | None:
    """Return the path of a Chromium: the one of `VARIABLE`, else the machine's own."""
    return os.environ.get(VARIABLE) or next((path for name in _NAMES if (path := shutil.which(name))), None)


@contextmanager
def launched(path: str) -> Iterator[Browser]:
    """Run a Chromium for the length of the block. While it runs, `asyncio.run` cannot be used in this thread."""
    # Chromium refuses its sandbox to root.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A page that may read files and nothing else; what it complained of and what it asked for is kept.

    `missing` are the files that it asked for in vain: a browser complains of them, whatever the page does about it.
    """

    page: Page
    errors: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, file: Path, hash_: str = "") -> Page:
        """Open a page of ours from its file, and wait until it is drawn."""
        self.page.goto(f"{file.resolve().as_uri()}{hash_}")
        self.page.wait_for_selector("[data-ready]")
        return self.page

    def check(self) -> None:
        """Fail if the page complained, or asked for anything but files."""
        assert self.errors == []
        assert self.outside == []


def processor_s(page: Page) -> float:
    """Return the processor time that a page's process has used so far: other work on the machine does not count."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    measured = {one["name"]: one["value"] for one in devtools.send("Performance.getMetrics")["metrics"]}
    devtools.detach()
    return float(measured["ProcessTime"])


@contextmanager
def open_tab(browser: Browser, **context: Any) -> Iterator[Tab]:
    """Open a tab with no network; keyword arguments are those of Playwright's ``new_context``."""
    with browser.new_context(**{"timezone_id": "Europe/Berlin", "locale": "en-GB", **context}) as opened:
        opened.set_default_timeout(PATIENCE_MS)
        tab = Tab(opened.new_page())

        def on_console(message: ConsoleMessage) -> None:
            if message.text.startswith("Failed to load resource") and not message.location["url"].startswith("http"):
                tab.missing.append(message.location["url"])
            elif message.type in ("error", "warning"):
                tab.errors.append(message.text)

        def on_request(route: Route, request: Request) -> None:
            if request.url.startswith(("file:", "blob:", "data:")):
                route.continue_()
            else:
                tab.outside.append(request.url)
                route.abort()

        tab.page.on("console", on_console)
        tab.page.on("pageerror", lambda error: tab.errors.append(str(error)))
        opened.route("**/*", on_request)
        yield tab
