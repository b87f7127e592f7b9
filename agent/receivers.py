"""Several receivers as one: the broker, and the listener for vans that connect to the agent itself."""

import asyncio
from collections.abc import Callable

from agent.gbt32960.listener import Listener, ReportDelivery
from agent.mqtt.base import BrokerLimits, Delivery, Receiver


class BrokerAndListener:
    """Implements `agent.mqtt.base.Receiver`. State and counters are those of the broker's connection."""

    def __init__(self, broker: Receiver, listener: Listener) -> None:
        self.counters = broker.counters
        self._broker = broker
        self._listener = listener

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted."""
        return self._broker.limits

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Receive from both until `stop`. Raises `SettingsError` where the listener cannot listen."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listener.run(on_delivery), name="gbt32960")
            await self._broker.run(on_delivery)

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge to the one that delivered."""
        if isinstance(delivery, ReportDelivery):
            self._listener.acknowledge(delivery)
        else:
            self._broker.acknowledge(delivery)

    def pause(self) -> None:
        """Stop reading from both."""
        self._broker.pause()
        self._listener.pause()

    def resume(self) -> None:
        """Read from both again."""
        self._broker.resume()
        self._listener.resume()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish to the broker."""
        return await self._broker.publish(topic, payload, retain=retain)

    async def stop(self) -> None:
        """Stop both; `run` returns."""
        self._listener.stop()
        await self._broker.stop()
