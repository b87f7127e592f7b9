"""State of the day under way."""

from typing import Final, NamedTuple

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.day_zone import MS_PER_HOUR

QUIET_MS: Final = 6 * MS_PER_HOUR
"""A van that is silent at midnight may still send readings from before it. Its day is closed this much later."""


class DayTotals(NamedTuple):
    """A van's totals at one moment; `co2e_g` is net, so that a day downhill may be negative."""

    distance_km: float
    used_kwh: float
    regenerated_kwh: float | None
    charged_kwh: float
    grid_kwh: float
    idle_kwh: float
    co2e_g: float
    diesel_co2e_g: float
    market_g: float = 0.0
    net_kwh: float | None = None
    primary_g: float = 0.0
    hourly_g: float = 0.0
    """Of `co2e_g`: with measured grid energy, and at an hourly intensity. `net_kwh` is `None` where all three are not
    known."""


NO_TOTALS: Final = DayTotals(0.0, 0.0, None, 0.0, 0.0, 0.0, 0.0, 0.0)


@quick_to_set
class DayState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """The day under way: totals at its beginning and what has been counted since.

    `end_ms` = 0: none is under way.
    """

    start_ms: int = 0
    end_ms: int = 0
    totals: DayTotals = NO_TOTALS
    trips: int = 0
    stops: int = 0
    charges: int = 0
    energy_cost: float | None = None
    closed: bool = False
    """Silence has closed the day of `start_ms`; readings of it that come later open it again."""
