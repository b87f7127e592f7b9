"""State of the energy estimate, the totals, the learnt capacity and the recent consumption."""

from typing import Final

import msgspec

from agent.fleet.state_part import Part
from agent.structs import quick_to_set

STORED_SHARE: Final = 0.97
"""Of the energy charged into a battery, what can be taken out again: FASTSim's round trip. Content is counted as the
latter, so that charging and driving speak of the same kWh per %."""

SOURCE_SOC: Final = 0
SOURCE_POWER: Final = 1
SOURCE_COUNTER: Final = 2
"""What told the energy since the reading before: see `Totals.source`."""


@quick_to_set
class Estimate(Part):
    """The energy estimate: five means, their covariance, and what has been predicted since the last correction.

    n: energy out of the battery since the last re-basing, kWh. y: state of charge on the energy-linear scale, %.
    g: % per kWh. k: consumption, kWh/km. b: n at the last published boundary, kWh.
    """

    started: bool = False
    time_ms: int = 0
    n: float = 0.0
    y: float = 0.0
    g: float = 1.0
    k: float = 0.22
    b: float = 0.0
    nn: float = 0.0
    ny: float = 0.0
    ng: float = 0.0
    nk: float = 0.0
    nb: float = 0.0
    yy: float = 0.0
    yg: float = 0.0
    yk: float = 0.0
    yb: float = 0.0
    gg: float = 0.0
    gk: float = 0.0
    gb: float = 0.0
    kk: float = 0.0
    kb: float = 0.0
    bb: float = 0.0
    pending_kwh: float = 0.0
    pending_km: float = 0.0
    pending_var: float = 0.0
    base_kwh: float = 0.0


@quick_to_set
class Totals(Part):
    """What is published as ever-growing totals."""

    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    distance_km: float = 0.0
    net_kwh: float = 0.0
    """Signed: out of the battery for driving and idling less what came back; used - regenerated, but not ratcheted."""
    posted_kwh: float = 0.0
    """How much of the estimate's n has been entered into net or charged."""
    predicted_kwh: float = 0.0
    idle_from_kwh: float = 0.0
    """Up to which predicted energy idling has been entered."""
    regeneration_measured: bool = False
    source: int = 0
    emitted_kwh: float = 0.0
    emitted_km: float = 0.0
    """Up to where net and distance have been handed to the emissions."""


@quick_to_set
class Capacity(Part):
    """What the battery holds, as learnt."""

    battery_kwh: float = 0.0
    samples_kwh: list[float] = msgspec.field(default_factory=list)
    window_y: float | None = None
    """Where the window of `agent.fleet.evidence` begins."""
    window_ms: int = 0
    window_power_kwh: float = 0.0
    window_power_var: float = 0.0
    window_blind_ms: int = 0
    window_counter_kwh: float = 0.0
    window_net_kwh: float = 0.0
    efficiencies_ac: list[float] = msgspec.field(default_factory=list)
    efficiencies_dc: list[float] = msgspec.field(default_factory=list)


@quick_to_set
class Consumption(Part):
    """Recent consumption: energy and distance, both fading out over some 20 km."""

    kwh: float = 0.0
    km: float = 0.0
    net_kwh: float = 0.0
    distance_km: float = 0.0
    per_100km_kwh: float | None = None
    """As published."""
    range_km: float | None = None
    uncertainty_kwh: float | None = None
