from voicepipe.web.attempts import Attempts


def test_an_address_waits_until_its_oldest_failure_is_a_minute_old() -> None:
    attempts = Attempts(per_minute=3, per_minute_in_total=100)
    for now_s in (0.0, 10.0, 20.0):
        assert attempts.wait_s("192.0.2.1", now_s=now_s) == 0
        attempts.fail("192.0.2.1", now_s=now_s)
    assert attempts.wait_s("192.0.2.1", now_s=20.0) == 40.0
    assert attempts.wait_s("192.0.2.2", now_s=20.0) == 0
    assert attempts.wait_s("192.0.2.1", now_s=60.0) == 0
    attempts.fail("192.0.2.1", now_s=60.0)
    assert attempts.wait_s("192.0.2.1", now_s=60.0) == 10.0


def test_one_subscriber_of_ipv6_is_one_address() -> None:
    attempts = Attempts(per_minute=1, per_minute_in_total=100)
    attempts.fail("2001:db8:1:2::1", now_s=0.0)
    assert attempts.wait_s("2001:db8:1:2:ffff::9", now_s=1.0) > 0
    assert attempts.wait_s("2001:db8:1:3::1", now_s=1.0) == 0


def test_who_came_in_before_is_not_kept_out_by_others() -> None:
    attempts = Attempts(per_minute=10, per_minute_in_total=5)
    attempts.succeed("192.0.2.1")
    for i in range(5):
        attempts.fail(f"198.51.100.{i}", now_s=float(i))
    assert attempts.wait_s("203.0.113.1", now_s=5.0) == 55.0
    assert attempts.wait_s("192.0.2.1", now_s=5.0) == 0
    for _ in range(10):
        attempts.fail("192.0.2.1", now_s=6.0)
    assert attempts.wait_s("192.0.2.1", now_s=6.0) == 60.0


def test_memory_is_bounded() -> None:
    attempts = Attempts(per_minute=2, per_minute_in_total=10)
    for i in range(20_000):
        attempts.fail(f"address {i}", now_s=0.0)
        attempts.succeed(f"address {i}")
    assert len(attempts._failed_at_s) == len(attempts._known) == 10_000
