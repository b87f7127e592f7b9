"""The roll-up: all vans of a depot as one point each full minute.

Sums are exact (`math.fsum`), so they do not depend on the order of the vans, which a restart may change. The roll-up
covers the vans of one shard.
"""

from array import array
from math import fsum, isnan, nan

from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, STOPPED
from agent.fleet.records import FleetRecord
from agent.shard.summary import VanSummary


class RollUp:
    """A row of figures for each van, in flat columns. They take a tenth of the memory that objects would take.

    The columns are arrays of floats, so NaN stands for "unknown" in them; it becomes None in a record.
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
        """Add a row for one more van. `put` has to be called for it before `records`."""
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

    def records(self, time_ms: int) -> list[FleetRecord]:
        """One record per depot, in order of their names."""
        rows: dict[str, list[int]] = {}
        for row, depot in enumerate(self._depots):
            rows.setdefault(depot, []).append(row)
        return [self._record(depot, rows[depot], time_ms) for depot in sorted(rows)]

    def _record(self, depot: str, rows: list[int], time_ms: int) -> FleetRecord:
        def total(column: "array[float]") -> float:
            return fsum([column[row] for row in rows])

        modes = bytes([self._modes[row] for row in rows])
        soc = [value for row in rows if not isnan(value := self._soc_pct[row])]
        power = [value for row in rows if not isnan(value := self._power_kw[row])]
        return FleetRecord(
            depot=depot,
            time_ms=time_ms,
            vans=len(modes),
            online=len(modes) - modes.count(OFFLINE),
            driving=modes.count(DRIVING) + modes.count(STOPPED),
            charging=modes.count(CHARGING),
            soc_mean_pct=fsum(soc) / len(soc) if soc else None,
            soc_min_pct=min(soc, default=None),
            power_kw=fsum(power) if power else None,
            used_kwh_total=total(self._used_kwh),
            grid_kwh_total=total(self._grid_kwh),
            distance_km_total=total(self._distance_km),
            co2e_g_total=total(self._co2e_g),
            avoided_co2e_g_total=total(self._avoided_co2e_g),
        )
