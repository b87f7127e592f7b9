"""The blocks of a report, as raw integers by the names that EMQX's gateway gives them.

A data unit is the time, six bytes, and any number of blocks: one byte for the type, then a body. A body states no
length, so all that follows a block of an unknown type is lost. Blocks without a meaning for us are passed over.
Layouts: GB/T 32960.3-2016, clause 7.2; for the edition of 2025 the parser of emqx/emqx, `apps/emqx_gateway_gbt32960`.
"""

import struct
from collections.abc import Callable
from typing import Any, Final

from agent.dialects.gbt32960_frame import TIME_BYTES
from agent.errors import Rejected

Block = dict[str, Any]
Body = Callable[[bytes, int], tuple[Block | None, int]]
"""Reads the body that begins at this place: the block, None if it has no meaning for us, and where the body ends."""

MAX_BLOCKS: Final = 256
ABNORMAL: Final = 254
_TIME_KEYS: Final = ("Year", "Month", "Day", "Hour", "Minute", "Second")
_VEHICLE_KEYS: Final = (
    "Status",
    "Charging",
    "Mode",
    "Speed",
    "Mileage",
    "Voltage",
    "Current",
    "SOC",
    "DC",
    "Gear",
    "Resistance",
)


def time_and_blocks(data: bytes, edition: int) -> tuple[dict[str, int], list[Block]]:
    """The time of a report and its blocks. Raises `Rejected` where the data unit ends within a block."""
    if len(data) < TIME_BYTES:
        raise Rejected("schema", f"the data unit has {len(data)} bytes and no time")
    time = dict(zip(_TIME_KEYS, data[:TIME_BYTES], strict=True))
    bodies = _BODIES[edition]
    blocks: list[Block] = []
    at = TIME_BYTES
    while at < len(data) and len(blocks) < MAX_BLOCKS:
        body = bodies.get(data[at])
        if body is None:
            break
        try:
            block, end = body(data, at + 1)
        except (struct.error, IndexError):
            raise Rejected("schema", f"the data unit ends within a block of type 0x{data[at]:02X}") from None
        if end > len(data):
            raise Rejected("schema", f"the data unit ends within a block of type 0x{data[at]:02X}")
        if block is not None:
            blocks.append(block)
        at = end
    return time, blocks


def _record(kind: str, layout: str, keys: tuple[str, ...], *, unread: int = 0) -> Body:
    """A body of fixed fields; `unread` bytes follow them."""
    fields = struct.Struct(layout)

    def read(data: bytes, at: int) -> tuple[Block, int]:
        block: Block = {"Type": kind, **dict(zip(keys, fields.unpack_from(data, at), strict=True))}
        return block, at + fields.size + unread

    return read


def _passed_over(length: int) -> Body:
    """A body of fixed length without a meaning for us."""
    return lambda _data, at: (None, at + length)


def _count(raw: int) -> int:
    """How many items follow. 254 and 255 mean "abnormal" and "invalid": none do."""
    return raw if raw < ABNORMAL else 0


def _list_passed_over(item_bytes: int) -> Body:
    """A body of items of fixed length, with their number before them."""
    return lambda data, at: (None, at + 1 + _count(data[at]) * item_bytes)


def _u16(data: bytes, at: int) -> int:
    return data[at] << 8 | data[at + 1]


def _fuel_cell_2016(data: bytes, at: int) -> tuple[None, int]:
    return None, at + 8 + _u16(data, at + 6) + 10


def _alarm(lists: tuple[int, ...]) -> Body:
    """Level and flags, then lists of faults with items of these lengths."""

    def read(data: bytes, at: int) -> tuple[None, int]:
        at += 5
        for item_bytes in lists:
            at += 1 + _count(data[at]) * item_bytes
        return None, at

    return read


def _cell_voltages_2016(data: bytes, at: int) -> tuple[None, int]:
    number, at = _count(data[at]), at + 1
    for _ in range(number):
        at += 10 + data[at + 9] * 2
    return None, at


def _cell_voltages_2025(data: bytes, at: int) -> tuple[None, int]:
    number, at = _count(data[at]), at + 1
    for _ in range(number):
        at += 7 + _u16(data, at + 5) * 2
    return None, at


def _temperatures(kind: str) -> Body:
    """The temperature probes of each pack."""

    def read(data: bytes, at: int) -> tuple[Block, int]:
        number, at = _count(data[at]), at + 1
        packs = []
        for _ in range(number):
            end = at + 3 + _u16(data, at + 1)
            packs.append({"ProbesTemp": list(data[at + 3 : end])})
            at = end
        return {"Type": kind, "SubSystems": packs}, at

    return read


_BODIES: Final[dict[int, dict[int, Body]]] = {
    2016: {
        0x01: _record("Vehicle", ">BBBHIHHBBBH", _VEHICLE_KEYS, unread=2),
        0x02: _list_passed_over(12),
        0x03: _fuel_cell_2016,
        0x04: _passed_over(5),
        0x05: _record("Location", ">BII", ("Status", "Longitude", "Latitude")),
        0x06: _record("Extreme", ">8xxxBxxB", ("MaxTemp", "MinTemp")),
        0x07: _alarm((4, 4, 4, 4)),
        0x08: _cell_voltages_2016,
        0x09: _temperatures("ChargeableTemp"),
    },
    2025: {
        0x01: _record("Vehicle", ">BBBHIHHBBBH", _VEHICLE_KEYS),
        0x02: _list_passed_over(10),
        0x03: _passed_over(12),
        0x04: _passed_over(2),
        0x05: _record("Location", ">BBII", ("Status", "CoordinateSystem", "Longitude", "Latitude")),
        0x06: _alarm((4, 4, 4, 4, 2)),
        0x07: _cell_voltages_2025,
        0x08: _temperatures("TempOfPowerBattery"),
    },
}
