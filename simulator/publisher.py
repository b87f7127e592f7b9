"""Publishing at QoS 1 and knowing what the broker has acknowledged.

Two senders behind one interface. `ClientSender` uses aiomqtt (MQTT 3.1.1, any broker): an independent client, which
keeps the agent's own session honest. `LeanSender` speaks MQTT 5 on the `mqtt5` codec over any number of connections and
is made for load. Both number the messages in the order in which they were handed over, reconnect, and send again what
has not been acknowledged.
"""

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import time
import zlib
from collections.abc import AsyncIterable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit

import aiomqtt

from simulator.lean_connection import LeanConnection, Refused

DEFAULT_URL: Final = "mqtt://127.0.0.1:1883"
RECONNECT_DELAYS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)
BATCH_MESSAGES: Final = 500
ACKNOWLEDGED_WITHIN_S: Final = 30.0
"""A PUBACK that takes longer means a broken connection."""

logger = logging.getLogger(__name__)

Outgoing = tuple[str, bytes]
"""A topic and a payload."""
OnAcknowledged = Callable[[int], None]
"""Called with the number of a message when its PUBACK has arrived."""


class Unreachable(Exception):
    """The broker could not be reached, or refused us, for longer than the caller would wait."""


@dataclass(frozen=True)
class Broker:
    """Where the broker is and who we are there."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `mqtt[s]://[user[:password]@]host[:port]`; what the URL lacks comes from `VANPULSE_MQTT__…`."""
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"broker URL {url!r}: give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        tls = ssl.create_default_context(cafile=_environment("CA_FILE")) if parts.scheme == "mqtts" else None
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else _environment("USERNAME"),
            password=unquote(parts.password) if parts.password else _environment("PASSWORD"),
            tls=tls,
        )


def _environment(name: str) -> str | None:
    """A setting of the agent's `mqtt` section from the environment; secrets also from a file."""
    value = os.environ.get(f"VANPULSE_MQTT__{name}")
    path = os.environ.get(f"VANPULSE_MQTT__{name}_FILE")
    return Path(path).read_text(encoding="utf-8").strip() if not value and path else value


@dataclass
class Summary:
    """What was sent, and what became of it."""

    messages: int = 0
    acknowledged: int = 0
    reconnects: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)


class Sender(Protocol):
    """Hands messages to a broker. An async context manager: leaving it without an error waits for every PUBACK."""

    summary: Summary

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return when all messages are under way; waits while the in-flight window is full."""
        ...

    async def drain(self) -> None:
        """Return when everything sent has been acknowledged."""
        ...


class ClientSender:
    """aiomqtt, one connection, MQTT 3.1.1: a sliding window of messages in flight."""

    def __init__(
        self,
        broker: Broker,
        *,
        client_id: str = "vanpulse-simulator",
        in_flight: int = 100,
        on_acknowledged: OnAcknowledged | None = None,
        give_up_s: float = 60.0,
        retain: bool = False,
    ) -> None:
        self._retain = retain
        self.summary = Summary()
        self._broker = broker
        self._client_id = client_id
        self._in_flight = in_flight
        self._on_acknowledged = on_acknowledged
        self._give_up_s = give_up_s
        self._stack = contextlib.AsyncExitStack()
        self._client: aiomqtt.Client | None = None
        self._flying: dict[asyncio.Task[None], tuple[int, Outgoing]] = {}

    async def __aenter__(self) -> Self:
        await self._connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.drain()
        finally:
            for task in self._flying:
                task.cancel()
            await asyncio.gather(*self._flying, return_exceptions=True)
            with contextlib.suppress(aiomqtt.MqttError):
                await self._stack.aclose()
            self.summary.seconds = time.monotonic() - self.summary.started

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return when all messages are under way."""
        for message in messages:
            while len(self._flying) >= self._in_flight:
                await self._landed()
            number = self.summary.messages
            self.summary.messages += 1
            self._fly(number, message)

    async def drain(self) -> None:
        """Return when everything sent has been acknowledged."""
        while self._flying:
            await self._landed()

    def _fly(self, number: int, message: Outgoing) -> None:
        client = self._client
        if client is None:
            raise Unreachable("not connected")
        task = asyncio.create_task(
            client.publish(message[0], message[1], 1, self._retain, timeout=ACKNOWLEDGED_WITHIN_S)
        )
        self._flying[task] = (number, message)

    async def _landed(self) -> None:
        """Wait until at least one message has landed; connect again and repeat what did not."""
        done, _ = await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
        if any(isinstance(task.exception(), aiomqtt.MqttError) for task in done):
            await self._again()
            return
        for task in done:
            self._land(task)

    def _land(self, task: asyncio.Task[None]) -> None:
        task.result()
        number, _ = self._flying.pop(task)
        self.summary.acknowledged += 1
        if self._on_acknowledged is not None:
            self._on_acknowledged(number)

    async def _again(self) -> None:
        """The connection is gone: a new one, and everything unacknowledged once more, in order."""
        self.summary.reconnects += 1
        with contextlib.suppress(aiomqtt.MqttError):
            await self._stack.aclose()
        self._client = None
        for task in self._flying:
            task.cancel()
        await asyncio.gather(*self._flying, return_exceptions=True)
        repeated = []
        for task, flight in list(self._flying.items()):
            if task.cancelled() or task.exception() is not None:
                del self._flying[task]
                repeated.append(flight)
            else:
                self._land(task)
        await self._connect()
        for number, message in sorted(repeated):
            self._fly(number, message)

    async def _connect(self) -> None:
        broker = self._broker
        deadline = time.monotonic() + self._give_up_s
        attempt = 0
        while True:
            client = aiomqtt.Client(
                broker.host,
                broker.port,
                username=broker.username,
                password=broker.password,
                identifier=self._client_id,
                tls_context=broker.tls,
                max_inflight_messages=self._in_flight,
                socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
                timeout=10,
            )
            client.pending_calls_threshold = self._in_flight
            try:
                self._client = await self._stack.enter_async_context(client)
            except aiomqtt.MqttError as error:
                if time.monotonic() > deadline:
                    raise Unreachable(f"broker {broker.host}:{broker.port}: {error}") from error
                await asyncio.sleep(_delay_s(attempt))
                attempt += 1
            else:
                return


class LeanSender:
    """MQTT 5 over `connections` connections; each van keeps to one of them, so its order holds."""

    def __init__(
        self,
        broker: Broker,
        *,
        connections: int = 1,
        client_id: str = "vanpulse-simulator",
        in_flight: int = 1000,
        on_acknowledged: OnAcknowledged | None = None,
        give_up_s: float = 60.0,
        retain: bool = False,
    ) -> None:
        self._retain = retain
        self.summary = Summary()
        self._broker = broker
        self._on_acknowledged = on_acknowledged
        self._give_up_s = give_up_s
        self._lines = [
            LeanConnection(
                client_id=f"{client_id}-{number}",
                username=broker.username,
                password=broker.password,
                in_flight=in_flight,
                on_acknowledged=self._acknowledged,
                retain=retain,
            )
            for number in range(connections)
        ]
        self._keepers: list[asyncio.Task[None]] = []
        self._given_up: asyncio.Future[None] | None = None

    async def __aenter__(self) -> Self:
        self._given_up = asyncio.get_running_loop().create_future()
        try:
            for start in range(0, len(self._lines), 100):
                await asyncio.gather(*(self._connect(line) for line in self._lines[start : start + 100]))
        except BaseException:
            self._abort()
            raise
        self._keepers = [
            asyncio.create_task(self._keep(line), name=f"publisher {number}") for number, line in enumerate(self._lines)
        ]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await self.drain()
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        if self._given_up is not None and not self._given_up.done():
            self._given_up.cancel()
        for line in self._lines:
            await line.close()
        self.summary.seconds = time.monotonic() - self.summary.started

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return when all messages are under way."""
        first = self.summary.messages
        self.summary.messages += len(messages)
        if len(self._lines) == 1:
            numbered = [(first + i, topic, payload) for i, (topic, payload) in enumerate(messages)]
            await self._or_failure(self._lines[0].send(numbered))
            return
        shares: dict[int, list[tuple[int, str, bytes]]] = {}
        lines = len(self._lines)
        for i, (topic, payload) in enumerate(messages):
            van = topic.rsplit("/", 1)[0]
            shares.setdefault(zlib.crc32(van.encode()) % lines, []).append((first + i, topic, payload))
        await asyncio.gather(*(self._or_failure(self._lines[at].send(share)) for at, share in shares.items()))

    async def drain(self) -> None:
        """Return when everything sent has been acknowledged."""
        for line in self._lines:
            await self._or_failure(line.drained())

    async def _or_failure(self, work: Coroutine[None, None, None]) -> None:
        """Wait for the work, or for a keeper that has given up."""
        assert self._given_up is not None  # noqa: S101  # set by __aenter__
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task, self._given_up], return_when=asyncio.FIRST_COMPLETED)
            if self._given_up.done():
                self._given_up.result()
            await task
        finally:
            task.cancel()

    def _acknowledged(self, number: int) -> None:
        self.summary.acknowledged += 1
        if self._on_acknowledged is not None:
            self._on_acknowledged(number)

    async def _keep(self, line: LeanConnection) -> None:
        while True:
            await line.lost()
            self.summary.reconnects += 1
            try:
                await self._connect(line)
            except Unreachable as error:
                if self._given_up is not None and not self._given_up.done():
                    self._given_up.set_exception(error)
                return

    async def _connect(self, line: LeanConnection) -> None:
        deadline = time.monotonic() + self._give_up_s
        attempt = 0
        while True:
            try:
                await asyncio.wait_for(line.connect(self._broker.host, self._broker.port, self._broker.tls), timeout=10)
            except (OSError, Refused, TimeoutError) as error:
                if time.monotonic() > deadline:
                    raise Unreachable(f"broker {self._broker.host}:{self._broker.port}: {error}") from error
                await asyncio.sleep(_delay_s(attempt))
                attempt += 1
            else:
                return

    def _abort(self) -> None:
        for line in self._lines:
            line.abort()


def _delay_s(attempt: int) -> float:
    return RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)]


def make_sender(
    url: str,
    *,
    connections: int = 0,
    client_id: str | None = None,
    on_acknowledged: OnAcknowledged | None = None,
    give_up_s: float = 60.0,
    retain: bool = False,
) -> ClientSender | LeanSender:
    """The client sender for `connections=0`, else the lean one with that many connections."""
    broker = Broker.from_url(url)
    name = client_id or f"vanpulse-simulator-{os.getpid()}"
    if connections == 0:
        return ClientSender(broker, client_id=name, on_acknowledged=on_acknowledged, give_up_s=give_up_s, retain=retain)
    return LeanSender(
        broker,
        connections=connections,
        client_id=name,
        on_acknowledged=on_acknowledged,
        give_up_s=give_up_s,
        retain=retain,
    )


async def publish(
    messages: Iterable[Outgoing] | AsyncIterable[Sequence[Outgoing]],
    url: str = DEFAULT_URL,
    *,
    connections: int = 1,
    client_id: str | None = None,
    on_acknowledged: OnAcknowledged | None = None,
    give_up_s: float = 60.0,
) -> Summary:
    """Publish at QoS 1 and return when the broker has acknowledged everything.

    `messages` are single messages, or (asynchronously) batches of them. `on_acknowledged` gets the number of each
    acknowledged message, counted from 0 in the order given. Raises `Unreachable` after `give_up_s` without a broker.
    """
    sender = make_sender(
        url, connections=connections, client_id=client_id, on_acknowledged=on_acknowledged, give_up_s=give_up_s
    )
    async with sender:
        if isinstance(messages, AsyncIterable):
            async for some in messages:
                await sender.send(some)
        else:
            batch: list[Outgoing] = []
            for message in messages:
                batch.append(message)
                if len(batch) == BATCH_MESSAGES:
                    await sender.send(batch)
                    batch = []
            await sender.send(batch)
        await sender.drain()
    return sender.summary
