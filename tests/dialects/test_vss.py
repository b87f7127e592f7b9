"""COVESA VSS paths, as a JSON object and as topics."""

import json
from typing import Any

import pytest

from agent.dialects.vss import VIN, VssDialect
from agent.errors import Rejected
from agent.readings import Reading
from tests.dialects.senders import ask, reason

NOW_MS = 1773065130000
BATTERY = "Vehicle.Powertrain.TractionBattery."


def vss(**identities: str) -> VssDialect:
    return VssDialect(identities=identities)


@pytest.mark.parametrize(
    ("paths", "fields"),
    [
        ({f"{BATTERY}CurrentPower": -18500}, {"battery_power_kw": -18.5}),
        (
            {f"{BATTERY}CurrentCurrent": -46.8, f"{BATTERY}CurrentVoltage": 395.2},
            {"current_a": -46.8, "voltage_v": 395.2},
        ),
        ({"Vehicle.TraveledDistance": 12883400}, {"odometer_km": 12883.4}),
        ({f"{BATTERY}StateOfCharge.Displayed": 62.5, f"{BATTERY}StateOfCharge.Current": 60}, {"soc_pct": 62.5}),
        ({f"{BATTERY}StateOfCharge.Current": 60}, {"soc_pct": 60.0}),
        ({f"{BATTERY}Range": 188000, "Vehicle.Powertrain.Range": 500000}, {"range_km": 188.0}),
        ({"Vehicle.Powertrain.Range": 188000}, {"range_km": 188.0}),
        ({f"{BATTERY}Temperature.Min": 20, f"{BATTERY}Temperature.Max": 25}, {"battery_temp_c": 22.5}),
        (
            {f"{BATTERY}Temperature.Average": 21, f"{BATTERY}Temperature.Min": 1, f"{BATTERY}Temperature.Max": 2},
            {"battery_temp_c": 21.0},
        ),
        ({f"{BATTERY}AccumulatedConsumedEnergy": 900.5}, {"energy_out_total_kwh": 900.5}),
        (
            {f"{BATTERY}AccumulatedChargedEnergy": 800.0, "Vehicle.Powertrain.AccumulatedBrakingEnergy": 150.5},
            {"energy_in_total_kwh": 950.5},
        ),
        ({f"{BATTERY}Charging.IsCharging": True}, {"charging": True}),
        (
            {
                f"{BATTERY}Charging.ChargingPort.FrontLeft.IsChargingCableConnected": False,
                f"{BATTERY}Charging.ChargingPort.RearRight.IsChargingCableConnected": True,
            },
            {"plugged_in": True},
        ),
        ({"Vehicle.CurrentOverallWeight": 2650, "Vehicle.CurbWeight": 2200}, {"payload_kg": 450.0}),
        (
            {"Vehicle.CurrentLocation.Latitude": 52.5, "Vehicle.CurrentLocation.Longitude": 13},
            {"latitude_deg": 52.5, "longitude_deg": 13.0},
        ),
        ({"Vehicle.Speed": 41.5, "Vehicle.CurrentLocation.Heading": 90}, {"speed_kmh": 41.5, "heading_deg": 90.0}),
    ],
)
def test_paths(paths: dict[str, Any], fields: dict[str, Any]) -> None:
    (reading,) = ask(vss(), "vss/van-007", json.dumps(paths | {"time": NOW_MS - 500}), NOW_MS)
    assert reading == Reading(vehicle_id="van-007", time_ms=NOW_MS - 500, **fields)


def test_paths_as_topics() -> None:
    dialect = vss()
    ask(dialect, "vss/van-007/Vehicle/Speed", "41.5", NOW_MS)
    ask(dialect, f"vss/van-007/{BATTERY.replace('.', '/')}CurrentPower", "-18500", NOW_MS)
    ask(dialect, f"vss/van-007/{BATTERY.replace('.', '/')}Charging/IsCharging", "false", NOW_MS)
    assert list(dialect.tick(NOW_MS + 1000)) == [
        Reading(vehicle_id="van-007", time_ms=NOW_MS, speed_kmh=41.5, battery_power_kw=-18.5, charging=False)
    ]


def test_one_kind_of_state_of_charge_per_van() -> None:
    dialect = vss()
    both = {f"{BATTERY}StateOfCharge.Displayed": 62, f"{BATTERY}StateOfCharge.Current": 60}
    one = {f"{BATTERY}StateOfCharge.Current": 59, "Vehicle.Speed": 1}
    (first,) = ask(dialect, "vss/van-007", json.dumps(both), NOW_MS)
    (then,) = ask(dialect, "vss/van-007", json.dumps(one), NOW_MS)
    assert (first.soc_pct, then.soc_pct) == (62.0, None)
    again = vss()
    again.restore(dialect.changed())
    assert ask(again, "vss/van-007", json.dumps(one), NOW_MS) == [then]


@pytest.mark.parametrize(
    ("extra", "retained", "time_ms", "stale"),
    [
        ({"time": NOW_MS - 7}, False, NOW_MS - 7, False),
        ({"time": "2026-03-09T14:05:30Z"}, True, NOW_MS, False),
        ({"Vehicle.CurrentLocation.Timestamp": "2026-03-09T14:05:29Z"}, False, NOW_MS - 1000, False),
        ({}, False, NOW_MS, False),
        ({}, True, NOW_MS, True),
    ],
)
def test_times(extra: dict[str, Any], retained: bool, time_ms: int, stale: bool) -> None:
    payload = json.dumps({"Vehicle.Speed": 5} | extra)
    (reading,) = ask(vss(), "vss/van-007", payload, NOW_MS, retained=retained)
    assert (reading.time_ms, reading.stale) == (time_ms, stale)


def test_an_array_of_buffered_objects() -> None:
    content = [{"time": NOW_MS, "Vehicle.Speed": 2}, {"time": NOW_MS - 9, "Vehicle.Speed": 1}, {"Vehicle.Speed": True}]
    first, second, bad = ask(vss(), "vss/van-007", json.dumps(content), NOW_MS)
    assert (first.speed_kmh, second.speed_kmh) == (1.0, 2.0)
    assert isinstance(bad, Rejected)


@pytest.mark.parametrize(
    ("topic", "identities", "vin", "expected"),
    [
        ("van-007", {}, "WF0TEST", "van-007"),
        ("van-007", {"WF0TEST": "van-007"}, "WF0TEST", "van-007"),
        ("WF0TEST", {"WF0TEST": "van-007"}, "WF0TEST", "van-007"),
        ("van-007", {"WF0TEST": "van-008"}, "WF0TEST", "identity_mismatch"),
        ("van-007", {}, 5, "schema"),
        ("van 7", {}, None, "unknown_vehicle"),
    ],
)
def test_who_it_is(topic: str, identities: dict[str, str], vin: object, expected: str) -> None:
    (item,) = ask(
        vss(**identities), f"vss/{topic}", json.dumps({"Vehicle.Speed": 1} | ({VIN: vin} if vin else {})), NOW_MS
    )
    assert (item.reason if isinstance(item, Rejected) else item.vehicle_id) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", "malformed"),
        ('{"Vehicle.Speed": NaN}', "malformed"),
        ('{"Vehicle.Speed": 1, "Vehicle.Speed": 2}', "malformed"),
        ("5", "schema"),
        ("[]", "schema"),
        ("{}", "schema"),
        ('{"Vehicle.Cabin.Lights": 5}', "schema"),
        ('{"Vehicle.Speed": "5"}', "schema"),
        ('{"Vehicle.Speed": true}', "schema"),
        ('{"Vehicle.Speed": null}', "schema"),
        ('{"Vehicle.Speed": 1' + "0" * 400 + "}", "out_of_range"),
        ('{"Vehicle.Speed": 1e400}', "out_of_range"),
        ('{"Vehicle.Speed": 301}', "out_of_range"),
        ('{"Vehicle.Speed": 1, "time": 5}', "too_old"),
        ('{"Vehicle.Speed": 1, "time": 1873065130000}', "in_future"),
        (f'{{"{BATTERY}Charging.IsCharging": 1}}', "schema"),
    ],
)
def test_unusable(payload: str, expected: str) -> None:
    assert reason(ask(vss(), "vss/van-007", payload, NOW_MS)) == expected


def test_more_objects_than_allowed_are_oversize() -> None:
    dialect = VssDialect(identities={}, max_elements=1)
    assert reason(ask(dialect, "vss/van-007", '[{"Vehicle.Speed": 1}, {"Vehicle.Speed": 1}]', NOW_MS)) == "oversize"
