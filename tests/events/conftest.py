"""A broker for this room's tests: the user's own, else Apache Kafka, else the embedded one."""

import gc
import os
import sys
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from tests.events.postgres import find_program, postgres_server
from tests.ports import unused_port
from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker

sys.path.append(str(Path(__file__).parents[2] / "scripts"))

from kafka_cluster import KAFKA_VERSION, KafkaCluster, missing_tools

_USED: list[str] = []
_PATIENT = {"connect_timeout_s": 60.0, "publish_timeout_s": 60.0}
"""A broker on a busy machine takes its time."""


def _absent(sentence: str) -> NoReturn:
    """Skip the test, or fail it in a run that must not leave Kafka and PostgreSQL untested."""
    if os.environ.get("CI"):
        pytest.fail(sentence)
    pytest.skip(sentence)


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """An Apache Kafka that tests may stop and kill; they leave it running."""
    if tools := missing_tools():
        _absent(f"Apache Kafka needs {', '.join(tools)}")
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
        yield KafkaConfig(bootstrap_servers=own, partitions=3, **_PATIENT)
    elif not missing_tools():
        _USED.append(f"Apache Kafka {KAFKA_VERSION}")
        started: KafkaCluster = request.getfixturevalue("cluster")
        yield KafkaConfig(bootstrap_servers=started.address, partitions=3, **_PATIENT)
    elif os.environ.get("CI"):
        _absent(f"Apache Kafka needs {', '.join(missing_tools())}")
    else:
        _USED.append(f"the embedded broker (for Apache Kafka install {', '.join(missing_tools())})")
        with embedded_broker() as address:
            yield KafkaConfig(bootstrap_servers=address, partitions=3, **_PATIENT)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server: VOICEPIPE_TEST_POSTGRES, else the machine's own programs."""
    if own := os.environ.get("VOICEPIPE_TEST_POSTGRES"):
        yield own
    elif find_program("initdb") is None:
        _absent("needs PostgreSQL's server (Debian: apt-get install postgresql) or VOICEPIPE_TEST_POSTGRES")
    else:
        with postgres_server() as url:
            yield url


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """URL of an empty PostgreSQL database."""
    import psycopg

    name = f"voicepipe_test_{uuid.uuid4().hex}"
    with psycopg.connect(f"{postgres}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield f"{postgres}/{name}"
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Place for a store, once for each engine."""
    if request.param == "sqlite":
        return str(tmp_path / "store.db")
    url: str = request.getfixturevalue("database")
    return url


@pytest.fixture
def unused_tcp_address() -> str:
    """``127.0.0.1:port`` where nothing listens."""
    return f"127.0.0.1:{unused_port()}"


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
