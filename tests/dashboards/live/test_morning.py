from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from dashboards.live.fleet_view import LatestVan
from dashboards.live.morning import next_morning_ms, outlook

NOW_MS = int(datetime(2026, 11, 22, 20, 0, tzinfo=UTC).timestamp() * 1000)
MORNING_MS = NOW_MS + 10 * 3_600_000


def van(
    state: str | None, soc_pct: float | None, power_kw: float | None = None, capacity_kwh: float | None = 50.0
) -> LatestVan:
    fields = {"state": state, "power_kw": power_kw, "usable_capacity_kwh": capacity_kwh}
    energy = {"time_ms": NOW_MS, **{name: value for name, value in fields.items() if value is not None}}
    battery = {"time_ms": NOW_MS, "soc_pct": soc_pct} if soc_pct is not None else {}
    return LatestVan(vehicle_id="a", energy=energy, battery=battery)


@pytest.mark.parametrize(
    ("title", "subject", "verdict", "at_risk", "then_pct"),
    [
        ("11 kW fill 50 kWh long before morning", van("charging", 20.0, -11.0), "on time", False, 100.0),
        ("1 kW does not", van("charging", 20.0, -1.0), "late", True, 40.0),
        ("parked and low, nobody plugged it in", van("parked", 30.0, 0.1), "not charging", True, 30.0),
        ("parked and full enough", van("parked", 85.0, 0.1), "ready", False, 85.0),
        ("offline and low is nobody's charge", van("offline", 30.0), "not charging", True, 30.0),
        ("on the road it has to come back first", van("driving", 30.0, 12.0), "out", False, 30.0),
        ("charging at a power nobody knows", van("charging", 30.0), "unknown", False, 30.0),
        ("a pack of unknown size cannot be foretold", van("charging", 30.0, -11.0, None), "unknown", False, 30.0),
        ("no state of charge", van("parked", None), "unknown", False, None),
    ],
)
def test_outlook(title: str, subject: LatestVan, verdict: str, at_risk: bool, then_pct: float | None) -> None:
    one = outlook(subject, NOW_MS, MORNING_MS)
    assert (one.verdict, one.at_risk) == (verdict, at_risk)
    assert one.soc_then_pct == (None if then_pct is None else pytest.approx(then_pct))


def test_the_moment_it_is_full_enough() -> None:
    one = outlook(van("charging", 20.0, -10.0), NOW_MS, MORNING_MS)
    assert one.full_enough_ms == NOW_MS + 3 * 3_600_000  # 60 % of 50 kWh at 10 kW


def test_above_ninety_percent_it_takes_twice_as_long() -> None:
    one = outlook(van("charging", 90.0, -5.0), NOW_MS, NOW_MS + 3_600_000)
    assert one.soc_then_pct == pytest.approx(95.0)


def test_the_battery_says_the_power_when_energy_does_not() -> None:
    subject = van("charging", 20.0)
    subject.battery["battery_power_kw"] = 7.0
    assert outlook(subject, NOW_MS, MORNING_MS).power_kw == 7.0


@pytest.mark.parametrize(
    ("now", "morning"),
    [
        ("2026-11-22T20:00:00+01:00", "2026-11-23T06:00:00+01:00"),
        ("2026-11-22T05:59:00+01:00", "2026-11-22T06:00:00+01:00"),
        ("2026-11-22T06:00:00+01:00", "2026-11-23T06:00:00+01:00"),
        ("2026-03-28T20:00:00+01:00", "2026-03-29T06:00:00+02:00"),
    ],
)
def test_next_morning(now: str, morning: str) -> None:
    now_ms, morning_ms = (int(datetime.fromisoformat(text).timestamp() * 1000) for text in (now, morning))
    assert next_morning_ms(now_ms, ZoneInfo("Europe/Berlin")) == morning_ms
