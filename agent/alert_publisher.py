"""Publishes the active alerts of each van to the broker, as one retained message that stays until they clear."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol


class Alerting(Protocol):
    """What knows the alerts."""

    def active_alerts(self, vehicle_id: str) -> bytes:
        """The van's active alerts as JSON; empty when there is none."""
        ...

    def alerting_vans(self) -> list[str]:
        """The vans that have an active alert."""
        ...


class Publish(Protocol):
    """How a message is published; `Receiver.publish` is one."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool) -> Awaitable[bool]:
        """False when there is no connection."""
        ...


class AlertPublisher:
    """Publishes what changes, and everything to a broker that is new."""

    def __init__(
        self, alerts: Alerting, publish: Publish, *, prefix: str, subscribed_since_ms: Callable[[], int]
    ) -> None:
        self._alerts = alerts
        self._publish = publish
        self._prefix = prefix
        self._subscribed_since_ms = subscribed_since_ms
        self._announced_to = 0
        """When the subscription was granted on the connection that knows every active alert; 0: none."""
        self.unsent: dict[str, None] = {}
        """Vans whose alerts changed while there was no connection, in order."""

    async def publish(self, vehicle_ids: Iterable[str]) -> None:
        """Publish the active alerts of these vans. What cannot be sent is sent after the next connection."""
        for vehicle_id in vehicle_ids:
            payload = self._alerts.active_alerts(vehicle_id)
            if not await self._publish(f"{self._prefix}/{vehicle_id}", payload, retain=True):
                self.unsent[vehicle_id] = None

    async def announce(self) -> None:
        """Publish every active alert, and what is unsent, if the connection was made since the last call."""
        since_ms = self._subscribed_since_ms()
        if since_ms in {0, self._announced_to}:
            return
        self._announced_to = since_ms
        unsent, self.unsent = self.unsent, {}
        await self.publish(dict.fromkeys((*self._alerts.alerting_vans(), *unsent)))
