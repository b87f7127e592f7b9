"""State of the charge under way."""

from dataclasses import dataclass, field

from agent.fleet.contracts import LOCATION
from agent.fleet.state_part import Mark


@dataclass(slots=True)
class MeterState:
    """What the charger has stated during the charge under way."""

    power_kw: float | None = None
    time_ms: int = 0
    is_whole: bool = True
    """All powers so far were whole kW."""
    waiting_kwh: float = 0.0
    waiting_ms: int = 0
    """Energy by the charger since grid energy was computed last, and the time that it covers."""
    gap_kwh: float = 0.0
    gap_ms: int = 0
    """The same between readings that are far apart. It counts only if it agrees with the energy into the battery."""
    covered_ms: int = 0
    metered_kwh: float = 0.0
    battery_kwh: float = 0.0
    grid_kwh: float = 0.0
    """In the covered time so far: energy by the charger, energy into the battery, grid energy as entered."""


@dataclass(slots=True)
class SliceState:
    """The slice under way, and the sums of all slices of the charge. `end_ms` = 0: no slice is under way."""

    start_ms: int = 0
    end_ms: int = 0
    battery_kwh: float = 0.0
    grid_kwh: float = 0.0
    metered_kwh: float = 0.0
    direct_g: float = 0.0
    upstream_g: float = 0.0
    losses_g: float = 0.0
    market_g: float = 0.0
    hourly_kwh: float = 0.0
    cost: float | None = None
    instrument: str = LOCATION
    waiting_ms: int = 0
    waiting_battery_kwh: float = 0.0
    waiting_grid_kwh: float = 0.0
    waiting_metered_kwh: float = 0.0
    """Energy that is still to be entered, and since when it flowed."""
    charge_metered_kwh: float = 0.0
    charge_market_g: float = 0.0
    charge_cost: float | None = None
    charge_primary_g: float = 0.0
    charge_hourly_g: float = 0.0


@dataclass(slots=True)
class ChargeState:
    """The charge under way (`active`), or the lowest state of charge from which one may have begun."""

    start: Mark = field(default_factory=Mark)
    flagged: bool = False
    """The van's flag has begun the charge."""
    active: bool = False
    charged_kwh: float = 0.0
    """Energy of this charge into the battery."""
    grid_kwh: float = 0.0
    co2e_g: float = 0.0
    pending_kwh: float = 0.0
    """Energy charged and not yet passed to the emissions."""
    unused_1: float = 0.0
    unused_2: float | None = None
    unused_3: int = 0
    max_power_kw: float | None = None
    rise_ms: int = 0
    rise_pct: float = 0.0
    """When the state of charge last rose, and its value then."""
    low_pct: float | None = None
    """The lowest state of charge at this resting place: a rise from it may be a charge."""
    low_ms: int = 0
    settled_ms: int = 0
    """Up to when grid energy and carbon have been booked; 0: nothing yet."""
    unflagged_ms: int = 0
    """Since when the flag of a flagged charge has been off; 0: it is on."""
    meter: MeterState | None = None
    """What the charger has reported; `None`: nothing."""
    slice: SliceState | None = None
    """The slice under way; `None`: no energy has been booked."""
    start_variance: float | None = None
    """Variance of the estimate when the charge began, kWh²; `None`: the van was silent then."""
    gives: bool = False
    """The state of charge has fallen while the flag is on. The flag is ignored until it has been off."""
    scatters: int = 0
    """How often the state of charge has risen and fallen again at rest, without a charge."""
