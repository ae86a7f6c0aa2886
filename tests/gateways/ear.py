"""Listens at the door between the gateways and the pipeline."""

import numpy as np
import pytest

from tests.gateways.test_server import House
from voicepipe.types import AudioChunk, Channel, FloatArray


class Ear:
    """What the decoders of a server hand to its pipeline."""

    def __init__(self, here: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self.chunks: list[AudioChunk] = []
        pass_on = here.pool.hear

        def note(chunk: AudioChunk) -> None:
            self.chunks.append(chunk)
            pass_on(chunk)

        monkeypatch.setattr(here.pool, "hear", note)

    def of(self, call_id: str, channel: Channel) -> list[AudioChunk]:
        """Return what came of a track."""
        return [chunk for chunk in self.chunks if chunk.call_id == call_id and chunk.channel is channel]

    def samples(self, call_id: str, channel: Channel) -> FloatArray:
        """Return a track; that it came without gaps is checked."""
        chunks = self.of(call_id, channel)
        ends = np.cumsum([len(chunk.samples) for chunk in chunks])
        assert [chunk.first_sample - chunks[0].first_sample for chunk in chunks] == [0, *ends[:-1]]
        return np.concatenate([chunk.samples for chunk in chunks])
