"""What energy from the grid costs."""

from agent.errors import SettingsError
from agent.fleet.day_zone import DayZone


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
