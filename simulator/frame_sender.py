"""Sending as a van with its own modem does: GB/T 32960 over TCP, one connection for each van.

The reports come from `simulator.dialects.gbt32960`, as JSON, and are written as frames here. The encoder shares no code
with the agent's decoder. A van signs in, sends one report, waits for the answer and sends the next. What is not
answered is sent again on a new connection.
"""

import asyncio
import contextlib
import functools
import operator
import time
from collections.abc import Sequence
from struct import pack
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from simulator.broker import Broker, OnAcknowledged, Outgoing, SendSummary, Unreachable, delay_s

LOGIN: Final = 0x01
COMMAND: Final = 0xFE
SUCCESS: Final = 0x01
HEAD_BYTES: Final = 24
ANSWER_S: Final = 30.0
"""Without an answer after this time the connection is considered broken."""
WAITING_REPORTS: Final = 64
"""Reports of one van that wait; `send` waits then."""
_STARTS: Final = {2016: b"##", 2025: b"$$"}


def frame(edition: int, command: int, vin: str, data: bytes) -> bytes:
    """A frame without encryption; the last byte is the exclusive or of all bytes from the command on."""
    content = pack(">BB17sBH", command, COMMAND, vin.encode(), 1, len(data)) + data
    return _STARTS[edition] + content + bytes((functools.reduce(operator.xor, content),))


def report_frame(edition: int, payload: bytes) -> bytes:
    """The frame of a report that is JSON as EMQX's gateway publishes it."""
    report = msgspec.json.decode(payload)
    data = _time(report["Data"]["Time"]) + b"".join(_block(edition, block) for block in report["Data"]["Infos"])
    return frame(edition, report["Cmd"], report["Vin"], data)


def login_frame(edition: int, vin: str, clock: dict[str, int], number: int) -> bytes:
    """A login without codes of battery packs."""
    packs = b"\0\0" if edition == 2016 else b"\0"
    return frame(edition, LOGIN, vin, _time(clock) + pack(">H20s", number, b"89860000000000000000") + packs)


def _time(clock: dict[str, int]) -> bytes:
    return bytes(clock[key] for key in ("Year", "Month", "Day", "Hour", "Minute", "Second"))


def _block(edition: int, block: dict[str, Any]) -> bytes:
    """The bytes of one block. A block that the edition does not have is left out."""
    match block["Type"]:
        case "Vehicle":
            keys = ("Status", "Charging", "Mode", "Speed", "Mileage", "Voltage", "Current", "SOC", "DC", "Gear")
            body = pack(">BBBBHIHHBBBH", 0x01, *(block[key] for key in keys), block["Resistance"])
            return body + (bytes((block["AcceleratorPedal"], block["BrakePedal"])) if edition == 2016 else b"")
        case "Location":
            system = b"" if edition == 2016 else b"\x01"
            place = pack(">II", block["Longitude"], block["Latitude"])
            return bytes((0x05, block["Status"])) + system + place
        case "Extreme" if edition == 2016:
            cells = pack(">BBHBBH", 1, 1, 3700, 1, 2, 3690)
            return b"\x06" + cells + bytes((1, 1, block["MaxTemp"], 1, 2, block["MinTemp"]))
        case "Extreme":
            return b"\x08" + pack(">BBHBB", 1, 1, 2, block["MaxTemp"], block["MinTemp"])
        case other:
            raise ValueError(f"no bytes are known for a block {other!r}")


class _Van:
    """The connection of one van, and what waits for it."""

    def __init__(self, vin: str) -> None:
        self.vin = vin
        self.waiting: asyncio.Queue[tuple[int, bytes]] = asyncio.Queue(WAITING_REPORTS)
        self.logins = 0


class FrameSender:
    """Implements `Sender`. Messages are those of the dialect `gbt32960`; their topic names the VIN."""

    def __init__(
        self,
        broker: Broker,
        *,
        edition: int = 2016,
        on_acknowledged: OnAcknowledged | None = None,
        give_up_s: float = 60.0,
    ) -> None:
        self.summary = SendSummary()
        self._broker = broker
        self._edition = edition
        self._on_acknowledged = on_acknowledged
        self._give_up_s = give_up_s
        self._vans: dict[str, _Van] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.drain()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self.summary.seconds = time.monotonic() - self.summary.started

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return when all messages wait for their connections or have been sent."""
        for topic, payload in messages:
            vin = topic.split("/")[1]
            van = self._vans.get(vin)
            if van is None:
                van = self._vans[vin] = _Van(vin)
                self._tasks.append(asyncio.create_task(self._drive(van), name=f"van {vin}"))
            number = self.summary.messages
            self.summary.messages += 1
            await self._unless_failed(van.waiting.put((number, payload)))

    async def drain(self) -> None:
        """Return when everything sent has been answered."""
        for van in self._vans.values():
            await self._unless_failed(van.waiting.join())

    async def _unless_failed(self, waiting: Any) -> None:
        """Wait; raise what a van's task has raised meanwhile."""
        wait = asyncio.ensure_future(waiting)
        await asyncio.wait([wait, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in self._tasks:
            if task.done():
                wait.cancel()
                task.result()
        await wait

    async def _drive(self, van: _Van) -> None:
        """Send what waits, one report at a time, over as many connections as that takes."""
        number, payload = await van.waiting.get()
        deadline_s = time.monotonic() + self._give_up_s
        attempt = 0
        while True:
            try:
                async with self._connected(van, msgspec.json.decode(payload)["Data"]["Time"]) as (reader, writer):
                    while True:
                        await _ask(reader, writer, report_frame(self._edition, payload))
                        attempt = 0
                        self.summary.acknowledged += 1
                        if self._on_acknowledged is not None:
                            self._on_acknowledged(number)
                        van.waiting.task_done()
                        number, payload = await van.waiting.get()
                        deadline_s = time.monotonic() + self._give_up_s
            except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
                if time.monotonic() > deadline_s:
                    place = f"{self._broker.host}:{self._broker.port}"
                    raise Unreachable(f"{place}, van {van.vin}: {error or type(error).__name__}") from error
                self.summary.reconnects += 1
                await asyncio.sleep(delay_s(attempt))
                attempt += 1

    @contextlib.asynccontextmanager
    async def _connected(self, van: _Van, clock: dict[str, int]) -> Any:
        """A connection on which the van has signed in."""
        broker = self._broker
        reader, writer = await asyncio.open_connection(broker.host, broker.port, ssl=broker.tls)
        try:
            van.logins = van.logins % 65_531 + 1
            await _ask(reader, writer, login_frame(self._edition, van.vin, clock, van.logins))
            yield reader, writer
        finally:
            writer.close()


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: bytes) -> None:
    """Send a frame and read its answer. Raises `OSError` for a refusal."""
    writer.write(asked)
    async with asyncio.timeout(ANSWER_S):
        await writer.drain()
        head = await reader.readexactly(HEAD_BYTES)
        await reader.readexactly(int.from_bytes(head[22:24]) + 1)
    if head[2] != asked[2] or head[3] != SUCCESS:
        raise ConnectionAbortedError(f"command 0x{asked[2]:02X} was answered with 0x{head[3]:02X}")
