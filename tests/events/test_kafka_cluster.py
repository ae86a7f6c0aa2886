import uuid

import pytest
from kafka_cluster import KafkaCluster

from tests.events.test_kafka import on_topic, read_all
from voicepipe.events.config import KafkaConfig
from voicepipe.events.kafka import KafkaSink
from voicepipe.types import SinkError

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("sockets_left_behind")]


def test_a_sink_survives_the_broker(cluster: KafkaCluster) -> None:
    config = KafkaConfig(bootstrap_servers=cluster.address, connect_timeout_s=60.0, partitions=3)
    topic = f"voicepipe.test-{uuid.uuid4().hex[:8]}.v1"
    sink = KafkaSink(config, topics=[topic])
    assert sink.publish(on_topic(topic, "a"))[0].delivered
    cluster.kill_node(1)
    sink._config = config.model_copy(update={"publish_timeout_s": 2.0})
    with pytest.raises(SinkError, match=cluster.address):
        sink.publish(on_topic(topic, "b"))
    cluster.start_node(1)
    sink._config = config
    assert all(delivery.delivered for delivery in sink.publish(on_topic(topic, "b")))
    sink.close()
    keys = [record.key for record in read_all(config, topic)]
    assert keys.count("a") == 4
    assert keys.count("b") >= 4


def test_a_message_that_the_broker_finds_too_large_is_refused_alone(cluster: KafkaCluster) -> None:
    """The topic takes less than the producer would send, so only the broker can refuse."""
    import kafka

    topic = f"voicepipe.test-{uuid.uuid4().hex[:8]}.v1"
    config = KafkaConfig(bootstrap_servers=cluster.address, connect_timeout_s=60.0)
    admin = kafka.KafkaAdminClient(bootstrap_servers=cluster.address)
    admin.create_topics(
        {topic: {"num_partitions": 1, "configs": {"max.message.bytes": "4000"}}}, wait_for_metadata=True
    )
    admin.close()
    first, second, third = on_topic(topic, "a")[:3]
    huge = type(second)(
        event_id=second.event_id, topic=topic, key=second.key, headers=second.headers, body=b"x" * 10_000
    )
    sink = KafkaSink(config, topics=[topic])
    deliveries = sink.publish([first, huge, third])
    sink.close()
    assert [delivery.delivered for delivery in deliveries] == [True, False, True]
    assert "TooLarge" in str(deliveries[1].refused)
    assert [record.body for record in read_all(config, topic)] == [first.body, third.body]


def test_a_topic_that_may_not_be_written_is_a_refusal(cluster: KafkaCluster) -> None:
    import kafka
    from kafka.admin import ACL, ACLOperation, ACLPermissionType, ResourcePattern, ResourceType

    from tests.events.test_kafka_security import secure

    topic = f"voicepipe.test-{uuid.uuid4().hex[:8]}.v1"
    admin = kafka.KafkaAdminClient(bootstrap_servers=cluster.address)
    admin.create_topics({topic: {"num_partitions": 1}}, wait_for_metadata=True)
    acl = ACL(
        principal="User:voicepipe",
        host="*",
        operation=ACLOperation.WRITE,
        permission_type=ACLPermissionType.DENY,
        resource_pattern=ResourcePattern(ResourceType.TOPIC, topic),
    )
    read_acl = ACL(
        principal="User:*",
        host="*",
        operation=ACLOperation.ALL,
        permission_type=ACLPermissionType.ALLOW,
        resource_pattern=ResourcePattern(ResourceType.TOPIC, topic),
    )
    admin.create_acls([acl, read_acl])
    sink = KafkaSink(secure(cluster), topics=[topic])
    deliveries = sink.publish(on_topic(topic, "a")[:1])
    sink.close()
    admin.delete_acls([])
    admin.close()
    assert not deliveries[0].delivered
    assert "TopicAuthorizationFailed" in str(deliveries[0].refused)
