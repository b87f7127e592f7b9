"""Van-days: what one van did between two midnights, as the difference of its totals.

Differences telescope: the days of a van add up to its totals, whatever happened around midnight.
"""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from agent.errors import SettingsError
from agent.fast.attributes import quick_to_set
from agent.fleet.records import DayRecord
from agent.fleet.uncertainty import Z90, MakeUp, make_up

MS_PER_HOUR: Final = 3_600_000
QUIET_MS: Final = 6 * MS_PER_HOUR
"""A van that is silent at midnight may still send what it kept back; its day is closed so much later."""


class DayZone:
    """Where midnight is: an offset such as `+02:00`, or a name of the time zone database."""

    def __init__(self, name: str = "+00:00") -> None:
        self._zone = _zone(name)

    @property
    def tzinfo(self) -> tzinfo:
        """The zone itself, for reading times that name none."""
        return self._zone

    @classmethod
    def of_offset(cls, minutes: int) -> "DayZone":
        """A fixed number of minutes ahead of UTC."""
        sign = "-" if minutes < 0 else "+"
        return cls(f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}")

    def bounds(self, time_ms: int) -> tuple[int, int]:
        """First millisecond of the day of a time, and of the next day."""
        midnight = self._local(time_ms).replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        following = (midnight + timedelta(days=1)).replace(fold=0)
        return _epoch_ms(midnight), _epoch_ms(following)

    def hour(self, time_ms: int) -> int:
        """Hour of the day, 0 to 23."""
        return self._local(time_ms).hour

    def next_hour_ms(self, time_ms: int) -> int:
        """When the clocks of the zone show the next full hour; in UTC that may be half past, or a quarter to."""
        local = self._local(time_ms)
        return time_ms // 1000 * 1000 + MS_PER_HOUR - (local.minute * 60 + local.second) * 1000

    def _local(self, time_ms: int) -> datetime:
        return datetime.fromtimestamp(time_ms // 1000, UTC).astimezone(self._zone)


def _zone(name: str) -> tzinfo:
    if name[:1] in ("+", "-"):
        try:
            hours, minutes = (int(part) for part in name[1:].split(":"))
            offset = timedelta(hours=hours, minutes=minutes)
            return timezone(offset if name[0] == "+" else -offset)
        except ValueError as error:
            raise SettingsError(f"UTC offset {name!r} is not of the form +02:00") from error
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise SettingsError(f"time zone {name!r} is not known on this system") from error


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp()) * 1000


class Tariff:
    """The price of grid energy, per kWh, in any currency: one price, or one for each hour of the day."""

    def __init__(self, prices_per_kwh: float | tuple[float, ...], zone: DayZone) -> None:
        prices = (prices_per_kwh,) * 24 if isinstance(prices_per_kwh, float | int) else prices_per_kwh
        if len(prices) != 24:
            raise SettingsError(f"a tariff has one price, or 24: one for each hour, not {len(prices)}")
        self._prices = prices
        self._flat = len(set(prices)) == 1
        self._zone = zone

    def cost(self, grid_kwh: float, start_ms: int, end_ms: int) -> float:
        """The cost of energy drawn evenly over a time."""
        if self._flat or end_ms <= start_ms:
            return grid_kwh * self._prices[self._zone.hour(start_ms)]
        cost, time_ms = 0.0, start_ms
        while time_ms < end_ms:
            until_ms = min(end_ms, self._zone.next_hour_ms(time_ms))
            cost += grid_kwh * (until_ms - time_ms) / (end_ms - start_ms) * self._prices[self._zone.hour(time_ms)]
            time_ms = until_ms
        return cost


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


NOTHING: Final = DayTotals(0.0, 0.0, None, 0.0, 0.0, 0.0, 0.0, 0.0)


@quick_to_set
class DayState(msgspec.Struct, array_like=True, gc=False, kw_only=True):
    """The day under way: totals at its beginning and what has been counted since.

    `end_ms` = 0: none is under way.
    """

    start_ms: int = 0
    end_ms: int = 0
    totals: DayTotals = NOTHING
    trips: int = 0
    stops: int = 0
    charges: int = 0
    energy_cost: float | None = None
    closed: bool = False
    """Silence has closed the day of `start_ms`; readings of it that come later open it again."""


def is_over(state: DayState, time_ms: int, *, heard: bool = True) -> bool:
    """Whether `turn` is due before something at this time is entered; for a reading the same as `time_ms >= end_ms`.

    `heard` says that the van itself sent this time; the passing of time alone (a tick) closes a day hours later.
    """
    return time_ms >= state.end_ms if heard else 0 < state.end_ms <= time_ms - QUIET_MS


def turn(
    state: DayState,
    zone: DayZone,
    *,
    vehicle_id: str,
    time_ms: int,
    totals: DayTotals,
    uncertainty_kwh: float | None = None,
    heard: bool = True,
) -> DayRecord | None:
    """Close the day that is over, if one had begun; begin the day of `time_ms` if the van itself was `heard`.

    To be called before the reading that lies in the new day is entered, with the totals as they are until then. Days
    on which a van was silent have no record. A day that silence has closed goes on when readings of it come later: its
    next record holds the whole day and takes the place of the first. `uncertainty_kwh` is the half width of the 90 %
    interval of the energy of the day.
    """
    record = None if state.end_ms == 0 else _close(state, vehicle_id, totals, uncertainty_kwh)
    if not heard:
        state.closed, state.end_ms = True, 0
        return record
    start_ms, state.end_ms = zone.bounds(time_ms)
    opened_again = state.closed and start_ms == state.start_ms
    state.closed = False
    if opened_again:
        return None
    state.start_ms = start_ms
    state.totals = totals
    state.trips = state.stops = state.charges = 0
    state.energy_cost = None
    return record


def add_cost(state: DayState, tariff: Tariff | None, *, grid_kwh: float, start_ms: int, end_ms: int) -> None:
    """Enter the cost of energy that was drawn from the grid."""
    if tariff is not None:
        state.energy_cost = (state.energy_cost or 0.0) + tariff.cost(grid_kwh, start_ms, end_ms)


def _close(state: DayState, vehicle_id: str, totals: DayTotals, uncertainty_kwh: float | None) -> DayRecord:
    begun = state.totals
    co2e_g = totals.co2e_g - begun.co2e_g
    diesel_co2e_g = totals.diesel_co2e_g - begun.diesel_co2e_g
    grams = _make_up(begun, totals, uncertainty_kwh)
    regenerated = None
    if totals.regenerated_kwh is not None:
        regenerated = totals.regenerated_kwh - (begun.regenerated_kwh or 0.0)
    return DayRecord(
        vehicle_id=vehicle_id,
        time_ms=state.start_ms,
        distance_km=totals.distance_km - begun.distance_km,
        used_kwh=totals.used_kwh - begun.used_kwh,
        regenerated_kwh=regenerated,
        charged_kwh=totals.charged_kwh - begun.charged_kwh,
        grid_kwh=totals.grid_kwh - begun.grid_kwh,
        idle_kwh=totals.idle_kwh - begun.idle_kwh,
        trips=state.trips,
        stops=state.stops,
        charges=state.charges,
        co2e_g=co2e_g,
        diesel_co2e_g=diesel_co2e_g,
        avoided_co2e_g=diesel_co2e_g - co2e_g,
        energy_cost=state.energy_cost,
        uncertainty_kwh=uncertainty_kwh,
        market_co2e_g=totals.market_g - begun.market_g,
        uncertainty_g=None if grams is None else Z90 * grams.standard_g,
        uncertainty_energy_g=None if grams is None else Z90 * grams.energy_g,
        uncertainty_meter_g=None if grams is None else Z90 * grams.meter_g,
        uncertainty_factor_g=None if grams is None else Z90 * grams.factor_g,
    )


def _make_up(begun: DayTotals, totals: DayTotals, uncertainty_kwh: float | None) -> MakeUp | None:
    if uncertainty_kwh is None or begun.net_kwh is None or totals.net_kwh is None:
        return None
    return make_up(
        totals.co2e_g - begun.co2e_g,
        energy_kwh=totals.net_kwh - begun.net_kwh,
        uncertainty_kwh=uncertainty_kwh,
        primary_g=totals.primary_g - begun.primary_g,
        hourly_g=totals.hourly_g - begun.hourly_g,
    )
