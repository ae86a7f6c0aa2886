"""Nobody switched the keeping of audio on: no sample of a call is found in what a run leaves behind."""

from pathlib import Path

import numpy as np
import pytest

from tests.fakes import FakeSink
from tests.gateways.test_server import run
from tests.invariants.test_no_secrets import SHOUTS, Confiding, courier_to, files_of, live_run, settings
from voicepipe.config import Settings

__all__ = ["settings"]


def windows(audio: bytes) -> list[bytes]:
    """Return pieces of the loudest second, as 16-bit samples, as floats, and as mu-law senders might have them."""
    samples = np.frombuffer(audio, "<i2")[8_000:16_000]
    pieces = []
    for at in range(0, samples.size, 400):
        piece = samples[at : at + 16]
        pieces += [piece.tobytes(), (piece / 32768.0).astype(np.float32).tobytes(), (piece / 32768.0).tobytes()]
    return [piece for piece in pieces if any(piece)]


def test_a_live_run_leaves_no_sample_behind(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sink = FakeSink("webhook")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def scene() -> None:
        await live_run(settings, courier, Confiding())

    with courier_to(sink, settings, monkeypatch) as courier:
        run(scene)
    kept = {name: text.encode("latin-1") for name, text in files_of(tmp_path).items()}
    assert set(kept) <= {"store.sqlite", "store.sqlite-wal", "store.sqlite-shm"}, "no file of any other kind"
    pieces = windows(SHOUTS)
    assert len(pieces) > 50
    assert not [name for name, content in kept.items() if any(piece in content for piece in pieces)]
    assert not any(piece in message.body for message in sink.taken for piece in pieces)
