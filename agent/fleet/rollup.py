"""Roll-ups: all vans of a depot as one point each full minute.

Sums are exact (`math.fsum`), so they do not depend on the order of the vans, which a restart may change.
"""

from collections.abc import Iterable
from math import fsum
from typing import NamedTuple

from agent.fleet.records import FleetRecord, State


class VanRow(NamedTuple):
    """What a roll-up needs of one van, in this order.

    `power_kw` is positive out of the battery, as published.
    """

    depot: str
    state: State
    soc_pct: float | None
    power_kw: float | None
    used_kwh_total: float
    grid_kwh_total: float
    distance_km_total: float
    co2e_g_total: float
    avoided_co2e_g_total: float


class _Depot:
    """The columns of one depot."""

    __slots__ = ("avoided", "co2e", "distance", "grid", "power", "soc", "states", "used")

    def __init__(self) -> None:
        self.states: list[State] = []
        self.soc: list[float] = []
        self.power: list[float] = []
        self.used: list[float] = []
        self.grid: list[float] = []
        self.distance: list[float] = []
        self.co2e: list[float] = []
        self.avoided: list[float] = []


def roll_up(vans: Iterable[VanRow], time_ms: int) -> list[FleetRecord]:
    """One record per depot, in order of their names. A van that is offline adds to the totals, not to the power."""
    depots: dict[str, _Depot] = {}
    for depot, state, soc_pct, power_kw, used, grid, distance, co2e, avoided in vans:
        columns = depots.get(depot)
        if columns is None:
            columns = depots[depot] = _Depot()
        columns.states.append(state)
        if soc_pct is not None:
            columns.soc.append(soc_pct)
        if power_kw is not None and state != "offline":
            columns.power.append(power_kw)
        columns.used.append(used)
        columns.grid.append(grid)
        columns.distance.append(distance)
        columns.co2e.append(co2e)
        columns.avoided.append(avoided)
    return [_record(depot, depots[depot], time_ms) for depot in sorted(depots)]


def _record(depot: str, columns: _Depot, time_ms: int) -> FleetRecord:
    states, soc = columns.states, columns.soc
    return FleetRecord(
        depot=depot,
        time_ms=time_ms,
        vans=len(states),
        online=len(states) - states.count("offline"),
        driving=states.count("driving") + states.count("stopped"),
        charging=states.count("charging"),
        soc_mean_pct=fsum(soc) / len(soc) if soc else None,
        soc_min_pct=min(soc, default=None),
        power_kw=fsum(columns.power) if columns.power else None,
        used_kwh_total=fsum(columns.used),
        grid_kwh_total=fsum(columns.grid),
        distance_km_total=fsum(columns.distance),
        co2e_g_total=fsum(columns.co2e),
        avoided_co2e_g_total=fsum(columns.avoided),
    )
