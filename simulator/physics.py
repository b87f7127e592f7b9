"""Forces, loads and the battery of an electric van: pure functions on arrays, one entry per van.

Powers in kW; at the battery's terminals positive **into** the battery.
"""

from typing import Final, NamedTuple

import numpy as np

from simulator.chance import Floats
from simulator.models import Model

GRAVITY: Final = 9.81
AIR_DENSITY_20C: Final = 1.2
ROTATING_MASS: Final = 1.05
DRIVE_EFFICIENCY: Final = 0.90
REGENERATION_CAP_KW: Final = 80.0
REGENERATION_SPEED_MPS: Final = 2.0
BASE_LOAD_KW: Final = 0.35
"""Power of lights, steering, control units and cooling of a van that is switched on."""
HEATING_KW_PER_K: Final = 0.12
HEATING_BELOW_C: Final = 18.0
HEATING_MAX_KW: Final = 5.0
DOOR_OPENINGS: Final = 1.3
"""Heat lost through the doors of a delivery van."""
WARM_UP_KW: Final = 2.0
WARM_UP_S: Final = 480.0
COOLING_KW_PER_K: Final = 0.1
COOLING_ABOVE_C: Final = 22.0
COOLING_MAX_KW: Final = 3.0
RESISTANCE_OHM_KWH: Final = 5.0
"""Resistance of a 400 V pack at 25 °C times its usable energy: 62 mΩ at 80 kWh."""
QUIET_DRIVE_EFFICIENCY: Final = 0.975
AC_TAIL_KW: Final = 2.7
AC_TAIL_FROM: Final = 0.98


class Vehicles(NamedTuple):
    """The physical properties of each van."""

    kerb_kg: Floats
    cda_m2: Floats
    rolling: Floats
    regeneration: Floats
    motor_kw: Floats
    ac_kw: Floats
    usable_kwh: Floats
    charge_ah: Floats
    """Charge from 0 to 100 % of a battery of this age."""
    volts: Floats
    """Open-circuit voltage at 0, 50 and 100 %, shape (3, vans)."""
    resistance_ohm: Floats
    """At 25 °C."""
    dc_curve_kw: Floats
    """At 0, 1, … 100 %, shape (vans, 101)."""

    def of(self, vans: np.typing.NDArray[np.int64]) -> "Vehicles":
        """The properties of some of the vans."""
        return Vehicles(
            *(values[:, vans] if name == "volts" else values[vans] for name, values in self._asdict().items())
        )


def make_vehicles(models: list[Model], health: Floats) -> Vehicles:
    """The physical properties of vans of these models; `health` is the usable share of the new battery."""
    volts = np.array([model.cells_v for model in models]).T
    usable_kwh = np.array([model.usable_kwh for model in models]) * health
    percents = np.arange(101.0)
    curves = {
        model.name: np.interp(percents, [s for s, _ in model.dc_curve], [kw for _, kw in model.dc_curve])
        for model in models
    }
    return Vehicles(
        kerb_kg=np.array([float(model.kerb_kg) for model in models]),
        cda_m2=np.array([model.cda_m2 for model in models]),
        rolling=np.array([model.rolling for model in models]),
        regeneration=np.array([model.regeneration for model in models]),
        motor_kw=np.array([float(model.motor_kw) for model in models]),
        ac_kw=np.array([model.ac_kw for model in models]),
        usable_kwh=usable_kwh,
        # Simpson's rule is exact for the parabola through the three voltages. Usable energy is what leaves the
        # terminals on a quiet drive; the rest of the charge is lost inside.
        charge_ah=usable_kwh * 1000.0 / ((volts[0] + 4.0 * volts[1] + volts[2]) / 6.0 * QUIET_DRIVE_EFFICIENCY),
        volts=volts,
        resistance_ohm=RESISTANCE_OHM_KWH / usable_kwh / health**2,
        dc_curve_kw=np.array([curves[model.name] for model in models]),
    )


def drive_power_kw(
    vehicles: Vehicles,
    *,
    mass_kg: Floats,
    speed_mps: Floats,
    acceleration_mps2: Floats,
    grade: Floats,
    air_c: Floats,
    soc: Floats,
    battery_c: Floats,
) -> Floats:
    """Battery power for driving, without auxiliaries: negative when driving, positive when braking."""
    density = AIR_DENSITY_20C * 293.0 / (273.0 + air_c)
    force = (
        mass_kg * GRAVITY * vehicles.rolling * (speed_mps > 0.0)
        + 0.5 * density * vehicles.cda_m2 * speed_mps**2
        + mass_kg * GRAVITY * grade
        + ROTATING_MASS * mass_kg * acceleration_mps2
    )
    wheel_kw = force * speed_mps / 1000.0
    accepted = np.clip((1.0 - soc) * 20.0, 0.0, 1.0) * np.clip(0.3 + (battery_c + 10.0) / 15.0 * 0.7, 0.3, 1.0)
    braking = np.minimum(-wheel_kw * vehicles.regeneration, REGENERATION_CAP_KW) * accepted
    braking = np.where(speed_mps < REGENERATION_SPEED_MPS, 0.0, braking)
    return np.where(wheel_kw > 0.0, -wheel_kw / DRIVE_EFFICIENCY, braking)


def climate_load_kw(air_c: Floats, on_s: Floats) -> Floats:
    """Power for heating or cooling the cabin of a van that has been switched on for `on_s`."""
    heating = np.minimum(HEATING_KW_PER_K * np.maximum(HEATING_BELOW_C - air_c, 0.0) * DOOR_OPENINGS, HEATING_MAX_KW)
    cold = np.clip((HEATING_BELOW_C - air_c) / 10.0, 0.0, 1.0)
    warm_up = WARM_UP_KW * cold * np.exp(-on_s / WARM_UP_S)
    cooling = np.minimum(COOLING_KW_PER_K * np.maximum(air_c - COOLING_ABOVE_C, 0.0) * DOOR_OPENINGS, COOLING_MAX_KW)
    return np.asarray(heating + warm_up + cooling, dtype=np.float64)


def open_circuit_v(vehicles: Vehicles, soc: Floats) -> Floats:
    """Voltage of the battery at rest, by the parabola through its three voltages."""
    v0, v50, v100 = vehicles.volts
    return np.asarray(v0 + soc * (4.0 * v50 - 3.0 * v0 - v100) + soc**2 * (2.0 * v0 - 4.0 * v50 + 2.0 * v100))


def resistance_ohm(vehicles: Vehicles, battery_c: Floats) -> Floats:
    """Inner resistance, which is 50 % higher at 0 °C than at 25 °C."""
    return np.asarray(vehicles.resistance_ohm * np.clip(1.0 + 0.02 * (25.0 - battery_c), 0.7, 2.2))


def current_a(open_v: Floats, ohm: Floats, power_kw: Floats) -> Floats:
    """Current for a power at the terminals, positive into the battery."""
    inside = np.maximum(open_v**2 + 4.0 * ohm * power_kw * 1000.0, 1.0)
    return np.asarray((np.sqrt(inside) - open_v) / (2.0 * ohm))


def dc_charge_kw(vehicles: Vehicles, soc: Floats, battery_c: Floats) -> Floats:
    """Power from a fast charger: its curve, less when cold (full from 20 °C, half at 5 °C, a quarter at −5 °C)."""
    at = np.clip(soc * 100.0, 0.0, 99.999)
    low = at.astype(np.int64)
    rows = np.arange(low.size)
    left = vehicles.dc_curve_kw[rows, low]
    power = left + (vehicles.dc_curve_kw[rows, low + 1] - left) * (at - low)
    return np.asarray(power * np.interp(battery_c, (-15.0, -5.0, 5.0, 20.0), (0.15, 0.25, 0.5, 1.0)))


def ac_efficiency(grid_kw: Floats) -> Floats:
    """Efficiency from grid to battery: 0.84 below 4 kW, 0.89 from 7 kW."""
    return np.interp(grid_kw, (4.0, 7.0), (0.84, 0.89))


def ac_charge_kw(vehicles: Vehicles, soc: Floats) -> Floats:
    """Power of the on-board charger into the battery. It decreases above 98 %."""
    full = vehicles.ac_kw * ac_efficiency(vehicles.ac_kw)
    return np.where(soc < AC_TAIL_FROM, full, np.minimum(full, AC_TAIL_KW))


DC_EFFICIENCY: Final = 0.93
