"""Actors of a real Ray cluster of two nodes, with a scorer that stands in for the models."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.batch.workers import DiesLoading, FakeOpener, NoModels
from voicepipe.batch.items import Item, Outcome
from voicepipe.batch.local_runner import LocalCrew
from voicepipe.batch.ray_runner import RayCrew
from voicepipe.batch.runner import dispatch
from voicepipe.types import ConfigError, ModelError

try:
    import ray
    from ray.cluster_utils import Cluster
except ImportError:  # the extra is not installed
    ray = Cluster = None

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(ray is None, reason="Ray is not installed: pip install 'voicepipe[ray]'"),
    pytest.mark.filterwarnings("ignore:::ray"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

NAMES = [f"{index}.wav" for index in range(12)]


@pytest.fixture(scope="module")
def head() -> Iterator[Any]:
    """A cluster of one node: it takes seconds to start, on a busy machine many."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        patch.setenv("PYTHONPATH", os.pathsep.join(path for path in [str(Path.cwd()), *sys.path] if path))
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
        yield cluster
        cluster.shutdown()


@pytest.fixture
def cluster(head: Any) -> Iterator[Any]:
    """The cluster with two nodes, whatever a test before did to the second one."""
    if len(head.list_all_nodes()) < 2:
        head.add_node(num_cpus=1)
    yield head
    ray.shutdown()


def items(names: list[str]) -> Iterator[Item]:
    return (Item(path=name) for name in names)


def test_two_nodes_give_what_this_machine_gives_and_survive_a_kill(cluster: Any, tmp_path: Path) -> None:
    names = [*NAMES, "once.wav", "kill.wav", "bad.wav"]
    with RayCrew(FakeOpener(tmp_path), size=None, address=cluster.address) as crew:
        assert crew.size == 2
        far = {outcome.item.path: outcome for outcome in dispatch(items(names), crew)}
    (tmp_path / "once").unlink()
    with LocalCrew(FakeOpener(tmp_path), size=2) as local:
        near = {outcome.item.path: outcome for outcome in dispatch(items(names), local)}
    assert set(far) == set(names)
    killed: Outcome = far.pop("kill.wav")
    assert killed.stage == near.pop("kill.wav").stage == "worker"
    assert far == near
    assert far["once.wav"].error is None


def test_a_node_that_goes_costs_only_tries(cluster: Any, tmp_path: Path) -> None:
    with RayCrew(FakeOpener(tmp_path), size=2, address=cluster.address) as crew:
        outcomes = []
        for outcome in dispatch(items(NAMES), crew):
            outcomes.append(outcome)
            if len(outcomes) == 3:
                cluster.remove_node(cluster.list_all_nodes()[1], allow_graceful=False)
    assert sorted(outcome.item.path for outcome in outcomes) == sorted(NAMES)
    assert all(outcome.error is None for outcome in outcomes)


def test_missing_models_and_too_little_memory_are_told(cluster: Any) -> None:
    with RayCrew(NoModels(), size=1, address=cluster.address) as crew, pytest.raises(ModelError, match="models pull"):
        list(dispatch(items(NAMES), crew))
    with RayCrew(DiesLoading(), size=1, address=cluster.address) as crew, pytest.raises(ModelError, match="--workers"):
        list(dispatch(items(NAMES), crew))


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:1 cannot be reached"):
        RayCrew(FakeOpener(tmp_path), size=1, address="127.0.0.1:1")
