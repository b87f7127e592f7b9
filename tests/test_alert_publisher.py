"""What the broker is told of alerts, and when."""

from agent.alert_publisher import AlertPublisher
from tests.doubles import FakeReceiver


class Alerts:
    """Some vans with an alert each."""

    def __init__(self, *vehicle_ids: str) -> None:
        self.active = dict.fromkeys(vehicle_ids, b"[1]")

    def active_alerts(self, vehicle_id: str) -> bytes:
        return self.active.get(vehicle_id, b"")

    def alerting_vans(self) -> list[str]:
        return list(self.active)


class Bench:
    def __init__(self, *vehicle_ids: str) -> None:
        self.alerts = Alerts(*vehicle_ids)
        self.receiver = FakeReceiver()
        self.publisher = AlertPublisher(
            self.alerts,
            self.receiver.publish,
            prefix="vans-alerts",
            subscribed_since_ms=lambda: self.receiver.counters.subscribed_since_ms,
        )

    def published(self) -> list[tuple[str, bytes]]:
        found, self.receiver.published = self.receiver.published, []
        return found


async def test_a_new_connection_is_told_every_active_alert_once() -> None:
    bench = Bench("van-1", "van-2")
    await bench.publisher.announce()
    assert bench.published() == [("vans-alerts/van-1", b"[1]"), ("vans-alerts/van-2", b"[1]")]
    await bench.publisher.announce()
    assert bench.published() == []
    bench.receiver.counters.subscribed_since_ms = 0
    await bench.publisher.announce()
    assert bench.published() == []
    bench.receiver.counters.subscribed_since_ms = 2
    await bench.publisher.announce()
    assert len(bench.published()) == 2


async def test_what_could_not_be_sent_is_sent_after_the_next_connection() -> None:
    bench = Bench("van-1")
    await bench.publisher.announce()
    bench.published()
    bench.receiver.reachable = False
    bench.alerts.active = {}
    await bench.publisher.publish(["van-1"])
    assert list(bench.publisher.unsent) == ["van-1"]
    bench.receiver.reachable = True
    bench.receiver.counters.subscribed_since_ms = 2
    await bench.publisher.announce()
    assert bench.published() == [("vans-alerts/van-1", b"")]
    assert not bench.publisher.unsent
