import pytest

from agent.errors import SettingsError
from agent.fleet.day_zone import DayZone
from agent.fleet.tariff import Tariff

HOUR = 3_600_000
UTC_DAYS = DayZone()
PEAK = tuple(0.4 if 6 <= hour < 22 else 0.2 for hour in range(24))


@pytest.mark.parametrize(
    ("title", "prices", "zone", "start", "end", "cost"),
    [
        ("flat", 0.3, "+00:00", 0, 10, 3.0),
        ("at night", PEAK, "+00:00", 0, 6, 2.0),
        ("half at night, half by day", PEAK, "+00:00", 4, 8, 3.0),
        ("a quarter of an hour into the day", PEAK, "+00:00", 5.25, 6.25, 2.5),
        ("in local time", PEAK, "+02:00", 4, 8, 4.0),
        ("one moment", PEAK, "+00:00", 12, 12, 4.0),
        # 00:00 to 01:00 UTC is 05:30 to 06:30 in India: half an hour, 5 kWh, at each price: 5 * 0.2 + 5 * 0.4.
        ("where the full hour is half past in UTC", PEAK, "+05:30", 0, 1, 3.0),
        # 00:00 to 01:00 UTC is 05:45 to 06:45 in Nepal: a quarter of an hour at night: 2.5 * 0.2 + 7.5 * 0.4.
        ("where the full hour is a quarter past in UTC", PEAK, "+05:45", 0, 1, 3.5),
        # 16:00 to 17:00 UTC is 21:30 to 22:30 at +05:30.
        ("into the night, half past in UTC", PEAK, "+05:30", 16, 17, 3.0),
        ("for nothing", 0.0, "+00:00", 4, 8, 0.0),
    ],
)
def test_tariff(title, prices, zone, start, end, cost):
    tariff = Tariff(prices, DayZone(zone))
    assert tariff.cost(10.0, round(start * HOUR), round(end * HOUR)) == pytest.approx(cost), title


def test_a_tariff_has_one_price_or_24():
    with pytest.raises(SettingsError, match="not 3"):
        Tariff((0.1, 0.2, 0.3), UTC_DAYS)
