"""Checks whether the simulated vans are realistic, by comparing their physics with published figures."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

from simulator import physics
from simulator.chance import Floats
from simulator.fleet import Fleet
from simulator.models import Model, load_models

CYCLE_TOP_MPS: Final = 120.0 / 3.6
"""Vans are limited to about this speed. Type approval limits the cycle to what the van can do."""
TYPE_APPROVAL_C: Final = 23.0
GRID_TO_BATTERY: Final = 0.89
LONGEST_CHARGE_S: Final = 6 * 3600


class CheckResult(NamedTuple):
    """One check: a value, and the limits for it."""

    what: str
    value: float
    low: float
    high: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether the value is within the limits."""
        return self.low <= self.value <= self.high


def read_cycle(path: Path) -> Floats:
    """Speed at each second of a driving cycle, m/s."""
    with path.open(encoding="utf-8", newline="") as file:
        return np.array([float(row["speed_mps"]) for row in csv.DictReader(file)])


def consumption_kwh_per_100km(
    model: Model,
    speed_mps: Floats,
    *,
    air_c: float = TYPE_APPROVAL_C,
    extra_kg: float = 0.0,
    extra_load_kw: float = 0.0,
    climate: bool = False,
) -> float:
    """Consumption at the battery over a driving cycle, with the mass of type approval plus `extra_kg`."""
    speed = np.minimum(speed_mps, CYCLE_TOP_MPS)
    mean, acceleration = 0.5 * (speed[1:] + speed[:-1]), np.diff(speed)
    seconds = mean.size
    vehicles = physics.make_vehicles([model], np.ones(1)).of(np.zeros(seconds, dtype=np.int64))
    drive = physics.drive_power_kw(
        vehicles,
        mass_kg=np.full(seconds, model.test_mass_kg + extra_kg),
        speed_mps=mean,
        acceleration_mps2=acceleration,
        grade=np.zeros(seconds),
        air_c=np.full(seconds, air_c),
        soc=np.full(seconds, 0.6),
        battery_c=np.full(seconds, max(air_c, 10.0)),
    )
    load = np.full(seconds, physics.BASE_LOAD_KW + extra_load_kw)
    if climate:
        load = load + physics.climate_load_kw(np.full(seconds, air_c), np.arange(seconds, dtype=np.float64))
    return float(100.0 * np.sum(load - drive) / 3600.0 / (np.sum(mean) / 1000.0))


def dc_minutes(model: Model, from_pct: float, to_pct: float) -> float:
    """Duration of a fast charge with a warm battery."""
    vehicles = physics.make_vehicles([model], np.ones(1))
    soc = np.array([from_pct / 100.0])
    warm = np.array([25.0])
    seconds = 0
    while soc[0] * 100.0 < to_pct and seconds < LONGEST_CHARGE_S:
        power = physics.dc_charge_kw(vehicles, soc, warm)
        volt, ohm = physics.open_circuit_v(vehicles, soc), physics.resistance_ohm(vehicles, warm)
        soc = soc + physics.current_a(volt, ohm, power) / 3600.0 / vehicles.charge_ah
        seconds += 1
    return seconds / 60.0


def city_kwh_per_100km(
    day_s: int, *, vans: int = 35, seed: int = 7, hours: float = 13.0, clock: str = "06:30"
) -> float:
    """Net consumption of the 3.5 t vans of a fleet on a working day of deliveries, from an hour on."""
    fleet = Fleet(vans=vans, seed=seed, start_s=day_s, clock=clock)
    heavy = np.array([model.test_mass_kg >= 2600 for model in fleet.models])
    used, driven = fleet.used_kwh - fleet.regenerated_kwh, fleet.odometer_m.copy()
    for _ in range(round(hours * 3600)):
        fleet.step()
    kwh = (fleet.used_kwh - fleet.regenerated_kwh - used)[heavy].sum()
    return float(100.0 * kwh / ((fleet.odometer_m - driven)[heavy].sum() / 1000.0))


def check(cycles: Path | None, *, days: bool = True) -> Iterator[CheckResult]:
    """Every check that the given folder of cycles (`wltc_3b.csv`, `wltc_city_3b.csv`) allows."""
    models = load_models()
    if cycles is not None:
        yield from _against_cycles(models, cycles)
    for model in models.values():
        if model.published_dc is not None:
            from_pct, to_pct, minutes = model.published_dc
            what = f"{model.name}: DC {from_pct:.0f} to {to_pct:.0f} %"
            yield CheckResult(what, dc_minutes(model, from_pct, to_pct), 0.85 * minutes, 1.15 * minutes, "min")
    if days:
        # From 2026-07-14 and 2026-01-20, both Tuesdays.
        july, january = city_kwh_per_100km(1_783_987_200), city_kwh_per_100km(1_768_867_200)
        yield CheckResult("3.5 t vans, a day of deliveries in July", july, 20, 24, "kWh/100 km")
        yield CheckResult("3.5 t vans, a day of deliveries in January", january, 30, 38, "kWh/100 km")


def _against_cycles(models: dict[str, Model], cycles: Path) -> Iterator[CheckResult]:
    wltc = read_cycle(cycles / "wltc_3b.csv")
    city = read_cycle(cycles / "wltc_city_3b.csv")
    for model in models.values():
        if model.published_kwh_per_100km is not None:
            share = GRID_TO_BATTERY if model.published_at == "grid" else 1.0
            published = model.published_kwh_per_100km
            value = consumption_kwh_per_100km(model, wltc) / share
            what = f"{model.name}: WLTC, at the {model.published_at}"
            yield CheckResult(what, value, 0.9 * published, 1.1 * published, "kWh/100 km")
    van = models["maxus-edeliver-9-89"]
    for name, cycle, ranges in (
        ("WLTC", wltc, {"mass": (5.0, 9.0), "cold": (4.0, 7.5), "load": (12.0, 17.0)}),
        ("city cycle", city, {"mass": (8.0, 13.0), "cold": (1.5, 3.5), "load": (28.0, 40.0)}),
    ):
        base = consumption_kwh_per_100km(van, cycle)
        heavy = consumption_kwh_per_100km(van, cycle, extra_kg=500.0)
        cold = consumption_kwh_per_100km(van, cycle, air_c=-7.0)
        load = consumption_kwh_per_100km(van, cycle, extra_load_kw=2.0)
        yield CheckResult(f"large van, {name}: 500 kg more", 100.0 * (heavy / base - 1.0), *ranges["mass"], "%")
        yield CheckResult(f"large van, {name}: air of -7 °C", 100.0 * (cold / base - 1.0), *ranges["cold"], "%")
        yield CheckResult(f"large van, {name}: 2 kW more load", 100.0 * (load / base - 1.0), *ranges["load"], "%")
