from datetime import UTC
from zoneinfo import ZoneInfo

import pytest

from dashboards.live import units


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (None, 1, "–"),
        (0.0, 1, "0.0"),
        (-0.04, 1, "0.0"),
        (-1.25, 1, "−1.2"),
        (1234567.0, 0, "1,234,567"),
        (9.96, 1, "10.0"),
    ],
)
def test_number(value: float | None, digits: int, text: str) -> None:
    assert units.number(value, digits) == text


@pytest.mark.parametrize(
    ("grams", "figure"),
    [(None, ("–", "kg")), (0.0, ("0.0", "kg")), (535_000.0, ("535.0", "kg")), (12_340_000.0, ("12.3", "t"))],
)
def test_kilograms(grams: float | None, figure: tuple[str, str]) -> None:
    assert units.kilograms(grams) == figure


@pytest.mark.parametrize(
    ("value", "figure"),
    [(None, ("–", "B")), (0, ("0", "B")), (1536, ("1.5", "KiB")), (1 << 30, ("1.0", "GiB")), (1 << 40, ("1.0", "TiB"))],
)
def test_bytes(value: float | None, figure: tuple[str, str]) -> None:
    assert units.bytes_(value) == figure


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (59.4, "59 s"), (60, "1 min"), (3660, "1 h 01"), (90_000, "1 d 1 h")]
)
def test_age(seconds: float, text: str) -> None:
    assert units.age(seconds) == text


def test_times_are_in_the_zone_that_is_set() -> None:
    noon_ms = 1_795_345_200_000  # 2026-11-22T11:00:00Z
    assert units.clock(noon_ms, ZoneInfo("Europe/Berlin")) == "12:00"
    assert units.day(noon_ms, UTC) == "Sunday, 22 November 2026"
    assert units.zone_name(noon_ms, ZoneInfo("Europe/Berlin")) == "Europe/Berlin (UTC+01:00)"
    assert units.zone_name(noon_ms, ZoneInfo("UTC")) == "UTC"
