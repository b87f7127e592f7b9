"""State of the day under way."""

from typing import Final, NamedTuple

import msgspec

from agent.fast.attributes import quick_to_set
from agent.fleet.day_zone import MS_PER_HOUR

QUIET_MS: Final = 6 * MS_PER_HOUR
"""A van that is silent at midnight may still send readings from before it. Its day is closed this much later."""


class DayTotals(NamedTuple):
    """Totals of a van at one moment. `co2e_g` is net, so a day downhill may be negative."""

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
    """Parts of `co2e_g` with measured grid energy, and at an hourly intensity.

    Both are valid only if `net_kwh` is not `None`.
    """


NO_TOTALS: Final = DayTotals(0.0, 0.0, None, 0.0, 0.0, 0.0, 0.0, 0.0)


@quick_to_set
class DayState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """The day under way: the totals at its beginning, and the counts since. `end_ms` = 0: no day is under way."""

    start_ms: int = 0
    end_ms: int = 0
    totals: DayTotals = NO_TOTALS
    trips: int = 0
    stops: int = 0
    charges: int = 0
    energy_cost: float | None = None
    closed: bool = False
    """A tick has closed the day of `start_ms`. Readings of that day that arrive later open it again."""
