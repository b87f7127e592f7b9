"""The energy charged today and its emissions, by place and market-based instrument, from charge slices."""

import time
from collections.abc import Iterable
from functools import partial
from typing import Any, Final, NamedTuple

from agent.stores.base import History
from dashboards.live.channel import Channel
from dashboards.live.hours import HOUR_MS

AGAIN_S: Final = 30.0
"""How often the last hours are read again, because a slice is written when it is complete."""
LOCATION: Final = "location"
"""The instrument of energy without a contract and without a known residual mix."""
LATE_MS: Final = 2 * HOUR_MS
ALL_AGAIN_S: Final = 600.0
"""How often the whole day is read again, because charges in a gap are written at the next reading of the van."""
AMOUNTS: Final = ("grid_kwh", "direct_g", "upstream_g", "losses_g", "market_g")


class ChargeSite(NamedTuple):
    """A place and a market-based instrument."""

    place: str
    instrument: str


ChargeSums = dict[str, float]
"""`AMOUNTS`, `metered_kwh` and `market_scope_2_g`."""


class ChargedToday:
    """The sums of the day's slices by hour. Each hour can be read again."""

    def __init__(self) -> None:
        self._today_ms = self._front_ms = 0
        self._hours: dict[int, dict[ChargeSite, ChargeSums]] = {}
        self._read_s = self._all_read_s = float("-inf")

    def due(self) -> bool:
        """Whether `read` has anything to do now."""
        return time.monotonic() - self._read_s >= AGAIN_S

    async def read(self, channel: Channel, today_ms: int, front_ms: int) -> None:
        """Read the hours that may have changed."""
        self._read_s = time.monotonic()
        everything = today_ms != self._today_ms or self._read_s - self._all_read_s >= ALL_AGAIN_S
        if everything:
            self._all_read_s = self._read_s
        again_ms = min(self._front_ms, front_ms) - LATE_MS  # past data may have been written since
        hours: dict[int, dict[ChargeSite, ChargeSums]] = {}
        for hour_ms in range(today_ms, front_ms + 1, HOUR_MS):
            if everything or hour_ms not in self._hours or hour_ms >= again_ms:
                hours[hour_ms] = await channel.read(partial(_of_hour, start_ms=hour_ms))
            else:
                hours[hour_ms] = self._hours[hour_ms]
        self._today_ms, self._front_ms, self._hours = today_ms, front_ms, hours

    def total(self) -> ChargeSums:
        """The sums of the day so far; empty if nothing has been charged."""
        whole: ChargeSums = {}
        for site, sums in self.sites().items():
            _add(whole, sums)
            if site.instrument.startswith("contract"):
                _add(whole, {"contract_kwh": sums["grid_kwh"]})
        return whole

    def sites(self) -> dict[ChargeSite, ChargeSums]:
        """The sums of the day so far, sorted by place and instrument."""
        whole: dict[ChargeSite, ChargeSums] = {}
        for sites in self._hours.values():
            for site, sums in sites.items():
                _add(whole.setdefault(site, {}), sums)
        return dict(sorted(whole.items()))


def sites_of(slices: Iterable[dict[str, Any]]) -> dict[ChargeSite, ChargeSums]:
    """The sums of slices, by place and instrument."""
    sites: dict[ChargeSite, ChargeSums] = {}
    for piece in slices:
        amounts = {name: piece.get(name, 0.0) for name in AMOUNTS}
        amounts["metered_kwh"] = amounts["grid_kwh"] if piece.get("meter") == "charger" else 0.0
        # Contracts and residual mixes state emissions of generation. Otherwise the direct part is Scope 2.
        by_location = piece.get("instrument", LOCATION) == LOCATION
        amounts["market_scope_2_g"] = amounts["direct_g"] if by_location else amounts["market_g"]
        _add(sites.setdefault(ChargeSite(piece.get("place", ""), piece.get("instrument", "")), {}), amounts)
    return sites


def _add(into: ChargeSums, amounts: ChargeSums) -> None:
    for name, value in amounts.items():
        into[name] = into.get(name, 0.0) + value


def _of_hour(history: History, start_ms: int) -> dict[ChargeSite, ChargeSums]:
    return sites_of(history.select("charge_slice", start_ms=start_ms, end_ms=start_ms + HOUR_MS))
