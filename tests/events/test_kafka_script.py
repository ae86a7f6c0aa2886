import subprocess
import sys
from pathlib import Path

import pytest
from kafka_cluster import missing_tools

from voicepipe.events.config import KafkaConfig
from voicepipe.events.kafka_connection import check_kafka
from voicepipe.types import SinkError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("sockets_left_behind"),
    pytest.mark.skipif(bool(missing_tools()), reason="needs Java, Maven and openssl for Apache Kafka"),
]

SCRIPT = Path(__file__).parents[2] / "scripts" / "kafka"


def test_a_cluster_is_started_killed_brought_back_and_leaves_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "cluster"

    def kafka(command: str) -> str:
        arguments = [sys.executable, SCRIPT, command, "--folder", folder]
        return subprocess.run(arguments, check=True, capture_output=True, text=True, timeout=600).stdout

    try:
        said = kafka("up")
        address = said.partition("VOICEPIPE_TEST_KAFKA=")[2].splitlines()[0]
        config = KafkaConfig(bootstrap_servers=address)
        assert check_kafka(config, topics=()).brokers == 1
        kafka("kill")
        with pytest.raises(SinkError, match="Connection refused"):
            check_kafka(config, topics=())
        kafka("restart")
        assert check_kafka(config, topics=()).brokers == 1
    finally:
        kafka("down")
    assert not folder.exists()
    with pytest.raises(SinkError, match="Connection refused"):
        check_kafka(config, topics=())
