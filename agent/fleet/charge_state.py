"""State of the charge under way."""

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.charger import MeterState
from agent.fleet.slices import SliceState
from agent.fleet.state_part import Mark, Part


@quick_to_set
class ChargeState(Part):
    """The charge under way, or the lowest point from which one may have begun."""

    start: Mark = msgspec.field(default_factory=Mark)
    flagged: bool = False
    active: bool = False
    charged_kwh: float = 0.0
    """Of this charge, into the battery."""
    grid_kwh: float = 0.0
    co2e_g: float = 0.0
    pending_kwh: float = 0.0
    """Charged and not yet handed to the emissions."""
    unused_1: float = 0.0
    unused_2: float | None = None
    unused_3: int = 0
    max_power_kw: float | None = None
    rise_ms: int = 0
    rise_pct: float = 0.0
    low_pct: float | None = None
    """The lowest state of charge at this resting place: a rise from here may be a charge."""
    low_ms: int = 0
    settled_ms: int = 0
    """Up to when grid energy and carbon have been entered; 0: nothing yet."""
    unflagged_ms: int = 0
    """Since when the flag of a flagged charge says no; 0: it does not."""
    meter: MeterState | None = None
    """What the charger has said; `None`: nothing."""
    slice: SliceState | None = None
    """The slice under way; `None`: no energy has been entered."""
    start_variance: float | None = None
    """Of the estimate when the charge began, kWh²; `None`: nobody saw it begin."""
    gives: bool = False
    """The flag says that the van charges, but its state of charge has fallen: the flag says nothing until it rises."""
    scatters: int = 0
    """How often the state of charge has risen and fallen again at rest."""
