"""TeslaMate's topics."""

from typing import Any

import pytest

from agent.dialects.teslamate import TeslaMateDialect
from agent.readings import Reading
from tests.dialects.senders import ask, reason

NOW_MS = 1773065130000


@pytest.mark.parametrize(
    ("field", "text", "fields"),
    [
        ("power", "-9", {"battery_power_kw": 9.0}),
        ("battery_level", "62", {"soc_pct": 62.0}),
        ("charging_state", "Charging", {"charging": True}),
        ("charging_state", "Complete", {"charging": False}),
        ("plugged_in", "true", {"plugged_in": True}),
        ("charger_power", "11", {"charger_power_kw": 11.0}),
        ("location", '{"latitude": 52.52, "longitude": 13.4}', {"latitude_deg": 52.52, "longitude_deg": 13.4}),
        ("odometer", "12883.4", {"odometer_km": 12883.4}),
    ],
)
def test_what_a_field_means(field: str, text: str, fields: dict[str, Any]) -> None:
    dialect = TeslaMateDialect(identities={"1": "van-007"})
    assert ask(dialect, f"teslamate/cars/1/{field}", text, NOW_MS) == []
    assert list(dialect.tick(NOW_MS + 1000)) == [Reading(vehicle_id="van-007", time_ms=NOW_MS, **fields)]


@pytest.mark.parametrize(
    ("topic", "vehicle_id"),
    [
        ("teslamate/cars/1/power", "1"),
        ("teslamate/depot/cars/1/power", "van-001"),
        ("teslamate/2/cars/2/power", "2"),
    ],
)
def test_namespaces(topic: str, vehicle_id: str) -> None:
    dialect = TeslaMateDialect(identities={"depot/1": "van-001"})
    ask(dialect, topic, "5", NOW_MS)
    assert [each.vehicle_id for each in dialect.tick(NOW_MS + 1000)] == [vehicle_id]


def test_empty_is_unknown_and_not_zero() -> None:
    dialect = TeslaMateDialect(identities={})
    assert ask(dialect, "teslamate/cars/1/charger_power", "", NOW_MS) == []
    assert list(dialect.tick(NOW_MS + 1000)) == []


def test_unusable() -> None:
    assert reason(ask(TeslaMateDialect(identities={}), "teslamate/cars/1/plugged_in", "yes", NOW_MS)) == "schema"
