import uuid
from pathlib import Path

import pytest
from kafka_cluster import PASSWORD, USER, KafkaCluster
from pydantic import SecretStr

from tests.events.calls import make_messages
from tests.events.test_kafka import on_topic, read_all
from voicepipe.events.config import KafkaConfig, SaslMechanism
from voicepipe.events.kafka import KafkaSink
from voicepipe.events.kafka_connection import check_kafka
from voicepipe.types import SinkError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sockets_left_behind")]


def secure(
    cluster: KafkaCluster,
    *,
    mechanism: SaslMechanism = "SCRAM-SHA-512",
    password: str = PASSWORD,
    ca_file: Path | None = None,
    connect_timeout_s: float = 60.0,
) -> KafkaConfig:
    return KafkaConfig(
        bootstrap_servers=cluster.secure_address,
        tls=True,
        ca_file=ca_file or cluster.ca_file,
        sasl_mechanism=mechanism,
        sasl_username=USER,
        sasl_password=SecretStr(password),
        connect_timeout_s=connect_timeout_s,
    )


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"])
def test_events_go_out_and_come_back_over_tls(cluster: KafkaCluster, mechanism: SaslMechanism) -> None:
    config = secure(cluster, mechanism=mechanism)
    topic = f"voicepipe.secure-{uuid.uuid4().hex[:8]}.v1"
    sink = KafkaSink(config, topics=[topic])
    assert all(delivery.delivered for delivery in sink.publish(on_topic(topic, "a")))
    sink.close()
    assert [record.body for record in read_all(config, topic)] == [message.body for message in make_messages("a")]


def test_a_client_certificate_is_sent(cluster: KafkaCluster) -> None:
    tls = cluster.folder / "tls"
    config = secure(cluster).model_copy(
        update={"client_cert_file": tls / "client.crt", "client_key_file": tls / "client.key"}
    )
    assert check_kafka(config, topics=()).brokers == 1


def test_a_wrong_password_is_named_without_showing_it(cluster: KafkaCluster) -> None:
    # Which of the two it is depends on whether the refusal arrives before the end of the connection or with it.
    with pytest.raises(SinkError, match=r"refused the login|closed the connection during the login") as caught:
        check_kafka(secure(cluster, password="wr0ng-word", connect_timeout_s=10.0), topics=())
    assert "wr0ng-word" not in str(caught.value)


def test_a_certificate_of_an_unknown_ca_is_not_trusted(cluster: KafkaCluster) -> None:
    with pytest.raises(SinkError, match=r"its certificate is not trusted"):
        check_kafka(secure(cluster, ca_file=cluster.folder / "tls" / "client.crt"), topics=())


def test_a_ca_file_that_is_missing_is_named(cluster: KafkaCluster) -> None:
    with pytest.raises(SinkError, match=r"nowhere\.pem"):
        check_kafka(secure(cluster, ca_file=Path("nowhere.pem")), topics=())


def test_plain_text_to_a_tls_port_is_explained(cluster: KafkaCluster) -> None:
    config = KafkaConfig(bootstrap_servers=cluster.secure_address, connect_timeout_s=3.0)
    with pytest.raises(SinkError, match="check that tls and sasl_mechanism fit the port"):
        check_kafka(config, topics=())
