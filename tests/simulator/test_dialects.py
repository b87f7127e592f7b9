"""The agent's dialects read the same values from what the simulator writes in each dialect."""

from typing import Any

import pytest

from agent.dialects.decoder import make_dialects
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import Reading
from simulator.dialects import DIALECTS, make_encoder
from simulator.simulation import Plan, Simulation
from simulator.vin import vin

NOW_S = 1_795_368_000
SAID: dict[str, Any] = {
    "vehicle_id": "van-007",
    "kind": "telemetry",
    "time": NOW_S * 1000,
    "seq": 1,
    "soc_pct": 62.0,
    "voltage_v": 381.5,
    "current_a": -86.5,
    "battery_power_kw": -33.0,
    "battery_temp_c": 21.0,
    "range_km": 180.0,
    "ambient_temp_c": 9.0,
    "charging": False,
    "plugged_in": False,
    "latitude_deg": -33.918861,
    "longitude_deg": -6.725523,
    "altitude_m": 140.0,
    "speed_kmh": 41.5,
    "heading_deg": 270.0,
    "odometer_km": 12883.4,
}


def heard(name: str, *said: dict[str, Any]) -> list[Reading]:
    encoder = make_encoder(name)
    options: dict[str, Any] = {"gbt32960_current_sign": "discharge"} if name == "gbt32960" else {}
    try:
        (dialect,) = make_dialects([name], identities={vin("van-007"): "van-007"}, **options)
    except TypeError:
        (dialect,) = make_dialects([name], identities={vin("van-007"): "van-007"})
    found: list[Reading] = []
    for reading in said:
        for topic, payload in encoder.encode([reading]):
            assert dialect.claims(topic), topic
            for item in dialect.decode(Message(topic, payload), reading["time"]):
                assert not isinstance(item, Rejected), item
                found.append(item)
    return found


def merged(readings: list[Reading]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for reading in readings:
        for name in Reading.__struct_fields__:
            value = getattr(reading, name)
            if value is not None:
                values[name] = value
    return values


@pytest.mark.parametrize("name", DIALECTS)
def test_the_agent_reads_what_was_said(name: str) -> None:
    # Values without a time are joined with the next ones, so the last ones are still waiting.
    later = {**SAID, "time": SAID["time"] + 10_000, "seq": 2, "soc_pct": 61.0, "speed_kmh": 40.0}
    last = {**later, "time": SAID["time"] + 20_000, "seq": 3, "speed_kmh": 35.0}
    values = merged(heard(name, SAID, later, last))
    assert values["vehicle_id"] == "van-007"
    assert values["soc_pct"] in {61.0, 62.0}
    assert values["latitude_deg"] == pytest.approx(SAID["latitude_deg"], abs=1e-6)
    assert values["longitude_deg"] == pytest.approx(SAID["longitude_deg"], abs=1e-6)
    assert values["odometer_km"] == pytest.approx(SAID["odometer_km"], abs=0.1)
    for field in ("voltage_v", "current_a", "battery_power_kw"):
        if field in values:
            assert values[field] == pytest.approx(SAID[field], rel=0.01), field
    assert values["charging"] is False


@pytest.mark.parametrize("name", DIALECTS)
def test_a_fleet_in_this_dialect_loses_nothing(name: str) -> None:
    simulation = Simulation(Plan(vans=7, seed=2, hours=0.2, live_s=NOW_S, dialect=name, clock="10:00"))
    identities = {vin(vehicle_id): vehicle_id for vehicle_id in simulation.fleet.ids}
    (dialect,) = make_dialects([name], identities=identities)
    vans = set()
    for time_s, messages in simulation.history():
        for topic, payload in messages:
            for item in dialect.decode(Message(topic, payload), time_s * 1000):
                assert not isinstance(item, Rejected), (topic, payload, item)
                vans.add(item.vehicle_id)
    assert vans == set(simulation.fleet.ids)


def test_late_reports_of_gbt32960_are_reissued() -> None:
    batch = {"vehicle_id": "van-007", "kind": "telemetry", "withheld": [SAID]}
    ((topic, payload),) = make_encoder("gbt32960").encode([batch])
    assert topic.endswith("/upstream/reinfo")
    assert b'"Cmd":3' in payload


def test_identification_numbers_are_unique() -> None:
    numbers = {vin(f"van-{number:06d}") for number in range(1, 5000)}
    assert len(numbers) == 4999
    assert all(len(number) == 17 for number in numbers)
