"""The receiver against other people's brokers: `docs/brokers.md` says what each of them does otherwise.

Each broker is started once for all its tests. Each test has a client id and topics of its own.
"""

import asyncio
import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiomqtt
import pytest

from agent.mqtt.subscriptions import SubscriptionNotes
from tests.mqtt.conftest import Running, Subscriber
from tests.mqtt.waiting import until
from tests.servers.brokers import BROKERS, Broker

NUMBERS = itertools.count(1)


class Case:
    """One test: a broker, a protocol, and names that no other test uses."""

    def __init__(self, broker: Broker, protocol: str, running: Running) -> None:
        self.broker = broker
        self.protocol = protocol
        self._running = running
        name = f"t{next(NUMBERS)}"
        self.topic = f"{name}/vans/a"
        self._options: dict[str, Any] = {"protocol": protocol, "client_id": name, "filters": (f"{name}/vans/#",)}

    def agent(self, **changes: Any) -> Any:
        """A receiver with the same session at every call."""
        options = self._options | changes
        return self._running(options.pop("port", self.broker.port), **options)

    async def send(self, *payloads: bytes, topic: str = "", retain: bool = False) -> None:
        """Publish at QoS 1, one after the other."""
        van = f"van-{next(NUMBERS)}"  # Moquette refuses an empty client id
        async with aiomqtt.Client("127.0.0.1", self.broker.port, identifier=van, timeout=60) as client:
            for payload in payloads:
                await client.publish(topic or self.topic, payload, qos=1, retain=retain)


@pytest.fixture(scope="module")
def starting(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[type[Broker], Future[Broker]]]:
    """The brokers that this run needs: the slow ones start while the quick ones are tested."""
    wanted = {item.callspec.params["broker"] for item in request.session.items if _has_broker(item)}
    brokers = [kind(tmp_path_factory.mktemp("broker")) for kind in BROKERS if kind in wanted and not kind.missing()]

    def start(broker: Broker) -> Broker:
        broker.start()
        return broker

    with ThreadPoolExecutor(max_workers=2) as pool:
        try:
            yield {type(broker): pool.submit(start, broker) for broker in brokers}
        finally:
            pool.shutdown(cancel_futures=True)
            for broker in brokers:
                broker.stop()


def _has_broker(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and hasattr(item, "callspec") and "broker" in item.callspec.params


@pytest.fixture(scope="module", params=BROKERS, ids=lambda kind: kind.name)
def broker(request: pytest.FixtureRequest, starting: dict[type[Broker], Future[Broker]]) -> Broker:
    kind: type[Broker] = request.param
    if kind not in starting:
        pytest.skip(str(kind.missing()))
    return starting[kind].result()


@pytest.fixture(params=["5", "3.1.1"])
def case(request: pytest.FixtureRequest, broker: Broker, running: Running) -> Case:
    if request.param not in broker.protocols:
        pytest.skip(f"{broker.name} does not speak MQTT {request.param}")
    return Case(broker, request.param, running)


async def acknowledge_until(subject: Subscriber, complete: Callable[[], bool]) -> None:
    """Acknowledge each delivery as it comes, until the condition is true."""
    done = 0

    def step() -> bool:
        nonlocal done
        for delivery in subject.deliveries[done:]:
            subject.receiver.acknowledge(delivery)
            done += 1
        return complete()

    await until(step)


async def take(subject: Subscriber, count: int) -> None:
    """Acknowledge each delivery as it comes, until so many messages are there."""
    await acknowledge_until(subject, lambda: len(subject.messages) >= count)


async def test_messages_arrive_in_order_and_once(case: Case) -> None:
    payloads = [b"%d" % number for number in range(100)]
    async with case.agent() as subject:
        await subject.subscribed()
        sending = asyncio.create_task(case.send(*payloads))
        await take(subject, 100)
        await sending
        assert subject.payloads == payloads
        assert {(message.topic, message.qos) for message in subject.messages} == {(case.topic, 1)}
        # When this comes back, the broker has read the acknowledgements before it.
        assert await subject.receiver.publish(case.topic, b"echo", retain=False)
        await subject.received(101)
    async with case.agent(session_expected=True) as again:
        await again.subscribed()
        await case.send(b"new")
        await take(again, 1)
        assert again.payloads == [b"new"]
        assert again.counters.sessions_lost == 0


async def test_what_was_not_acknowledged_comes_again(case: Case) -> None:
    async with case.agent() as subject:
        await subject.subscribed()
        await case.send(b"1", b"2", b"3")
        await subject.received(1)  # HiveMQ sends the others only when this one is acknowledged
    async with case.agent(session_expected=True) as again:
        await take(again, 3)
        assert again.payloads == [b"1", b"2", b"3"]
        assert again.counters.sessions_lost == 0


async def test_messages_wait_in_the_session(case: Case) -> None:
    payloads = [b"%d" % number for number in range(30)]
    async with case.agent() as subject:
        await subject.subscribed()
    await case.send(*payloads)
    async with case.agent(session_expected=True) as again:
        await take(again, 30)
        assert again.payloads == payloads
        assert again.counters.sessions_lost == 0


async def test_a_small_window(case: Case) -> None:
    """Our Receive Maximum holds in MQTT 5; in MQTT 3.1.1 the broker has its own, which must not stall."""
    payloads = [b"%d" % number for number in range(60)]
    async with case.agent(receive_maximum=3) as subject:
        await subject.subscribed()
        await case.send(*payloads)
        await subject.received(1)
        if case.protocol == "5":
            assert len(subject.messages) <= 3
        await take(subject, 60)
        assert subject.payloads == payloads


async def test_another_client_with_our_id_ends_the_connection(case: Case) -> None:
    async with case.agent() as subject:
        await subject.subscribed()
        async with case.agent() as second:
            await second.subscribed()
            await until(lambda: subject.counters.reconnects or subject.counters.last_error)


async def test_retained_messages_are_marked(case: Case) -> None:
    await case.send(b"old", retain=True)
    async with case.agent(filters=(case.topic,)) as subject:
        await subject.received(1)
        await subject.subscribed()
        subject.acknowledge_all()
        await case.send(b"new")
        await subject.received(2)
        found = [(message.payload, message.retained) for message in subject.messages]
        assert found == [(b"old", case.broker.marks_retained), (b"new", False)]


async def test_old_subscriptions_are_given_up_in_portions(case: Case, tmp_path: Path) -> None:
    if not case.broker.unsubscribes_all:
        pytest.skip(f"{case.broker.name} unsubscribes only what the same connection has subscribed")
    name = case.topic.partition("/")[0]
    old = tuple(f"{name}/old-{number}/#" for number in range(20))
    notes = SubscriptionNotes(tmp_path / "subscriptions", name)
    async with case.agent(filters=old, notes=notes) as subject:
        await subject.subscribed()
    async with case.agent(notes=notes) as subject:
        await subject.subscribed()
        await until(lambda: not notes.former([f"{name}/vans/#"]))
        await case.send(b"old", topic=f"{name}/old-19/a")
        await case.send(b"new")
        await subject.received(1)
        assert subject.payloads == [b"new"]


@pytest.mark.parametrize("way", ["tls", "websocket"])
async def test_other_listeners(case: Case, way: str) -> None:
    broker = case.broker
    changes: dict[str, Any] = (
        {"port": broker.tls_port, "encrypted": True, "ca_file": broker.authority.cert_file}
        if way == "tls"
        else {"port": broker.websocket_port, "path": broker.websocket_path}
    )
    payloads = [b"%d" % number * 200 for number in range(50)]
    async with case.agent(**changes) as subject:
        await subject.subscribed()
        await case.send(*payloads)
        await take(subject, 50)
        assert subject.payloads == payloads


async def test_a_killed_broker_is_found_again(broker: Broker, running: Running) -> None:
    """Last of all, since it ends the sessions of the other tests where a broker does not keep them."""
    async with AsyncExitStack() as stack:
        cases = [Case(broker, protocol, running) for protocol in broker.protocols]
        subjects = [await stack.enter_async_context(case.agent()) for case in cases]
        for case, subject in zip(cases, subjects, strict=True):
            await subject.subscribed()
            await case.send(b"before")
            await take(subject, 1)
        broker.kill()
        for subject in subjects:
            await until(lambda subject=subject: not subject.counters.connected)
        await asyncio.to_thread(broker.start)
        for case, subject in zip(cases, subjects, strict=True):
            await subject.subscribed()
            await case.send(b"after")
            await acknowledge_until(subject, lambda subject=subject: b"after" in subject.payloads)
            assert subject.counters.sessions_lost == (0 if broker.keeps_sessions else 1)
