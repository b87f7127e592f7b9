"""What each fault leaves to be known of a recorded drive, and the bound that follows from it.

No bound follows from what the agent computes. Without a fault:

* distance: 1 % by an odometer that is read each 10 s; 3 % by momentary speed each 10 s, and by fixes;
* energy: 3 %, the bound of a day in the first table: SoC in steps of 1 % and less, the stated capacity, the curve;
  in total and as the sum of a van's trips;
* energy of the Twizy: 4 %, since no power was recorded and the truth is its SoC times the stated capacity, without
  the curve, which makes up to 1.4 % between 97 and 15 %;
* charged energy: 3 %, by SoC in the same way. It is not recorded but laid out, see `recorded`.
"""

from typing import Final, NamedTuple


class Bounds(NamedTuple):
    """Largest errors in %."""

    distance_pct: float
    energy_pct: float
    trips_pct: float
    charged_pct: float


class Fault(NamedTuple):
    """What a fault leaves, in words, and where that is less than without it."""

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
"""Between drives the vans use nothing. A standby load of so much is a fair assumption where SoC cannot tell."""
RETURNED_PCT: Final = 30.0
"""Energy returned by braking, of the net energy used: 21 % was recorded over all i3 drives."""
GRID_SHARE: Final = (1.0, 1.25)
"""Grid energy over battery energy: never less than what went in; charging efficiencies below 80 % are not known."""
SPEED_PCT: Final = 3.0
UNHEARD_PCT: Final = 4.7
"""The 3 % of a day, and what vans take from waking up until their first word on the road: 1.1 % of the energy of all
drives of the i3, 1.7 % of those that the tests take (recorded SoC before departure less the first that is sent)."""

ALL: Final = "everything: good readings come before and after each wrong one"
FAULTS: Final[dict[str | None, Fault]] = {
    None: Fault("everything"),
    "soc-steps": Fault(
        "SoC to half a percent at each end: 4.5 % of a trip as in the first table, 1 % more for a charge and the Twizy",
        trips_pct=4.5,
        charged_pct=4.0,
        twizy_energy_pct=5.0,
    ),
    "wake-up-zero": Fault("everything: a fall from any charge to 0 % and back within minutes is beyond the battery"),
    "sentinels": Fault(ALL),
    "repeated-fixes": Fault("everything but the place: odometer and speed go on"),
    "teleports": Fault(ALL),
    "zero-position": Fault(ALL),
    "drift": Fault("everything: speed and odometer say that the van stands"),
    "late-batches": Fault("everything, later: the readings have their own times"),
    "duplicates": Fault("everything, once"),
    "clock-skew": Fault("everything: the clock is wrong by the same time always"),
    "local-time": Fault(ALL),
    "odometer-reset": Fault("everything but the reading in which it jumps"),
    "odometer-whole": Fault("speed each 10 s", distance_pct=SPEED_PCT),
    "swapped-sign": Fault("everything: SoC tells which way energy flows"),
    "frozen-power": Fault("energy by SoC"),
    "flag-while-driving": Fault("everything: who drives does not charge"),
    "full-early": Fault("charged energy but for the last 0.65 %"),
    "offline-charge": Fault(
        "charged energy by SoC before the night and at the first word on the road; what the van takes until then is "
        "not told, 1.1 % of the energy of the i3's drives; the last night is not judged",
        energy_pct=UNHEARD_PCT,
        trips_pct=UNHEARD_PCT,
        charged_pct=UNHEARD_PCT,
    ),
    "stale": Fault("everything: the time tells what is old"),
    "hostile": Fault(ALL),
    "odometer-zero-off": Fault("everything: the odometer is right while the van drives"),
    "odometer-saturated": Fault("speed each 10 s and fixes", distance_pct=SPEED_PCT),
    "odometer-two-sources": Fault("speed each 10 s and fixes; last less first odometer", distance_pct=SPEED_PCT),
    "soc-frozen": Fault("energy by power; else by SoC before and after the drive"),
    "soc-zero-asleep": Fault("everything: the same SoC before and after, no plug, no power"),
    "flag-flicker": Fault("everything: plug, power and SoC go on"),
    "speed-kept": Fault("everything: fixes, odometer and power say that the van stands"),
    "gps-noise": Fault("everything: no fix is 80 m away; while the van drives nothing is wrong"),
    "counter-zero": Fault("everything: power, SoC, and the counters before and after"),
    "charger-whole-kw": Fault("everything but grid energy, which is at least what went in; 1.7 kW reads 1"),
    "power-unit": Fault("energy by SoC, or by voltage and current"),
}
"""Every fault of the simulator, in its order."""


def bounds(source: str, fault: str | None) -> Bounds:
    """The largest errors for vans of this source with this fault."""
    base, left = BASE[source], FAULTS[fault]
    twizy_pct = left.twizy_energy_pct if source == "Twizy" else 0.0
    return Bounds(
        max(base.distance_pct, left.distance_pct),
        max(base.energy_pct, left.energy_pct, twizy_pct),
        max(base.trips_pct, left.trips_pct, twizy_pct),
        max(base.charged_pct, left.charged_pct),
    )
