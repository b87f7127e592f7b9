"""Publishing with aiomqtt: MQTT 3.1.1, any broker, one connection."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

import aiomqtt

from simulator.broker import Broker, OnAcknowledged, Outgoing, SendSummary, Unreachable, delay_s

ACKNOWLEDGED_WITHIN_S: Final = 30.0
"""If a PUBACK takes longer than this, the connection is considered broken."""


class ClientSender:
    """Sends with aiomqtt over one MQTT 3.1.1 connection, with a sliding window of messages in flight."""

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
        self.summary = SendSummary()
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
        """Return when all messages have been sent."""
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
        """Wait until at least one message is acknowledged. If the connection breaks, reconnect and send again."""
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
        """Open a new connection and send all unacknowledged messages again, in order."""
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
                await asyncio.sleep(delay_s(attempt))
                attempt += 1
            else:
                return
