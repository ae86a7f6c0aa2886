"""Fixtures that several rooms share."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

from voicepipe.speech import weights

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.browser import Tab

# A busy machine is no failure. A developer's run looks for new examples; one that lets in a change does not.
hypothesis.settings.register_profile(
    "voicepipe",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
hypothesis.settings.load_profile("voicepipe")

_PLACES = ("VOICEPIPE_TEST_", "VOICEPIPE_CACHE_DIR", "VOICEPIPE_WHISPER_DIR")
for _name in [name for name in os.environ if name.startswith("VOICEPIPE_") and not name.startswith(_PLACES)]:
    del os.environ[_name]  # the machine's own settings overrule a test's: its calls would go to a store in use


@pytest.fixture(scope="session")
def whisper_dir() -> Path:
    """Folder of the real Whisper weights: VOICEPIPE_WHISPER_DIR, else the user's cache, filled if it is empty."""
    if given := os.environ.get("VOICEPIPE_WHISPER_DIR"):
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(caches) if caches.startswith("/") else Path.home() / ".cache"
    return weights.pull("base", cache_dir=cache / "voicepipe" / "whisper", say=print)


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A headless Chromium; it ends with the module, because its event loop bars `asyncio.run` from the thread."""
    from tests.browser import VARIABLE, find_browser, launched

    path = find_browser()
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("this run must not leave the pages untested: install chromium")
        pytest.skip(f"needs Chromium (Debian: apt-get install chromium) or {VARIABLE}")
    with launched(path) as started:
        yield started


@pytest.fixture
def tab(browser: "Browser") -> "Iterator[Tab]":
    """A tab that fails its test if the page complains, or asks for anything but files."""
    from tests.browser import open_tab

    with open_tab(browser) as opened:
        yield opened
        opened.check()
