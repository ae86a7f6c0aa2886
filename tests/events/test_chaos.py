"""A short run of scripts/chaos_events.py; the full one is for a release."""

import pytest
from chaos_events import Plan, run
from kafka_cluster import missing_tools


@pytest.mark.slow
@pytest.mark.usefixtures("sockets_left_behind")
@pytest.mark.skipif(bool(missing_tools()), reason="needs Java, Maven and openssl for Apache Kafka")
def test_nothing_is_lost_when_the_process_is_killed_and_the_broker_restarts() -> None:
    happened: list[str] = []
    plan = Plan(decisions=300, rate_per_s=100.0, kills=2, broker_restarts=1, outage_s=0.0, fill_disk_s=0.0)
    report = run(plan, say=happened.append)
    assert happened == ["broker restarts"]
    assert (report.kills, report.broker_restarts, report.recorded) == (2, 1, 300)
    assert (report.lost, report.duplicates_after_dedup, report.out_of_order) == (0, 0, 0)
    assert report.records_on_topic >= 300
