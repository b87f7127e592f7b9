"""Figures over all vans of a shard, for the health endpoints and metrics."""

from collections.abc import Iterable
from operator import add, sub
from typing import Final, NamedTuple

from agent.fleet.modes import OFFLINE
from agent.shard.summary import VanSummary


class ShardTotals(NamedTuple):
    """Sums over vans; `VanSummary` says what each of them is. Masses are whole milligrams, so sums are exact."""

    offline: int
    """Vans that are offline."""
    positions_rejected: int
    soc_rejected: int
    carbon_mg: int = 0
    imbalance_mg: int = 0
    adjusted_mg: int = 0
    odometer_rejected: int = 0
    power_rejected: int = 0

    @classmethod
    def of(cls, van: VanSummary) -> "ShardTotals":
        """What one van adds."""
        return cls(
            int(van.mode == OFFLINE),
            van.positions_rejected,
            van.soc_rejected,
            van.carbon_mg,
            van.imbalance_mg,
            van.adjusted_mg,
            van.odometer_rejected,
            van.power_rejected,
        )

    @classmethod
    def over(cls, vans: Iterable[VanSummary]) -> "ShardTotals":
        """The sum over these vans."""
        parts = [cls.of(van) for van in vans]
        return cls(*map(sum, zip(*parts, strict=True))) if parts else NO_VANS

    def plus(self, more: "ShardTotals") -> "ShardTotals":
        """The sum of both."""
        return ShardTotals(*map(add, self, more))

    def less(self, part: "ShardTotals") -> "ShardTotals":
        """What is left without a part."""
        return ShardTotals(*map(sub, self, part))

    def not_below(self, before: "ShardTotals") -> "ShardTotals":
        """These totals, with no counter below its earlier value: a rewind takes the vans back to older states."""
        return self._replace(
            positions_rejected=max(self.positions_rejected, before.positions_rejected),
            soc_rejected=max(self.soc_rejected, before.soc_rejected),
            odometer_rejected=max(self.odometer_rejected, before.odometer_rejected),
            power_rejected=max(self.power_rejected, before.power_rejected),
        )


NO_VANS: Final = ShardTotals(0, 0, 0)
