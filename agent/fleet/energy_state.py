"""State of the energy estimate, the totals, the learnt capacity and the recent consumption."""

from dataclasses import dataclass, field
from typing import Final

STORED_SHARE: Final = 0.97
"""Share of the energy charged into a battery that can be taken out again: FASTSim's round trip. The content of a
battery
is counted as what can be taken out, so that charging and driving have the same kWh per %."""

SOURCE_SOC: Final = 0
SOURCE_POWER: Final = 1
SOURCE_COUNTER: Final = 2
"""Sources of the energy: predicted and corrected by the state of charge, by power, by lifetime counters."""


@dataclass(slots=True)
class Estimate:
    """The energy estimate: five quantities, their 5 x 5 covariance, and what is to be predicted next.

    | quantity    | value         | unit   | meaning |
    |-------------|---------------|--------|---------|
    | out         | `out_kwh`     | kWh    | energy out of the battery less energy into it, since the last boundary |
    | level       | `level_pct`   | %      | state of charge, on the scale that is linear in energy (`soc_curve`) |
    | scale       | `pct_per_kwh` | %/kWh  | 100 % over the usable capacity |
    | consumption | `kwh_per_km`  | kWh/km | consumption of a drive without measured power |
    | boundary    | `boundary_kwh`| kWh    | correction of `out_kwh` at the last boundary, since that was published |

    `cov_ROW_COLUMN` is the covariance of two quantities, `var_ROW` the variance of one; the unit is the product of both
    units. Each pair is stored once, in the order of the table. `agent.fleet.kalman` has the equations.
    """

    started: bool = False
    time_ms: int = 0
    out_kwh: float = 0.0
    level_pct: float = 0.0
    pct_per_kwh: float = 1.0
    kwh_per_km: float = 0.22
    boundary_kwh: float = 0.0
    var_out: float = 0.0
    cov_out_level: float = 0.0
    cov_out_scale: float = 0.0
    cov_out_consumption: float = 0.0
    cov_out_boundary: float = 0.0
    var_level: float = 0.0
    cov_level_scale: float = 0.0
    cov_level_consumption: float = 0.0
    cov_level_boundary: float = 0.0
    var_scale: float = 0.0
    cov_scale_consumption: float = 0.0
    cov_scale_boundary: float = 0.0
    var_consumption: float = 0.0
    cov_consumption_boundary: float = 0.0
    var_boundary: float = 0.0
    pending_kwh: float = 0.0
    pending_km: float = 0.0
    """Energy that does not depend on the distance, and distance, since the last prediction."""
    pending_var_kwh2: float = 0.0
    """Variance of the noise of both."""
    base_kwh: float = 0.0
    """Energy out of the battery before the last boundary; the total is `base_kwh + out_kwh`."""


@dataclass(slots=True)
class Totals:
    """Totals since the first reading. What is published as a `_total` never falls."""

    used_kwh: float = 0.0
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    grid_kwh: float = 0.0
    idle_kwh: float = 0.0
    distance_km: float = 0.0
    net_kwh: float = 0.0
    """Energy for driving and idling less energy regenerated. It may fall, unlike `used_kwh` and `regenerated_kwh`."""
    posted_kwh: float = 0.0
    """How much of the energy of the estimate has been booked as net or charged."""
    predicted_kwh: float = 0.0
    """Sum of all predictions, before any correction by the state of charge."""
    idle_from_kwh: float = 0.0
    """`predicted_kwh` up to which idling has been booked."""
    unused_1: bool = False
    source: int = SOURCE_SOC
    """What told the energy since the reading before: one of `SOURCE_...`."""
    emitted_kwh: float = 0.0
    emitted_km: float = 0.0
    """`net_kwh` and `distance_km` that have been passed to the emissions."""


@dataclass(slots=True)
class Capacity:
    """The usable capacity of the battery and the efficiencies of the charger, as learnt."""

    battery_kwh: float = 0.0
    samples_kwh: list[float] = field(default_factory=list)
    """The capacity, and the samples that it is the median of."""
    window_level_pct: float | None = None
    window_ms: int = 0
    window_power_kwh: float = 0.0
    window_power_var: float = 0.0
    window_blind_ms: int = 0
    window_counter_kwh: float = 0.0
    window_net_kwh: float = 0.0
    """Level, time and sums at the beginning of the window of `agent.fleet.evidence`."""
    efficiencies_ac: list[float] = field(default_factory=list)
    efficiencies_dc: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Consumption:
    """Recent consumption: energy and distance, both with a weight that fades over 20 km."""

    kwh: float = 0.0
    km: float = 0.0
    net_kwh: float = 0.0
    distance_km: float = 0.0
    """The totals up to which energy and distance have been taken."""
    per_100km_kwh: float | None = None
    range_km: float | None = None
    uncertainty_kwh: float | None = None
    """As last published."""
