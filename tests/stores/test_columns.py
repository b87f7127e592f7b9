"""Columns of a closed day: what comes out is what went in, and damage is noticed."""

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.stores.columns import ABSENT, DamagedDay, decode, encode

INT64 = st.integers(-(2**63), 2**63 - 1)
COLUMN = st.one_of(st.lists(INT64, max_size=20), st.lists(st.integers(-300, 300) | st.just(ABSENT), max_size=40))


def decoded(content: bytes) -> dict[str, list[int | None]]:
    count, columns = decode(content)
    found = {name: list(values) for name, values in columns.items()}
    assert all(len(values) == count for values in found.values())
    return found


@given(COLUMN, st.lists(INT64, min_size=1, max_size=3))
def test_columns_come_back(values: list[int], few: list[int]) -> None:
    other = [few[number % len(few)] for number in range(len(values))]
    wanted = {
        name: [None if each == ABSENT else each for each in column]
        for name, column in (("a", values), ("b", other))
        if any(each != ABSENT for each in column)
    }
    assert decoded(encode({"a": array("q", values), "b": array("q", other)})) == wanted


def test_a_steady_day_takes_next_to_nothing() -> None:
    """A reading each 10 s of a parked van: 8,640 times and a constant."""
    times = array("q", range(0, 86_400_000, 10_000))
    content = encode({"time_ms": times, "soc_pct": array("q", [80_000] * len(times))})
    assert len(content) < 100
    assert decoded(content)["time_ms"] == list(times)


@given(st.data())
def test_a_changed_or_missing_byte_is_noticed(data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 10**6), min_size=2, max_size=30, unique=True))
    content = encode({"a": array("q", values)})
    place = data.draw(st.integers(0, len(content) - 1))
    changed = bytearray(content)
    changed[place] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(changed), content[:place]):
        try:
            found = decoded(damaged)
        except DamagedDay:
            continue
        # Some bits of a zlib header mean nothing.
        assert found == {"a": values}


@pytest.mark.parametrize("content", [b"", b"\x02rest", b"\x01", b"\x01not zlib"])
def test_other_bytes_are_damage(content: bytes) -> None:
    with pytest.raises(DamagedDay):
        decode(content)
