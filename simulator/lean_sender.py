"""Publishing for load tests: MQTT 5 over any number of lean connections."""

import asyncio
import time
import zlib
from collections.abc import Coroutine, Sequence
from types import TracebackType
from typing import Self

from simulator.broker import Broker, OnAcknowledged, Outgoing, SendSummary, Unreachable, delay_s
from simulator.lean_connection import LeanConnection, Refused


class LeanSender:
    """Sends MQTT 5 over `connections` connections. Each van uses one of them, so that its order is kept."""

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
        self.summary = SendSummary()
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
        """Return when all messages have been sent."""
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
        """Wait for the work. Raises the error of a connection that was given up."""
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
                await asyncio.sleep(delay_s(attempt))
                attempt += 1
            else:
                return

    def _abort(self) -> None:
        for line in self._lines:
            line.abort()
