"""The compressed form of a closed day: columns of integers, stored as differences, in one zlib stream.

In order of time most columns change little or not at all. Each column is divided by the greatest common divisor of its
differences, stored in the narrowest integers that hold them, with equal bytes together: all lowest bytes first.
zlib's own checksum detects damage.
"""

import math
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping
from itertools import accumulate, compress, repeat
from operator import floordiv, mul, sub
from typing import Final

import msgspec

ABSENT: Final = -(2**63)
"""Marks an absent value in a column of integers."""
_FORM: Final = b"\x01"
"""The first byte of a day, which tells its form."""
_LEVEL: Final = 6
_LARGEST_BYTES: Final = 1 << 28
"""More than two readings each millisecond of a day would make; a damaged day can't take more memory than this."""
_WIDTHS: Final = (("b", 7), ("h", 15), ("i", 31), ("q", 63))
"""Type codes of arrays and the number of bits that they hold beside the sign."""


class DamagedDay(ValueError):
    """The bytes of a closed day can't be decoded."""


class _Column(msgspec.Struct, array_like=True):
    """Values `first`, `first + step * difference`, … of the points at which the column is present."""

    name: str
    present: bytes
    """One byte per point, 0 or 1. Empty: present everywhere."""
    first: int
    step: int
    """0 for a column whose values are stored themselves, since a difference needs more than 64 bits."""
    code: str
    """Type code of the integers, as in `array`. Empty: all values are the same."""
    planes: bytes


class _Day(msgspec.Struct, array_like=True):
    count: int
    columns: list[_Column]


_decoder: Final = msgspec.msgpack.Decoder(_Day)


def encode(columns: Mapping[str, "array[int]"]) -> bytes:
    """Columns of equally many 64-bit integers by name, `ABSENT` for none, in compressed form."""
    count = max(map(len, columns.values()), default=0)
    encoded = [column for name, values in columns.items() if (column := _encode(name, values)) is not None]
    return _FORM + zlib.compress(msgspec.msgpack.encode(_Day(count, encoded)), _LEVEL)


def decode(content: bytes) -> tuple[int, dict[str, Iterator[int | None]]]:
    """The number of points, and each column by name. A column that is not there is absent everywhere.

    The values are made while they are read. Raises `DamagedDay`.
    """
    if content[:1] != _FORM:
        raise DamagedDay(f"form {content[:1]!r} is not known")
    try:
        stream = zlib.decompressobj()
        day = _decoder.decode(stream.decompress(content[1:], _LARGEST_BYTES))
        if not stream.eof:
            raise DamagedDay("its end is missing")
        return day.count, {column.name: _decode(column, day.count) for column in day.columns}
    except (zlib.error, msgspec.MsgspecError, ValueError, OverflowError) as error:
        raise DamagedDay(str(error)) from error


def _encode(name: str, values: "array[int]") -> _Column | None:
    absent = values.count(ABSENT)
    present = b""
    if absent == len(values):
        return None
    if absent:
        present = bytes(value != ABSENT for value in values)
        values = array("q", compress(values, present))
    first = values[0]
    if min(values) == max(values):
        return _Column(name, present, first, 1, "", b"")
    differences = list(map(sub, values[1:], values))
    step = math.gcd(*differences)
    if step > 1:
        differences = list(map(floordiv, differences, repeat(step)))
    bits = max(max(differences).bit_length(), min(differences).bit_length())
    for code, held in _WIDTHS:
        if bits <= held:
            return _Column(name, present, first, step, code, _planes(array(code, differences)))
    return _Column(name, present, first, 0, "q", _planes(values))


def _decode(column: _Column, count: int) -> Iterator[int | None]:
    number = column.present.count(1) if column.present else count
    if column.present and len(column.present) != count:
        raise DamagedDay(f"{column.name}: {len(column.present)} of {count} points")
    values: Iterator[int] = repeat(column.first, number)
    if column.code:
        stored = _from_planes(column.code, column.planes)
        if len(stored) != (number if column.step == 0 else number - 1):
            raise DamagedDay(f"{column.name}: {len(stored)} values for {number} points")
        values = iter(stored)
        if column.step:
            steps = values if column.step == 1 else map(mul, values, repeat(column.step))
            values = accumulate(steps, initial=column.first)
    return (next(values) if there else None for there in column.present) if column.present else values


def _planes(values: "array[int]") -> bytes:
    """All lowest bytes, then all second bytes, and so on."""
    content = _little_endian(values).tobytes()
    return b"".join(content[place :: values.itemsize] for place in range(values.itemsize))


def _from_planes(code: str, planes: bytes) -> "array[int]":
    values = array(code)
    width = values.itemsize
    count, rest = divmod(len(planes), width)
    if rest:
        raise DamagedDay("a value is cut")
    content = bytearray(len(planes))
    for place in range(width):
        content[place::width] = planes[place * count : (place + 1) * count]
    values.frombytes(content)
    return _little_endian(values)


def _little_endian(values: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        values = values[:]
        values.byteswap()
    return values
