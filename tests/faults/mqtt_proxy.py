"""A TCP proxy with faults: it splits, merges, delays and stalls bytes, resets connections, and leaves them half open.

    async with MqttProxy(broker.port, seed=7) as proxy:
        proxy.conditions = SPLIT         # from now on, for old and new connections
        await proxy.reset()              # end every connection with a RST
        await proxy.half_open()          # the broker's side is gone, the client is not told

`ThreadedProxy` is the same for programs without an event loop.
"""

import asyncio
import random
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Literal, Self, TypeVar

Direction = Literal["to_broker", "to_client"]
T = TypeVar("T")
BOTH: Final[frozenset[Direction]] = frozenset({"to_broker", "to_client"})
POLL_S: Final = 0.01


@dataclass(frozen=True)
class Conditions:
    """What the network does to the bytes; by default it forwards them unchanged."""

    split_bytes: int = 0
    """Forward in pieces of 1 byte up to this many."""
    merge_s: float = 0.0
    """Collect bytes for this long, then forward them at once."""
    delay_s: float = 0.0
    """Forward each piece with a random delay up to this."""
    bytes_per_s: float = 0.0
    """Forward no faster than this."""
    stall: frozenset[Direction] = frozenset()
    """Forward nothing in these directions; as in TCP, the bytes follow when the stall ends."""
    reset_after_bytes: int = 0
    """Reset the connection at random, on average once in this many bytes."""


HEALTHY: Final = Conditions()
SPLIT: Final = Conditions(split_bytes=7)
MERGE: Final = Conditions(merge_s=0.05)
SLOW: Final = Conditions(delay_s=0.02)
TRICKLE: Final = Conditions(split_bytes=40, bytes_per_s=20_000.0)
BLACK_HOLE: Final = Conditions(stall=BOTH)
ONE_WAY: Final = Conditions(stall=frozenset({"to_broker"}))
RESETS: Final = Conditions(reset_after_bytes=20_000)
CONDITIONS: Final = {
    "healthy": HEALTHY,
    "split": SPLIT,
    "merge": MERGE,
    "slow": SLOW,
    "trickle": TRICKLE,
    "black_hole": BLACK_HOLE,
    "one_way": ONE_WAY,
    "resets": RESETS,
}


class _Connection:
    """Both sockets of one client, and the two tasks that move bytes between them."""

    def __init__(self, client: asyncio.StreamWriter, broker: asyncio.StreamWriter) -> None:
        self.client = client
        self.broker = broker
        self.half_open = False
        """The broker's side is closed and the client is not told."""
        self.tasks: list[asyncio.Task[None]] = []

    def reset(self) -> None:
        for writer in (self.client, self.broker):
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class MqttProxy:
    """Listens on loopback in front of a broker. With the same seed and the same reads it makes the same choices."""

    def __init__(self, broker_port: int, *, port: int = 0, seed: int = 0, conditions: Conditions = HEALTHY) -> None:
        self.port = port
        self.conditions = conditions
        self.refusing = False
        """New connections are reset at once."""
        self.count: Counter[str] = Counter()
        """Counts of connections, refused, pieces, bytes, resets, half_open, stalled and dropped."""
        self._broker_port = broker_port
        self._chance = random.Random(seed)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()

    async def start(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._on_client, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
            tasks = [task for connection in self._connections for task in connection.tasks]
            for connection in list(self._connections):
                connection.reset()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def reset(self) -> int:
        """End every connection with a RST; returns how many."""
        ended = list(self._connections)
        for connection in ended:
            connection.reset()
        self.count["resets"] += len(ended)
        await asyncio.sleep(0)
        return len(ended)

    async def half_open(self) -> int:
        """Close the broker's side of every connection without telling the clients; returns how many."""
        half_open = [connection for connection in self._connections if not connection.half_open]
        for connection in half_open:
            connection.half_open = True
            connection.broker.transport.abort()
        self.count["half_open"] += len(half_open)
        await asyncio.sleep(0)
        return len(half_open)

    async def random_faults(self, seconds: float, *, every_s: float = 1.0, calm: float = 0.3) -> None:
        """Change the conditions at random moments, sometimes reset or half open; ends `HEALTHY`."""
        end_s = asyncio.get_running_loop().time() + seconds
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            match self._chance.random():
                case share if share < calm:
                    self.conditions = HEALTHY
                case share if share < calm + 0.15:
                    await self.reset()
                case share if share < calm + 0.2:
                    await self.half_open()
                case _:
                    self.conditions = self._chance.choice(list(CONDITIONS.values()))
            await asyncio.sleep(min(left_s, self._chance.expovariate(1.0 / every_s)))
        self.conditions = HEALTHY

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.count["connections"] += 1
        try:
            if self.refusing:
                raise ConnectionRefusedError
            broker_reader, broker_writer = await asyncio.open_connection("127.0.0.1", self._broker_port)
        except OSError:
            self.count["refused"] += 1
            writer.transport.abort()
            return
        connection = _Connection(writer, broker_writer)
        self._connections.add(connection)
        connection.tasks = [
            asyncio.create_task(self._pump(connection, reader, broker_writer, "to_broker"), name="proxy to broker"),
            asyncio.create_task(self._pump(connection, broker_reader, writer, "to_client"), name="proxy to client"),
        ]
        await asyncio.wait(connection.tasks, return_when=asyncio.ALL_COMPLETED)
        self._connections.discard(connection)
        for side in (writer, broker_writer):
            side.transport.abort()

    async def _pump(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: Direction
    ) -> None:
        """Forward one direction until its end, then pass the end on."""
        try:
            while data := await reader.read(65_536):
                if self.conditions.merge_s:
                    data = await self._collect(reader, data, self.conditions.merge_s)
                await self._forward(connection, writer, data, direction)
        except OSError:
            pass
        if not (connection.half_open and direction == "to_client"):
            writer.close()

    async def _collect(self, reader: asyncio.StreamReader, data: bytes, merge_s: float) -> bytes:
        try:
            async with asyncio.timeout(merge_s):
                while more := await reader.read(65_536):
                    data += more
        except TimeoutError:
            pass
        return data

    async def _forward(
        self, connection: _Connection, writer: asyncio.StreamWriter, data: bytes, direction: Direction
    ) -> None:
        position = 0
        while position < len(data):
            conditions = self.conditions
            if direction in conditions.stall:
                self.count["stalled"] += 1
            while direction in conditions.stall:
                await asyncio.sleep(POLL_S)
                conditions = self.conditions
            if connection.half_open:
                self.count["dropped"] += 1
                return
            size = self._chance.randint(1, conditions.split_bytes) if conditions.split_bytes else len(data) - position
            piece = data[position : position + size]
            position += size
            if conditions.delay_s:
                await asyncio.sleep(self._chance.uniform(0.0, conditions.delay_s))
            if conditions.bytes_per_s:
                await asyncio.sleep(len(piece) / conditions.bytes_per_s)
            if conditions.reset_after_bytes and self._chance.random() < len(piece) / conditions.reset_after_bytes:
                self.count["resets"] += 1
                connection.reset()
                return
            writer.write(piece)
            self.count["pieces"] += 1
            self.count["bytes"] += len(piece)
            await writer.drain()
            if conditions.split_bytes:
                await asyncio.sleep(0)  # so that each piece gets a TCP segment of its own


class ThreadedProxy:
    """An `MqttProxy` with an event loop of its own in a thread; `call` runs one of its coroutine methods there."""

    def __init__(self, broker_port: int, *, port: int = 0, seed: int = 0) -> None:
        self.proxy = MqttProxy(broker_port, port=port, seed=seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mqtt proxy", daemon=True)

    @property
    def port(self) -> int:
        """Where clients connect."""
        return self.proxy.port

    def call(self, method: Callable[..., Coroutine[Any, Any, T]], *arguments: Any, **named: Any) -> T:
        """`proxied.call(proxied.proxy.reset)`: run it in the proxy's loop and return its result."""
        return self.begin(method, *arguments, **named).result(timeout=600)

    def begin(self, method: Callable[..., Coroutine[Any, Any, T]], *arguments: Any, **named: Any) -> "Future[T]":
        """As `call`, without waiting: for `storm`."""
        return asyncio.run_coroutine_threadsafe(method(*arguments, **named), self._loop)

    def __enter__(self) -> Self:
        self._thread.start()
        self.call(self.proxy.start)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.call(self.proxy.stop)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10.0)
        self._loop.close()
