"""Exchanged telematics units and names, changed units of measure, counters that count something else."""

from pathlib import Path
from typing import Any

import pytest

from tests.world.scenario import Expected, Scenario, hold
from tests.world.senders import Ovms
from tests.world.van import (
    COUNTERS,
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    PLAIN,
    POWER,
    Says,
    Step,
    Value,
    Van,
    always,
    charge,
    drive,
    rest,
    silence,
    turn_round,
    unheard,
)

KM_PER_MILE = 1.609344

# 24 km x 0.25 kWh/km = 6 kWh.
A_DRIVE: Expected = {"distance_km": (23.4, 24.6), "used_kwh": (5.4, 7), "charged_kwh": (0, 0.3), "charges": 0}
TWO_DRIVES: Expected = {"distance_km": (46.8, 49.2), "used_kwh": (10.8, 13.4), "trips": 2, "charges": 0}


def other_van(*, odometer_km: float, north_km: float, soc_pct: float) -> Step:
    """From now on another van in another place reports under this name."""

    def step(van: Van) -> None:
        van.odometer_km, van.north_km, van.soc_pct = odometer_km, north_km, soc_pct

    return step


def by_turns(first: Says, second: Says) -> Says:
    """Readings alternate between two values."""

    def said(van: Van) -> Value:
        each = second if van.readings % 2 else first
        return each(van) if callable(each) else each

    return said


def scaled(name: str, factor: float, by: float = 0.0) -> Says:
    """A value in another unit."""

    def said(van: Van) -> Value:
        truth = van.truth()[name]
        assert isinstance(truth, float)
        return round(truth * factor + by, 4)

    return said


def since_start(name: str, offset: float = 0.0) -> Says:
    """A counter that starts at 0 in the first reading."""
    first: list[Any] = []

    def said(van: Van) -> Value:
        truth = van.truth()[name]
        if not first or van.readings < first[0]:
            first[:] = [van.readings, truth]
        return round(truth - first[1] + offset, 2)  # type: ignore[operator]

    return said


def phone_goes_home(van: Van) -> Value:
    """Every second message comes from the driver's phone, which leaves at 60 km/h and stays 12 km away."""
    return round(48.1 + (van.north_km + min(12.0, max(0.0, van.time_s - 3600) / 60)) / KM_PER_DEGREE, 6)


EXCHANGED = [
    Scenario(
        title="two vans exchange their units while nobody hears them",
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
            silence(10 * HOUR),
            other_van(odometer_km=83210.0, north_km=55.0, soc_pct=35.0),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 38 % less would be 32 kWh, and 78,000 km more.
        expected={**TWO_DRIVES, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="two vans exchange their units from one message to the next, and again a day later",
        fields=FLAGS,
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
            other_van(odometer_km=83210.0, north_km=55.0, soc_pct=95.0),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * HOUR, every_s=5 * MINUTE),
            other_van(odometer_km=5012.0, north_km=12.0, soc_pct=76.0),
            rest(20 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
        ],
        expected={"distance_km": (46.5, 49.5), "used_kwh": (10.8, 13.4), "trips": 3, "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="a new unit in a workshop: odometer and counters begin at 0, three days and 30 km later",
        fields=COUNTERS,
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
            silence(40 * HOUR),
            unheard(drive(30)),
            silence(30 * HOUR),
            always(
                odometer_km=since_start("odometer_km"),
                energy_out_total_kwh=since_start("energy_out_total_kwh"),
                energy_in_total_kwh=since_start("energy_in_total_kwh"),
            ),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 78 km x 0.25 = 19.5 kWh. 30 km of it are driven straight on in a silence.
        expected={"distance_km": (75, 82), "used_kwh": (18, 21.5), "charged_kwh": (0, 0.3)},
    ),
    Scenario(
        title="two vans under one name: one is driven, the other stands 30 km away",
        life=[
            always(
                odometer_km=by_turns(scaled("odometer_km", 1), 83210.0),
                latitude_deg=by_turns(scaled("latitude_deg", 1), 48.37),
                soc_pct=by_turns(scaled("soc_pct", 1), 41.0),
                speed_kmh=by_turns(lambda van: van.speed_kmh, 0.0),
            ),
            rest(20 * MINUTE),
            drive(24),
            rest(HOUR),
        ],
        # It is unknown which van drove, but it was 24 km at most, and there was no charge.
        expected={"distance_km": (0, 24.6), "used_kwh": (0, 7), "charged_kwh": (0, 0.3), "trips": (0, 1)},
    ),
    Scenario(
        title="a driver's phone tells the place as well, and goes home by train when the van is parked",
        life=[
            rest(10 * MINUTE),
            drive(24),
            rest(9 * MINUTE),
            always(
                kind=by_turns("telemetry", "location"),
                latitude_deg=by_turns(scaled("latitude_deg", 1), phone_goes_home),
                odometer_km=by_turns(scaled("odometer_km", 1), None),
                speed_kmh=by_turns(lambda van: van.speed_kmh, None),
            ),
            rest(12 * HOUR, every_s=MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="unit and phone app disagree by 3 %: the app tells its state of charge each quarter of an hour",
        fields=FLAGS,
        soc_pct=70.0,
        life=[
            always(soc_pct=lambda van: round(van.soc_pct + (3.0 if van.readings % 30 == 0 else 0.0), 1)),
            rest(HOUR, every_s=30),
            drive(36, every_s=30),
            rest(HOUR, every_s=30),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(8 * HOUR, every_s=30),
        ],
        # 36 km x 0.25 = 9 kWh; 2 h x 11 kW = 22 kWh.
        expected={
            "distance_km": (35, 37),
            "used_kwh": (8.2, 10),
            "charged_kwh": (20.5, 23.5),
            "charges": 1,
            "trips": 1,
        },
    ),
    Scenario(
        title="the tracker's own odometer and the van's by turns, 3211 km apart",
        source="https://github.com/traccar/traccar/issues/5730",
        odometer_km=12000.3,
        life=[
            always(odometer_km=by_turns(scaled("odometer_km", 1), scaled("odometer_km", 1, -3211.0))),
            rest(20 * MINUTE),
            drive(24),
            rest(HOUR, every_s=MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected=TWO_DRIVES,
    ),
    Scenario(
        title="the odometer is that of the trip: 0 at each start",
        life=[
            always(odometer_km=since_start("odometer_km")),
            rest(10 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
            always(odometer_km=since_start("odometer_km")),
            rest(10 * MINUTE),
            drive(12),
            rest(10 * MINUTE),
            always(odometer_km=since_start("odometer_km")),
            rest(10 * MINUTE),
            drive(24),
            rest(10 * MINUTE),
        ],
        expected={**TWO_DRIVES, "trips": 3},
    ),
    Scenario(
        title="an update turns the odometer from kilometres into metres on the road",
        life=[
            rest(10 * MINUTE),
            drive(12),
            always(odometer_km=scaled("odometer_km", 1000)),
            drive(12),
            rest(20 * MINUTE),
        ],
        expected={**A_DRIVE, "trips": 1},
    ),
    Scenario(
        title="OVMS: everything in miles, from the first day on",
        source="https://github.com/openvehicles/Open-Vehicle-Android/issues/45",
        sender=Ovms,
        life=[
            always(
                odometer_km=scaled("odometer_km", 1 / KM_PER_MILE),
                speed_kmh=lambda van: round(van.speed_kmh / KM_PER_MILE, 1),
            ),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE, every_s=30),
            turn_round,
            drive(24),
            rest(20 * MINUTE, every_s=30),
        ],
        # By fixes, of a receiver that knows no miles, 48 km; by the dial 29.8.
        expected=TWO_DRIVES,
    ),
    Scenario(
        title="the odometer is now in kilometres and now in miles, each hour anew",
        source="https://github.com/kvanbiesen/bmw-cardata-ha/pull/406",
        odometer_km=40000.0,
        life=[
            always(
                odometer_km=lambda van: round(van.odometer_km / (KM_PER_MILE if van.time_s % 7200 > 3600 else 1), 1)
            ),
            rest(10 * MINUTE),
            drive(24),
            rest(3 * HOUR, every_s=5 * MINUTE),
            drive(24),
            rest(3 * HOUR, every_s=5 * MINUTE),
        ],
        expected=TWO_DRIVES,
    ),
    Scenario(
        title="the state of charge is a share for two hours after an update: 0.8 for 80 %",
        source="https://github.com/stefanor/signalk-victron-ble/pull/5",
        life=[
            rest(10 * MINUTE),
            drive(12),
            rest(20 * MINUTE),
            always(soc_pct=scaled("soc_pct", 0.01)),
            rest(HOUR, every_s=MINUTE),
            drive(12),
            rest(HOUR, every_s=MINUTE),
            always(soc_pct=scaled("soc_pct", 1)),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={**TWO_DRIVES, "trips": 3, "charged_kwh": (0, 0.3), "alert soc_critical": 0},
    ),
    Scenario(
        title="the power has no sign: driving and charging are both positive",
        source="https://github.com/hultenvp/solis-sensor/issues/225",
        fields=POWER,
        soc_pct=60.0,
        life=[
            always(battery_power_kw=lambda van: abs(van.battery_kw)),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 48 km x 0.25 = 12 kWh; 22 kWh.
        expected={
            "used_kwh": (11, 13.4),
            "regenerated_kwh": (0, 0.7),
            "charged_kwh": (20.5, 23.5),
            "charges": 1,
            "trips": 2,
        },
    ),
    Scenario(
        title="the power has no sign: driving and charging are both negative",
        fields=POWER,
        soc_pct=60.0,
        life=[
            always(battery_power_kw=lambda van: -abs(van.battery_kw)),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
            charge(2 * HOUR, kw=11, every_s=30),
            rest(20 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        expected={
            "used_kwh": (11, 13.4),
            "regenerated_kwh": (0, 0.7),
            "charged_kwh": (20.5, 23.5),
            "charges": 1,
            "trips": 2,
        },
    ),
    Scenario(
        title="the current is in mA, so that each reading on the road is out of range",
        fields=(*PLAIN,),
        life=[
            always(voltage_v=380.0, current_a=lambda van: round(van.battery_kw / 0.38 * 1000, 1)),
            rest(10 * MINUTE),
            drive(24),
            rest(20 * MINUTE),
        ],
        # 9 kW at 380 V are 23.7 A: 23,684 mA. 240 dead letters; the odometer tells the way.
        expected={**A_DRIVE, "trips": 1, "letters": 240},
    ),
    Scenario(
        title="a state of charge of 100.4 % is out of range until the van has driven off",
        soc_pct=101.4,
        life=[rest(HOUR, every_s=MINUTE), drive(24), rest(20 * MINUTE)],
        # 7.2 % less; 1.4 % of it before the first reading that can be used.
        expected={"distance_km": (18, 24.6), "used_kwh": (4.2, 7), "charged_kwh": (0, 0.3), "charges": 0},
    ),
]


@pytest.mark.parametrize("scenario", EXCHANGED, ids=lambda scenario: scenario.title)
def test_what_is_another_van_or_another_unit_is_no_way_and_no_energy(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
