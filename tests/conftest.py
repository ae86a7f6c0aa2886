"""Fixtures that several rooms share."""

import os
from pathlib import Path

import pytest

from voicepipe.speech import weights


@pytest.fixture(scope="session")
def whisper_dir() -> Path:
    """Folder of the real Whisper weights: VOICEPIPE_WHISPER_DIR, else the user's cache, filled if it is empty."""
    if given := os.environ.get("VOICEPIPE_WHISPER_DIR"):
        return Path(given)
    caches = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(caches) if caches.startswith("/") else Path.home() / ".cache"
    return weights.pull("base", cache_dir=cache / "voicepipe" / "whisper", say=print)
