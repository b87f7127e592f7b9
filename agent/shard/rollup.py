"""The roll-up: all vans of a depot as one point each full minute.

A shard knows some of the vans. What it says of a depot is exact: each sum is a list of floats whose exact sum is that
of its vans (an expansion, as J. R. Shewchuk calls it). So the parts of several shards give bit for bit the figures that
one shard with all vans gives, in whatever order and however the vans are divided.
"""

from array import array
from collections.abc import Iterable, Sequence
from math import fsum, isnan, nan

import msgspec

from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, STOPPED
from agent.fleet.records import FleetRecord
from agent.shard.summary import VanSummary

Sum = list[float]
"""An expansion: the largest part first; empty for 0."""


class DepotPart(msgspec.Struct, array_like=True, gc=False):
    """What the vans of one shard add to a depot. A new field goes to the end, with a default."""

    vans: int
    online: int
    driving: int
    charging: int
    soc_vans: int
    """Vans whose state of charge is known."""
    soc_pct: Sum
    soc_min_pct: float | None
    power_vans: int
    """Vans that are online and whose power is known."""
    power_kw: Sum
    used_kwh: Sum
    grid_kwh: Sum
    distance_km: Sum
    co2e_g: Sum
    avoided_co2e_g: Sum


class RollUpPart(msgspec.Struct, array_like=True, gc=False):
    """What one shard says at a full minute."""

    time_ms: int
    offset: int
    """The offset of the tick, by which a part that is made again is recognised."""
    depots: dict[str, DepotPart]


def exact_sum(values: Sequence[float]) -> Sum:
    """The sum without any error: correctly rounded, then what the rounding has left, until nothing is left."""
    rest = list(values)
    found: Sum = []
    while part := fsum(rest):
        found.append(part)
        rest.append(-part)
    return found


class RollUp:
    """A row of figures for each van, in flat columns. They take a tenth of the memory that objects would take.

    The columns are arrays of floats, so NaN stands for "unknown" in them.
    """

    def __init__(self) -> None:
        self._depots: list[str] = []
        self._modes = bytearray()
        self._soc_pct = array("d")
        self._power_kw = array("d")
        self._used_kwh = array("d")
        self._grid_kwh = array("d")
        self._distance_km = array("d")
        self._co2e_g = array("d")
        self._avoided_co2e_g = array("d")
        self._columns = (
            self._soc_pct,
            self._power_kw,
            self._used_kwh,
            self._grid_kwh,
            self._distance_km,
            self._co2e_g,
            self._avoided_co2e_g,
        )

    def append(self, depot: str) -> None:
        """Add a row for one more van. `put` has to be called for it before `depots`."""
        self._depots.append(depot)
        self._modes.append(OFFLINE)
        for column in self._columns:
            column.append(nan)

    def put(self, row: int, van: VanSummary) -> None:
        """Enter the figures of a van. One that is offline adds to the totals, not to the power."""
        self._modes[row] = van.mode
        self._soc_pct[row] = nan if van.soc_pct is None else van.soc_pct
        self._power_kw[row] = nan if van.power_kw is None or van.mode == OFFLINE else van.power_kw
        self._used_kwh[row] = van.used_kwh
        self._grid_kwh[row] = van.grid_kwh
        self._distance_km[row] = van.distance_km
        self._co2e_g[row] = van.co2e_g
        self._avoided_co2e_g[row] = van.avoided_co2e_g

    def move(self, row: int, depot: str) -> None:
        """The van belongs to this depot from now on."""
        self._depots[row] = depot

    def depots(self) -> dict[str, DepotPart]:
        """What the vans add to each depot."""
        rows: dict[str, list[int]] = {}
        for row, depot in enumerate(self._depots):
            rows.setdefault(depot, []).append(row)
        return {depot: self._part(some) for depot, some in rows.items()}

    def _part(self, rows: list[int]) -> DepotPart:
        def total(column: "array[float]") -> Sum:
            return exact_sum([column[row] for row in rows])

        modes = bytes([self._modes[row] for row in rows])
        soc = [value for row in rows if not isnan(value := self._soc_pct[row])]
        power = [value for row in rows if not isnan(value := self._power_kw[row])]
        return DepotPart(
            vans=len(modes),
            online=len(modes) - modes.count(OFFLINE),
            driving=modes.count(DRIVING) + modes.count(STOPPED),
            charging=modes.count(CHARGING),
            soc_vans=len(soc),
            soc_pct=exact_sum(soc),
            soc_min_pct=min(soc, default=None),
            power_vans=len(power),
            power_kw=exact_sum(power),
            used_kwh=total(self._used_kwh),
            grid_kwh=total(self._grid_kwh),
            distance_km=total(self._distance_km),
            co2e_g=total(self._co2e_g),
            avoided_co2e_g=total(self._avoided_co2e_g),
        )


def combine(time_ms: int, shards: Iterable[dict[str, DepotPart]]) -> list[FleetRecord]:
    """One record per depot, in order of their names, from what each shard says of its vans."""
    depots: dict[str, list[DepotPart]] = {}
    for parts in shards:
        for depot, part in parts.items():
            depots.setdefault(depot, []).append(part)
    return [_record(time_ms, depot, depots[depot]) for depot in sorted(depots)]


def _record(time_ms: int, depot: str, parts: list[DepotPart]) -> FleetRecord:
    soc_vans = sum(part.soc_vans for part in parts)
    soc_min_pct = [part.soc_min_pct for part in parts if part.soc_min_pct is not None]
    return FleetRecord(
        depot=depot,
        time_ms=time_ms,
        vans=sum(part.vans for part in parts),
        online=sum(part.online for part in parts),
        driving=sum(part.driving for part in parts),
        charging=sum(part.charging for part in parts),
        soc_mean_pct=_rounded(part.soc_pct for part in parts) / soc_vans if soc_vans else None,
        soc_min_pct=min(soc_min_pct, default=None),
        power_kw=_rounded(part.power_kw for part in parts) if any(part.power_vans for part in parts) else None,
        used_kwh_total=_rounded(part.used_kwh for part in parts),
        grid_kwh_total=_rounded(part.grid_kwh for part in parts),
        distance_km_total=_rounded(part.distance_km for part in parts),
        co2e_g_total=_rounded(part.co2e_g for part in parts),
        avoided_co2e_g_total=_rounded(part.avoided_co2e_g for part in parts),
    )


def _rounded(sums: Iterable[Sum]) -> float:
    """The float next to the exact sum of all."""
    return fsum(value for some in sums for value in some)
