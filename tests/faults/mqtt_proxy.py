"""A TCP proxy that does to MQTT what networks do: pieces, delays, stalls, resets, connections that are only half there.

    async with MqttProxy(broker.port, seed=7) as proxy:
        proxy.weather = SPLIT            # from now on, for old and new connections
        await proxy.reset()              # end every connection with a RST
        await proxy.half_open()          # the broker's side is gone, the client is not told

`ThreadedProxy` is the same for programs without an event loop of their own.
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
class Weather:
    """What happens to the bytes on their way; the default is nothing."""

    split_bytes: int = 0
    """Forward in pieces of 1 to so many bytes."""
    merge_s: float = 0.0
    """Collect for so long, then forward all of it at once."""
    delay_s: float = 0.0
    """Forward each piece up to so much later."""
    bytes_per_s: float = 0.0
    """Forward no faster than this."""
    stall: frozenset[Direction] = frozenset()
    """Forward nothing; what came meanwhile follows when the stall ends, as TCP would have it."""
    reset_after_bytes: int = 0
    """Reset the connection after 1 to so many more bytes."""


FINE: Final = Weather()
SPLIT: Final = Weather(split_bytes=7)
MERGE: Final = Weather(merge_s=0.05)
SLOW: Final = Weather(delay_s=0.02)
TRICKLE: Final = Weather(split_bytes=40, bytes_per_s=20_000.0)
BLACK_HOLE: Final = Weather(stall=BOTH)
ONE_WAY: Final = Weather(stall=frozenset({"to_broker"}))
RESETS: Final = Weather(reset_after_bytes=20_000)
WEATHERS: Final = {
    "fine": FINE,
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
        self.deserted = False
        """The broker's side is gone and the client must not notice."""
        self.tasks: list[asyncio.Task[None]] = []

    def reset(self) -> None:
        for writer in (self.client, self.broker):
            sock = writer.get_extra_info("socket")
            if sock is not None and sock.fileno() >= 0:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class MqttProxy:
    """Listens on loopback in front of a broker. The same seed makes the same choices for the same reads."""

    def __init__(self, broker_port: int, *, port: int = 0, seed: int = 0, weather: Weather = FINE) -> None:
        self.port = port
        self.weather = weather
        self.refusing = False
        """New connections are reset at once."""
        self.count: Counter[str] = Counter()
        """What has been done: connections, refused, pieces, bytes, resets, half_open, held (looks at stalled bytes)."""
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
        """End every connection with a RST; how many there were."""
        ended = list(self._connections)
        for connection in ended:
            connection.reset()
        self.count["resets"] += len(ended)
        await asyncio.sleep(0)
        return len(ended)

    async def half_open(self) -> int:
        """Let the broker's side of every connection end, and tell the clients nothing; how many there were."""
        deserted = [connection for connection in self._connections if not connection.deserted]
        for connection in deserted:
            connection.deserted = True
            connection.broker.transport.abort()
        self.count["half_open"] += len(deserted)
        await asyncio.sleep(0)
        return len(deserted)

    async def storm(self, seconds: float, *, every_s: float = 1.0, calm: float = 0.3) -> None:
        """Change the weather at random moments, with a reset or a half-open connection now and then; ends fine."""
        end_s = asyncio.get_running_loop().time() + seconds
        while (left_s := end_s - asyncio.get_running_loop().time()) > 0:
            match self._chance.random():
                case share if share < calm:
                    self.weather = FINE
                case share if share < calm + 0.15:
                    await self.reset()
                case share if share < calm + 0.2:
                    await self.half_open()
                case _:
                    self.weather = self._chance.choice(list(WEATHERS.values()))
            await asyncio.sleep(min(left_s, self._chance.expovariate(1.0 / every_s)))
        self.weather = FINE

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
                if self.weather.merge_s:
                    data = await self._collect(reader, data, self.weather.merge_s)
                await self._forward(connection, writer, data, direction)
        except OSError:
            pass
        if not (connection.deserted and direction == "to_client"):
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
            weather = self.weather
            while direction in weather.stall:
                self.count["held"] += 1
                await asyncio.sleep(POLL_S)
                weather = self.weather
            if connection.deserted:
                return
            size = self._chance.randint(1, weather.split_bytes) if weather.split_bytes else len(data) - position
            piece = data[position : position + size]
            position += size
            if weather.delay_s:
                await asyncio.sleep(self._chance.uniform(0.0, weather.delay_s))
            if weather.bytes_per_s:
                await asyncio.sleep(len(piece) / weather.bytes_per_s)
            if weather.reset_after_bytes and self._chance.random() < len(piece) / weather.reset_after_bytes:
                self.count["resets"] += 1
                connection.reset()
                return
            writer.write(piece)
            self.count["pieces"] += 1
            self.count["bytes"] += len(piece)
            await writer.drain()
            if weather.split_bytes:
                await asyncio.sleep(0)  # else the pieces would share a segment


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
