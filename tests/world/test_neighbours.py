"""A van that sends bad messages under its own name. The figures of another van are the same as without it."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from agent.points.measurements import MEASUREMENTS
from tests.world.history import RAW, History, live
from tests.world.senders import START_MS, Message
from tests.world.van import COUNTERS, FLAGS, HOUR, MINUTE, Van, charge, drive, play, rest

ALL = '["native", "ovms", "saic", "teslamate", "vss", "gbt32960"]'
LIFE = [
    rest(10 * MINUTE, every_s=MINUTE),
    drive(24, every_s=MINUTE),
    rest(20 * MINUTE, every_s=MINUTE),
    charge(HOUR, kw=11, every_s=2 * MINUTE),
    rest(20 * MINUTE, every_s=5 * MINUTE),
]
BAD = {"soc_pct": 3.0, "latitude_deg": -48.0, "longitude_deg": -11.0, "odometer_km": 999999.0, "charging": True}


def at(time_s: float, **fields: Any) -> dict[str, Any]:
    return {"time": START_MS + round(time_s * 1000), **BAD, **fields}


def gbt(time_s: float, vin: str) -> str:
    infos = [{"Type": "Vehicle", "SOC": 3, "Mileage": 9999999, "Speed": 2200, "Charging": 1}]
    time = {"Year": 26, "Month": 11, "Day": 18, "Hour": 19, "Minute": 7 + int(time_s) // 60 % 50, "Second": 30}
    return json.dumps({"Cmd": 2, "Encrypt": 1, "Vin": vin, "Data": {"Time": time, "Infos": infos}})


ATTACKS = {
    "it names the other in its payload": lambda s: ("vans/evil/telemetry", json.dumps(at(s, vehicle_id="van-1"))),
    "it floods arrays of 5000 elements, all of them bad": lambda s: ("vans/evil/telemetry", f"[{'1,' * 4999}1]"),
    "it sends an array in which good and bad elements name the other": lambda s: (
        "vans/evil/telemetry",
        json.dumps([at(s), at(s + 1, vehicle_id="van-1"), "x", at(s + 2)]),
    ),
    "it nests 5000 brackets": lambda s: ("vans/evil/telemetry", "[" * 5000 + "]" * 5000),
    "its topic has the other's name behind its own": lambda s: ("vans/evil/van-1/telemetry", json.dumps(at(s))),
    "it drops and loads for the other": lambda s: (
        "vans/evil/drop",
        json.dumps({"time": at(s)["time"], "vehicle_id": "van-1", "action": "unload", "mass_kg": 50_000}),
    ),
    "OVMS: its vehicle has the other's name": lambda s: ("ovms/evil/van-1/metric/v/b/soc", "3"),
    "OVMS: its name has the other's in it": lambda s: ("ovms/evil.van-1/metric/v/p/odometer", "999999"),
    "TeslaMate: its car has the other's name": lambda s: ("teslamate/evil/cars/van-1/battery_level", "3"),
    "TeslaMate: the car has the other's name, and no namespace": lambda s: ("teslamate/cars/van-1/odometer", "999999"),
    "SAIC: the VIN is the other's name": lambda s: ("saic/evil/vehicles/van-1/drivetrain/soc", "3"),
    "VSS: the VIN is the other's name": lambda s: (
        "vss/evil",
        json.dumps(
            {
                "Vehicle.VehicleIdentification.VIN": "van-1",
                "Vehicle.Powertrain.TractionBattery.StateOfCharge.Displayed": 3.0,
            }
        ),
    ),
    "VSS: bare values below the other's name": lambda s: ("vss/evil/van-1/Vehicle/TraveledDistance", "1"),
    "GB/T 32960: the VIN is the other's name": lambda s: ("gbt32960/evil/upstream/info", gbt(s, "van-1")),
}


def of_one(history: History) -> dict[str, list[dict[str, Any]]]:
    """The rows of the honest van."""
    return {
        name: [row for row in history.rows(name) if row.get("vehicle_id") == "van-1"]
        for name in MEASUREMENTS
        if name not in RAW
    }


def with_attack(messages: list[Message], attack: Any) -> Iterable[Message]:
    """One message of the bad van after every second message of the good one."""
    for number, message in enumerate(messages):
        yield message
        if number % 2:
            continue
        topic, payload = attack(message.arrival_s)
        yield Message(message.arrival_s + 0.001, topic, payload)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Message], dict[str, list[dict[str, Any]]]]:
    van = Van(fields=(*FLAGS, *COUNTERS[-2:]), soc_pct=60.0)
    play(van, LIFE)
    history = live(van.messages, tmp_path_factory.mktemp("alone"), toml=f"mqtt.dialects = {ALL}")
    assert (history.figure("trips"), history.figure("charges")) == (1, 1)
    return van.messages, of_one(history)


@pytest.mark.parametrize("title", ATTACKS)
def test_another_vans_figures_are_the_same_as_without_it(
    title: str, honest: tuple[list[Message], dict[str, list[dict[str, Any]]]], tmp_path: Path
) -> None:
    messages, alone = honest
    history = live(with_attack(messages, ATTACKS[title]), tmp_path, toml=f"mqtt.dialects = {ALL}")
    assert history.counters.internal_errors == 0
    assert of_one(history) == alone


def test_the_comparison_sees_what_reaches_the_other(
    honest: tuple[list[Message], dict[str, list[dict[str, Any]]]], tmp_path: Path
) -> None:
    """The bad van writes to the topic of the other one. Only the rights at the broker prevent that."""
    messages, alone = honest
    history = live(
        with_attack(messages, lambda s: ("vans/van-1/telemetry", json.dumps(at(s)))),
        tmp_path,
        toml=f"mqtt.dialects = {ALL}",
    )
    assert of_one(history) != alone
