"""A real Apache Kafka (KRaft) on the loopback interface, for tests: Maven Central's jars on the machine's Java 17.

The jars are fetched once by Maven into the user's cache; configuration, certificates, data and logs live in one folder
that `KafkaCluster.stop` removes. Every broker is also a controller.

Each broker has two listeners: one without security, whose user may do everything, and one with SASL (PLAIN, SCRAM)
over TLS for the user `USER`, with certificates of a CA made on the spot.
"""

import contextlib
import ctypes
import fcntl
import json
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from voicepipe.events.config import KafkaConfig
from voicepipe.events.kafka_connection import check_kafka
from voicepipe.types import SinkError, VoicepipeError

KAFKA_VERSION = "4.3.1"
_LOG4J_VERSION = "2.25.4"

USER = "voicepipe"
PASSWORD = "only-for-tests"  # noqa: S105

_READY_TIMEOUT_S = 300.0
_END_TIMEOUT_S = 120.0
_PR_SET_PDEATHSIG = 1

_POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>voicepipe</groupId><artifactId>test-kafka</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA_VERSION}</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId>
      <version>{_LOG4J_VERSION}</version>
    </dependency>
  </dependencies>
</project>
"""

_LOG4J = """<Configuration status="ERROR">
  <Appenders><Console name="out"><PatternLayout pattern="%d %p %m (%c{1})%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class KafkaClusterError(VoicepipeError):
    """The cluster cannot be fetched, started or found."""


def missing_tools() -> list[str]:
    """Return which of the programs that a cluster needs are not on this machine."""
    return [tool for tool in ("java", "mvn", "openssl") if shutil.which(tool) is None]


def fetch_jars() -> Path:
    """Return the folder with Kafka's jars, after fetching them by Maven where they are not cached."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    cache = (Path(root) if root.startswith("/") else Path.home() / ".cache") / "voicepipe" / f"kafka-{KAFKA_VERSION}"
    if (cache / "complete").exists():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests in several processes ask at once
        if not (cache / "complete").exists():
            _fetch_into(cache)
    return cache


def _fetch_into(cache: Path) -> None:
    (cache / "pom.xml").write_text(_POM)
    command = ["mvn", "-B", "-q", "-f", str(cache / "pom.xml"), "dependency:copy-dependencies"]
    done = subprocess.run(
        [*command, "-DincludeScope=runtime", f"-DoutputDirectory={cache}"], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise KafkaClusterError(
            f"Maven could not fetch Kafka {KAFKA_VERSION}: {done.stdout[-800:]}{done.stderr[-800:]}"
        )
    (cache / "complete").touch()


class KafkaCluster:
    """Brokers in one folder; the same folder gives the same cluster to another process.

    Parameters
    ----------
    folder : Path
        Empty or missing for a new cluster.
    brokers : int
        1 or 3; read from the folder where it has a cluster.
    end_with_parent : bool
        Linux: the kernel ends the brokers when the thread that started them ends.
    """

    def __init__(self, folder: Path, *, brokers: int = 1, end_with_parent: bool = False) -> None:
        self.folder = folder
        self._end_with_parent = end_with_parent
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        state = folder / "cluster.json"
        if state.exists():
            self._state = json.loads(state.read_text())
        else:
            ports = _free_ports(3 * brokers)
            self._state = {
                str(node): dict(zip(("plain", "secure", "controller"), ports[3 * node - 3 : 3 * node], strict=True))
                for node in range(1, brokers + 1)
            }

    @property
    def nodes(self) -> tuple[int, ...]:
        """Numbers of the brokers, from 1."""
        return tuple(int(node) for node in self._state)

    @property
    def address(self) -> str:
        """The listeners without security."""
        return ",".join(f"127.0.0.1:{self._state[node]['plain']}" for node in self._state)

    @property
    def secure_address(self) -> str:
        """The listeners with SASL over TLS."""
        return ",".join(f"localhost:{self._state[node]['secure']}" for node in self._state)

    @property
    def ca_file(self) -> Path:
        """Certificate of the CA that signed the brokers' certificates."""
        return self.folder / "tls" / "ca.pem"

    def start(self) -> None:
        """Make the cluster where the folder has none, start all brokers and wait until they are ready."""
        if tools := missing_tools():
            raise KafkaClusterError(f"A Kafka for tests needs {', '.join(tools)}; install it (Java 17 or later).")
        if not (self.folder / "cluster.json").exists():
            self._make()
        for node in self.nodes:
            self._launch(node)
        self.wait_ready()

    def start_node(self, node: int, *, wait: bool = True) -> None:
        """Start one broker that was killed or stopped; its data are as they were left."""
        self._launch(node)
        if wait:
            self.wait_ready()

    def stop_node(self, node: int) -> None:
        """End one broker in good order."""
        self._end(node, signal.SIGTERM)

    def kill_node(self, node: int) -> None:
        """Kill one broker as a crash would."""
        self._end(node, signal.SIGKILL)

    def stop(self) -> None:
        """End all brokers and remove the folder."""
        for node in self.nodes:
            self._end(node, signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)

    def wait_ready(self) -> None:
        """Wait until every broker that was launched is part of the cluster."""
        running = sum(1 for node in self.nodes if self._running(node))
        deadline = time.monotonic() + _READY_TIMEOUT_S
        problem = "no broker runs"
        while time.monotonic() < deadline:
            try:
                if check_kafka(KafkaConfig(bootstrap_servers=self.address), topics=()).brokers >= running > 0:
                    return
                problem = "not all brokers joined"
            except SinkError as error:
                problem = str(error)
            if not all(self._running(node) for node in self.nodes if self._pid_file(node).exists()):
                problem = "a broker ended"
                break
            time.sleep(0.2)
        logs = "\n".join(
            self._log_file(node).read_text()[-1500:] for node in self.nodes if self._log_file(node).exists()
        )
        raise KafkaClusterError(f"Kafka did not become ready: {problem}.\n{logs}")

    def _make(self) -> None:
        """Write configuration and certificates and format the storage."""
        self.folder.mkdir(parents=True, exist_ok=True)
        make_certificates(self.folder / "tls")
        (self.folder / "log4j2.xml").write_text(_LOG4J)
        cluster_id = secrets.token_urlsafe(16)
        for node in self.nodes:
            (self.folder / f"node-{node}").mkdir()
            self._properties_file(node).write_text(self._properties(node))
            scram = [f"--add-scram=SCRAM-SHA-{bits}=[name={USER},password={PASSWORD}]" for bits in (256, 512)]
            format_command = [
                "kafka.tools.StorageTool",
                "format",
                "-t",
                cluster_id,
                "-c",
                str(self._properties_file(node)),
            ]
            done = subprocess.run([*self._java(), *format_command, *scram], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise KafkaClusterError(f"Kafka's storage cannot be formatted: {done.stdout}{done.stderr}")
        (self.folder / "cluster.json").write_text(json.dumps(self._state))

    def _properties(self, node: int) -> str:
        ports = self._state[str(node)]
        voters = ",".join(f"{other}@127.0.0.1:{self._state[str(other)]['controller']}" for other in self.nodes)
        replicas = min(3, len(self.nodes))
        tls = self.folder / "tls"
        settings = {
            "process.roles": "broker,controller",
            "node.id": node,
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": (
                f"PLAINTEXT://127.0.0.1:{ports['plain']},SASL_SSL://127.0.0.1:{ports['secure']},"
                f"CONTROLLER://127.0.0.1:{ports['controller']}"
            ),
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{ports['plain']},SASL_SSL://localhost:{ports['secure']}",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": self.folder / f"node-{node}" / "data",
            "auto.create.topics.enable": "false",
            "default.replication.factor": replicas,
            "min.insync.replicas": max(1, replicas - 1),
            "offsets.topic.replication.factor": replicas,
            "offsets.topic.num.partitions": 3,
            "transaction.state.log.replication.factor": replicas,
            "transaction.state.log.min.isr": max(1, replicas - 1),
            "transaction.state.log.num.partitions": 3,
            "share.coordinator.state.topic.replication.factor": replicas,
            "share.coordinator.state.topic.min.isr": max(1, replicas - 1),
            "group.initial.rebalance.delay.ms": 0,
            "num.network.threads": 2,
            "num.io.threads": 4,
            "broker.session.timeout.ms": 3000,
            "broker.heartbeat.interval.ms": 500,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "allow.everyone.if.no.acl.found": "true",
            "super.users": "User:ANONYMOUS",
            "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
            "listener.name.sasl_ssl.plain.sasl.jaas.config": (
                f'org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}="{PASSWORD}";'
            ),
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": tls / "broker.pem",
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": tls / "ca.pem",
            "ssl.client.auth": "requested",
        }
        for bits in (256, 512):
            settings[f"listener.name.sasl_ssl.scram-sha-{bits}.sasl.jaas.config"] = (
                "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            )
        return "".join(f"{key}={value}\n" for key, value in settings.items())

    def _java(self) -> list[str]:
        return [
            "java",
            "-Xmx384m",
            "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1",
            f"-Dlog4j2.configurationFile={self.folder / 'log4j2.xml'}",
            "-cp",
            f"{fetch_jars()}/*",
        ]

    def _launch(self, node: int) -> None:
        with self._log_file(node).open("ab") as log:
            broker = subprocess.Popen(
                [*self._java(), "kafka.Kafka", str(self._properties_file(node))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=not self._end_with_parent,
                preexec_fn=_end_with_parent if self._end_with_parent and sys.platform == "linux" else None,
            )
        self._children[node] = broker
        self._pid_file(node).write_text(str(broker.pid))

    def _end(self, node: int, how: signal.Signals) -> None:
        if self._running(node):
            pid = int(self._pid_file(node).read_text())
            os.kill(pid, how)
            deadline = time.monotonic() + _END_TIMEOUT_S
            while self._running(node) or not _is_gone(pid):
                if time.monotonic() > deadline:
                    raise KafkaClusterError(f"Broker {node} did not end within {_END_TIMEOUT_S:.0f} s.")
                time.sleep(0.02)
        self._pid_file(node).unlink(missing_ok=True)

    def _running(self, node: int) -> bool:
        child = self._children.get(node)
        if child is not None:
            return child.poll() is None
        try:
            pid = int(self._pid_file(node).read_text())
            # The pid may have gone to another program since.
            return str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return False

    def _pid_file(self, node: int) -> Path:
        return self.folder / f"node-{node}" / "pid"

    def _log_file(self, node: int) -> Path:
        return self.folder / f"node-{node}" / "server.log"

    def _properties_file(self, node: int) -> Path:
        return self.folder / f"node-{node}" / "server.properties"


def make_certificates(folder: Path) -> None:
    """Make a CA, and certificates of the broker and of a client signed by it, all PEM and good for a week."""
    folder.mkdir()

    def openssl(*arguments: str) -> None:
        done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise KafkaClusterError(f"openssl failed: {done.stderr}")

    key = ("-newkey", "rsa:2048", "-nodes")
    openssl("req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.pem", "-days", "7", "-subj", "/CN=voicepipe test CA")
    for name, subject in (("broker", "/CN=localhost"), ("client", "/CN=voicepipe")):
        openssl("req", *key, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        (folder / "san.cnf").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        signed_by_ca = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "san.cnf", "-days", "7")
        openssl("x509", "-req", "-in", f"{name}.csr", *signed_by_ca, "-out", f"{name}.crt")
        (folder / f"{name}.pem").write_text((folder / f"{name}.key").read_text() + (folder / f"{name}.crt").read_text())


def _is_gone(pid: int) -> bool:
    """Whether all threads of a process have ended, and with the last one its sockets; its first may end long before."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state in "ZX" and sum(1 for _ in Path(f"/proc/{pid}/task").iterdir()) == 1
    except OSError:
        return True


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    """Return free ports below the range of outgoing connections: a broker must find its own again after a restart."""
    free: list[int] = []
    while len(free) < count:
        port = random.randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            free += [port] if port not in free else []
    return free
