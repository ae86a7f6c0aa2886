"""A broker for this room's tests: the user's own, else Apache Kafka, else the embedded one."""

import gc
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from kafka_cluster import KAFKA_VERSION, KafkaCluster, missing_tools

_USED: list[str] = []


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """An Apache Kafka that tests may stop and kill; they leave it running."""
    if tools := missing_tools():
        pytest.skip(f"Apache Kafka needs {', '.join(tools)}")
    started = KafkaCluster(tmp_path_factory.mktemp("kafka") / "cluster", end_with_parent=True)
    try:
        started.start()
        yield started
    finally:
        started.stop()


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[KafkaConfig]:
    """Any broker, without security."""
    if own := os.environ.get("VOICEPIPE_TEST_KAFKA"):
        _USED.append(f"VOICEPIPE_TEST_KAFKA={own}")
        yield KafkaConfig(bootstrap_servers=own, partitions=3)
    elif not missing_tools():
        _USED.append(f"Apache Kafka {KAFKA_VERSION}")
        started: KafkaCluster = request.getfixturevalue("cluster")
        yield KafkaConfig(bootstrap_servers=started.address, partitions=3)
    else:
        _USED.append(f"the embedded broker (for Apache Kafka install {', '.join(missing_tools())})")
        with embedded_broker() as address:
            yield KafkaConfig(bootstrap_servers=address, partitions=3)


@pytest.fixture
def sockets_left_behind() -> Iterator[None]:
    """Let kafka-python leave the sockets of failed connections to the garbage collector, in these tests only."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "unclosed <s", ResourceWarning)
        yield
        gc.collect()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which broker the tests of events ran against."""
    if _USED:
        terminalreporter.section("broker")
        terminalreporter.line(f"Kafka tests used {_USED[0]}")
