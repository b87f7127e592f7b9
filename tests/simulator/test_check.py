"""Physics against published figures."""

import numpy as np
import pytest

from simulator import physics
from simulator.check import check, city_kwh_per_100km, dc_minutes
from simulator.models import load_models
from tests.recorded_drives import DATA, needs_recorded_drives

JULY_S, JANUARY_S = 1_783_987_200, 1_768_867_200


@needs_recorded_drives("cycles")
def test_consumption_charging_and_sensitivities_are_as_published() -> None:
    results = list(check(DATA / "cycles", days=False))
    assert sum("WLTC, at" in result.what for result in results) >= 5
    assert [result for result in results if not result.passed] == []


def test_fast_charges_take_as_long_as_published() -> None:
    results = list(check(None, days=False))
    assert len(results) >= 4
    assert [result for result in results if not result.passed] == []


@pytest.mark.timeout(180)
def test_a_day_of_deliveries_in_summer_and_winter() -> None:
    assert 20.0 <= city_kwh_per_100km(JULY_S, vans=10, hours=5.0, clock="09:30") <= 24.0
    assert 30.0 <= city_kwh_per_100km(JANUARY_S, vans=10, hours=5.0, clock="09:30") <= 38.0


def vehicles() -> physics.Vehicles:
    return physics.make_vehicles(list(load_models().values()), np.ones(len(load_models())))


def test_current_and_voltage_make_the_power() -> None:
    vans = vehicles()
    soc = np.linspace(0.05, 0.95, vans.kerb_kg.size)
    for power_kw in (-60.0, -0.4, 0.0, 11.0, 70.0):
        open_v = physics.open_circuit_v(vans, soc)
        ohm = physics.resistance_ohm(vans, np.full(soc.size, 5.0))
        ampere = physics.current_a(open_v, ohm, np.full(soc.size, power_kw))
        assert (open_v + ampere * ohm) * ampere / 1000.0 == pytest.approx(power_kw, abs=1e-9)


def test_a_cold_battery_has_more_resistance_and_charges_slower() -> None:
    vans = vehicles()
    n = vans.kerb_kg.size
    cold, warm = np.zeros(n), np.full(n, 25.0)
    half = np.full(n, 0.5)
    assert physics.resistance_ohm(vans, cold) == pytest.approx(1.5 * physics.resistance_ohm(vans, warm))
    assert np.all(physics.dc_charge_kw(vans, half, cold) < 0.6 * physics.dc_charge_kw(vans, half, warm))


def test_charging_slows_down_at_the_end() -> None:
    vans = vehicles()
    n = vans.kerb_kg.size
    assert np.all(physics.ac_charge_kw(vans, np.full(n, 0.99)) <= physics.AC_TAIL_KW)
    assert np.all(physics.ac_charge_kw(vans, np.full(n, 0.5)) >= 5.0)


@pytest.mark.parametrize(
    ("title", "low", "high", "change"),
    [
        ("cold", -5.0, 20.0, "less"),
        ("nearly full", 0.99, 0.5, "less"),
    ],
)
def test_braking_returns_less_when_the_battery_takes_less(title: str, low: float, high: float, change: str) -> None:
    vans = vehicles()
    n = vans.kerb_kg.size

    def returned(value: float) -> np.typing.NDArray[np.float64]:
        return physics.drive_power_kw(
            vans,
            mass_kg=np.full(n, 2500.0),
            speed_mps=np.full(n, 10.0),
            acceleration_mps2=np.full(n, -1.4),
            grade=np.zeros(n),
            air_c=np.full(n, 15.0),
            soc=np.full(n, value if title == "nearly full" else 0.5),
            battery_c=np.full(n, value if title == "cold" else 20.0),
        )

    assert np.all(returned(low) < returned(high))
    assert np.all(returned(low) > 0.0)


def test_heating_dominates_the_winter() -> None:
    air = np.array([-10.0, 0.0, 10.0, 20.0, 30.0])
    load = physics.climate_load_kw(air, np.full(5, 3600.0))
    assert load[0] > load[1] > load[2] > load[3] == 0.0
    assert 0.5 < load[4] < 2.0


def test_the_e_vito_has_no_fast_charge() -> None:
    assert dc_minutes(load_models()["mercedes-evito"], 20.0, 80.0) > 150.0
