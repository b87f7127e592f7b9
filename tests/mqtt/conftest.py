import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import uvloop

from agent.backoff import Backoff
from agent.messages import Message
from agent.mqtt.address import BrokerAddress
from agent.mqtt.base import Delivery
from agent.mqtt.credentials import Credentials
from agent.mqtt.options import MqttOptions
from agent.mqtt.session import TAKEN_OVER_S, Session
from agent.mqtt.subscriptions import SubscriptionNotes
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.waiting import WITHIN_S, until

ON_UVLOOP = {"test_mosquitto", "test_tls", "test_through_faults", "test_amqtt", "test_brokers"}
"""Modules with real servers run on uvloop, as the agent does; the others on asyncio's own event loop."""


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    if item.path.stem in ON_UVLOOP:
        return {"uvloop": uvloop.new_event_loop}
    return {"asyncio": asyncio.new_event_loop}


Running = Callable[..., AbstractAsyncContextManager["Subscriber"]]


class Subscriber:
    """A running receiver and its deliveries."""

    def __init__(self, receiver: Session) -> None:
        self.receiver = receiver
        self.counters = receiver.counters
        self.deliveries: list[Delivery] = []

    @property
    def messages(self) -> list[Message]:
        return [message for delivery in self.deliveries for message in delivery.messages]

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message in self.messages]

    def acknowledge_all(self) -> None:
        for delivery in self.deliveries:
            self.receiver.acknowledge(delivery)

    async def subscribed(self) -> None:
        await until(lambda: self.counters.subscribed_since_ms)

    async def received(self, count: int) -> None:
        await until(lambda: len(self.messages) >= count)


def options_for(port: int, **changes: Any) -> MqttOptions:
    """Options for a broker on this machine. `changes` are options, parts of the address, or credentials."""
    values: dict[str, Any] = {
        "client_id": "agent",
        "filters": ("vans/#",),
        "keepalive_s": 30,
        "max_packet_bytes": 4096,
        "receive_maximum": 100,
        "session_expiry_s": 600,
    }
    address = {key: changes.pop(key) for key in BrokerAddress._fields if key in changes}
    login = {key: changes.pop(key) for key in Credentials.__struct_fields__ if key in changes}
    values["brokers"] = (BrokerAddress(**{"host": "127.0.0.1", "port": port} | address),)
    return MqttOptions(**values | {"credentials": Credentials(**login)} | changes)


@asynccontextmanager
async def subscriber(
    port: int,
    *,
    on_delivery: Callable[[Delivery], None] | None = None,
    backoff: Backoff | None = None,
    session_expected: bool = False,
    taken_over_s: float = TAKEN_OVER_S,
    notes: SubscriptionNotes | None = None,
    **changes: Any,
) -> AsyncIterator[Subscriber]:
    """A receiver that runs during the block; raises the receiver's own exception. `changes` replace options."""
    options = options_for(port, **changes)
    receiver = Session(
        options,
        session_expected=session_expected,
        notes=notes,
        backoff=backoff or Backoff(first_s=0.01, cap_s=0.05),
        taken_over_s=taken_over_s,
    )
    subject = Subscriber(receiver)

    def take(delivery: Delivery) -> None:
        subject.deliveries.append(delivery)
        if on_delivery is not None:
            on_delivery(delivery)

    task = asyncio.create_task(receiver.run(take))
    try:
        yield subject
        await receiver.stop()
        async with asyncio.timeout(WITHIN_S):
            await task
    finally:
        task.cancel()
        await asyncio.wait([task])
        await asyncio.sleep(0)  # sockets close in the next turn of the loop


@pytest.fixture
def running() -> Running:
    return subscriber


@pytest.fixture
async def broker() -> AsyncIterator[FakeBroker]:
    async with FakeBroker() as fake:
        yield fake
