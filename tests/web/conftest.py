"""Fixtures of the console's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.web.scene import Scene, make_scene


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A console with people of every role, before calls of several queues."""
    made = make_scene(tmp_path)
    with made.store:
        yield made


@pytest.fixture
def client(scene: Scene) -> Callable[..., TestClient]:
    """Browsers of the scene: ``client()`` for nobody, ``client("supervisor")`` for a person of the scene."""
    return scene.client
