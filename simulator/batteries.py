"""The batteries of simulated vans: power, charge, heat and counters."""

from typing import Final

import numpy as np

from simulator import physics
from simulator.chance import Floats, Integers
from simulator.van_states import NEVER_S, STANDBY_KW, Activity, VanStates

BATTERY_HEAT_KWH_PER_K: Final = 0.0018
"""Heat capacity per kWh of battery: about 6 kg of cells and case at 1 kJ/(kg K)."""
BATTERY_COOLING_S: Final = 6 * 3600.0
STOPPED_KW: Final = 0.10
BREAK_KW: Final = 0.15


def settle(states: VanStates, vans: Integers) -> None:
    """Compute the batteries of standing vans from their last settlement until now."""
    seconds = (states.time_s - states.settled_s[vans]).astype(np.float64)
    some = seconds > 0.0
    vans, seconds = vans[some], seconds[some]
    if not vans.size:
        return
    activity = states.activity[vans]
    parked = activity == Activity.PARKED
    begins = vans[parked & (states.plug_s[vans] <= states.time_s)]
    if begins.size:
        states.plugged[begins] = True
        states.charging[begins] = states.soc[begins] < states.target[begins] - 1e-9
        states.plug_s[begins] = NEVER_S
    charging = states.charging[vans]
    vehicles = states.vehicles.of(vans)
    power = np.choose(activity, (-STANDBY_KW, -STANDBY_KW, -STOPPED_KW, -BREAK_KW, -BREAK_KW))
    power = np.where(states.plugged[vans] & parked, 0.0, power)
    if charging.any():
        soc = states.soc[vans]
        offered = np.where(
            parked, physics.ac_charge_kw(vehicles, soc), physics.dc_charge_kw(vehicles, soc, states.battery_c[vans])
        )
        room_kwh = (states.target[vans] - soc) * vehicles.usable_kwh
        offered = np.minimum(offered, np.maximum(room_kwh, 1e-3) * 3600.0 / seconds * 1.02)
        power = np.where(charging, offered, power)
    states.power_kw[vans] = power
    integrate(states, vans, vehicles, seconds)
    full = vans[charging & (states.soc[vans] >= states.target[vans] - 1e-4)]
    states.charging[full] = False
    done = full[states.activity[full] == Activity.FAST_CHARGING]
    states.until_s[done] = states.time_s + 60


def integrate(states: VanStates, vans: Integers, vehicles: physics.Vehicles, seconds: Floats) -> None:
    """Advance charge, heat and counters by some seconds of constant power."""
    power = states.power_kw[vans]
    soc = states.soc[vans]
    battery_c = states.battery_c[vans]
    open_v = physics.open_circuit_v(vehicles, soc)
    ohm = physics.resistance_ohm(vehicles, battery_c)
    ampere = physics.current_a(open_v, ohm, power)
    hours = seconds / 3600.0
    states.soc[vans] = np.clip(soc + ampere * hours / vehicles.charge_ah, 0.0, 1.0)
    states.ampere[vans] = ampere
    states.volt[vans] = open_v + ampere * ohm
    heat_kwh = ampere**2 * ohm / 1000.0 * hours
    warmth = BATTERY_HEAT_KWH_PER_K * vehicles.usable_kwh
    air = states.air_now_c[vans]
    states.battery_c[vans] = battery_c + heat_kwh / warmth - (battery_c - air) * seconds / BATTERY_COOLING_S
    energy = power * hours
    out = np.maximum(-energy, 0.0)
    into = np.maximum(energy, 0.0)
    charging = states.charging[vans]
    states.used_kwh[vans] += out
    states.regenerated_kwh[vans] += np.where(charging, 0.0, into)
    states.charged_kwh[vans] += np.where(charging, into, 0.0)
    efficiency = np.where(
        states.activity[vans] == Activity.FAST_CHARGING, physics.DC_EFFICIENCY, physics.ac_efficiency(vehicles.ac_kw)
    )
    states.grid_kwh[vans] += np.where(charging, into / efficiency, 0.0)
    states.settled_s[vans] = states.time_s
