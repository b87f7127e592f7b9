"""The information that each fault leaves about a recorded drive, and the largest error that follows from it.

No bound is derived from results of the agent. Without a fault:

* distance: 1 % with an odometer that is read every 10 s; 3 % with momentary speed every 10 s, or with positions;
* energy: 3 %, the bound of a day in the first table: SoC in steps of 1 % and less, the stated capacity, the curve.
  It holds for the total and for the sum of a van's trips;
* energy of the Twizy: 4 %. No power was recorded, so the true value is its SoC times the stated capacity, without the
  curve. The curve makes up to 1.4 % between 97 and 15 %;
* charged energy: 3 %, from SoC in the same way. It is not recorded but added, see `recorded`.
"""

from typing import Final, NamedTuple


class Bounds(NamedTuple):
    """Largest allowed errors in %."""

    distance_pct: float
    energy_pct: float
    trips_pct: float
    charged_pct: float


class Fault(NamedTuple):
    """The information that a fault leaves, in words, and the bounds that are larger than without the fault."""

    left: str
    distance_pct: float = 0.0
    trips_pct: float = 0.0
    charged_pct: float = 0.0
    twizy_energy_pct: float = 0.0
    energy_pct: float = 0.0


BASE: Final = {
    "i3": Bounds(1.0, 3.0, 3.0, 3.0),
    "i3 without power": Bounds(1.0, 3.0, 3.0, 3.0),
    "Twizy": Bounds(3.0, 4.0, 4.0, 3.0),
}
IDLE_W: Final = 50.0
"""Between drives the vans use nothing. The agent may assume this standby load if SoC is too coarse."""
RETURNED_PCT: Final = 30.0
"""Energy returned by braking, in % of the net energy used. 21 % was recorded over all i3 drives."""
GRID_SHARE: Final = (1.0, 1.25)
"""Range of grid energy over battery energy: at least 1, and no charging efficiency below 80 % is known."""
SPEED_PCT: Final = 3.0
UNHEARD_PCT: Final = 4.7
"""The 3 % of a day, and the energy that vans use from waking up until their first reading on the road.

That energy is 1.1 % of the energy of all drives of the i3 and 1.7 % of those in the tests: recorded SoC before
departure minus the first SoC that is sent.
"""

ALL: Final = "everything: valid readings come before and after each wrong one"
FAULTS: Final[dict[str | None, Fault]] = {
    None: Fault("everything"),
    "soc-steps": Fault(
        "SoC within half a percent at each end: 4.5 % of a trip as in the first table, "
        "1 % more for a charge and the Twizy",
        trips_pct=4.5,
        charged_pct=4.0,
        twizy_energy_pct=5.0,
    ),
    "wake-up-zero": Fault("everything: no battery can fall to 0 % and recover within minutes"),
    "sentinels": Fault(ALL),
    "repeated-fixes": Fault("everything except the position: odometer and speed continue"),
    "teleports": Fault(ALL),
    "zero-position": Fault(ALL),
    "drift": Fault("everything: speed and odometer show that the van stands"),
    "late-batches": Fault("everything, but later: each reading has its own time"),
    "duplicates": Fault("everything: each duplicate can be recognised"),
    "clock-skew": Fault("everything: the error of the clock is constant"),
    "local-time": Fault(ALL),
    "odometer-reset": Fault("everything except the reading in which it jumps"),
    "odometer-whole": Fault("speed every 10 s", distance_pct=SPEED_PCT),
    "swapped-sign": Fault("everything: SoC shows the direction of the energy"),
    "frozen-power": Fault("energy from SoC"),
    "flag-while-driving": Fault("everything: a van that drives does not charge"),
    "full-early": Fault("charged energy except for the last 0.65 %"),
    "offline-charge": Fault(
        "charged energy from SoC before the night and at the first reading on the road; the energy used before that "
        "reading is unknown, 1.1 % of the energy of the i3's drives; the last night is not judged",
        energy_pct=UNHEARD_PCT,
        trips_pct=UNHEARD_PCT,
        charged_pct=UNHEARD_PCT,
    ),
    "stale": Fault("everything: the time shows which readings are old"),
    "hostile": Fault(ALL),
    "odometer-zero-off": Fault("everything: the odometer is right while the van drives"),
    "odometer-saturated": Fault("speed every 10 s and positions", distance_pct=SPEED_PCT),
    "odometer-two-sources": Fault(
        "speed every 10 s and positions; last minus first odometer value", distance_pct=SPEED_PCT
    ),
    "soc-frozen": Fault("energy from power; otherwise from SoC before and after the drive"),
    "soc-zero-asleep": Fault("everything: the same SoC before and after, no plug, no power"),
    "flag-flicker": Fault("everything: plug, power and SoC continue"),
    "speed-kept": Fault("everything: positions, odometer and power show that the van stands"),
    "gps-noise": Fault("everything: no position is 80 m away, and nothing is wrong while the van drives"),
    "counter-zero": Fault("everything: power, SoC, and the counter values before and after"),
    "charger-whole-kw": Fault("everything except grid energy, which is at least the battery energy; 1.7 kW reads as 1"),
    "power-unit": Fault("energy from SoC, or from voltage and current"),
}
"""All faults of the simulator, in the order of `simulator.faults`."""


def bounds(drive_set: str, fault: str | None) -> Bounds:
    """The largest allowed errors for this set of drives with this fault."""
    base, left = BASE[drive_set], FAULTS[fault]
    twizy_pct = left.twizy_energy_pct if drive_set == "Twizy" else 0.0
    return Bounds(
        max(base.distance_pct, left.distance_pct),
        max(base.energy_pct, left.energy_pct, twizy_pct),
        max(base.trips_pct, left.trips_pct, twizy_pct),
        max(base.charged_pct, left.charged_pct),
    )
