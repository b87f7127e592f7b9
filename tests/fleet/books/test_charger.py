"""Grid energy by what a charger says, by the efficiency, and within what physics allows."""

from typing import Any

import pytest

from agent.fleet.books import charger
from agent.fleet.books.charger import MeterState
from tests.fleet.drives import Van

MINUTE_MS = 60_000
HOUR_MS = 3_600_000


def metered(power_kw: float, *, minutes: int = 60, every_min: int = 1, meter: MeterState | None = None) -> MeterState:
    meter = meter or MeterState()
    for minute in range(0, minutes + 1, every_min):
        charger.read(meter, power_kw, minute * MINUTE_MS, near_ms=MINUTE_MS)
    return meter


def draw(
    meter: MeterState, battery_kwh: float, *, hours: float = 1.0, efficiency: float = 0.9, leeway_kwh: float = 0.1
):
    return charger.draw(
        meter,
        battery_kwh=battery_kwh,
        duration_ms=round(hours * HOUR_MS),
        efficiency=efficiency,
        leeway_kwh=leeway_kwh,
    )


@pytest.mark.parametrize(
    ("title", "power_kw", "every_min", "hours", "battery_kwh", "grid_kwh", "metered_kwh"),
    [
        ("no charger: the efficiency", None, 1, 1.0, 9.0, 9.0 / 0.9, 0.0),
        ("a charger for all of the time", 7.2, 1, 1.0, 6.4, 7.2, 7.2),
        ("a charger for half of the time: the efficiency for the other half", 7.2, 1, 2.0, 12.8, 7.2 + 6.4 / 0.9, 7.2),
        ("readings ten minutes apart while the charge goes on", 7.2, 10, 1.0, 6.4, 7.2, 7.2),
        ("the same, but the battery got a third of it: the charge has not gone on", 7.2, 10, 1.0, 2.2, 2.2 / 0.9, 0.0),
        ("less than went in: the efficiency", 4.8, 1, 1.0, 8.7, 8.7 / 0.9, 0.0),
        ("the same ten minutes apart", 4.8, 10, 1.0, 8.7, 8.7 / 0.9, 0.0),
        ("99 % efficiency: no charger is that good", 7.3, 1, 1.0, 7.227, 7.227 / 0.9, 0.0),
        ("whole kW, which may be 1.4 kW: the efficiency", 1.0, 1, 1.0, 1.12, 1.12 / 0.9, 0.0),
        ("whole kW, at most 2 kW: less than by the efficiency", 1.0, 1, 1.0, 1.9, 2.0, 0.0),
        ("whole kW of a large charger are precise enough", 22.0, 1, 1.0, 19.8, 22.0, 22.0),
        ("5 kW into the battery and 5 kW of heating", 10.5, 1, 1.0, 5.0, 10.5, 10.5),
        (
            "more than battery and heating can take, 5.1 / 0.6 + 8 + 0.5: the efficiency",
            350.5,
            1,
            1.0,
            5.0,
            5.0 / 0.9,
            0.0,
        ),
    ],
)
def test_grid_energy_of_an_hour(
    title: str,
    power_kw: float | None,
    every_min: int,
    hours: float,
    battery_kwh: float,
    grid_kwh: float,
    metered_kwh: float,
):
    meter = MeterState() if power_kw is None else metered(power_kw, every_min=every_min)
    assert draw(meter, battery_kwh, hours=hours) == pytest.approx((grid_kwh, metered_kwh)), title


def test_a_charger_that_turns_out_too_low_is_set_aside_for_all_of_the_charge():
    """At first the battery may lag by a step; after six hours 30 kWh are in, and the charger says 24: 30 / 0.9 kWh."""
    meter, grid_kwh = MeterState(), 0.0
    for hour in range(6):
        for minute in range(60 * hour, 60 * (hour + 1) + 1):
            charger.read(meter, 4.01 - 0.02 * (minute % 2), minute * MINUTE_MS, near_ms=MINUTE_MS)
        drawn = draw(meter, 5.0, leeway_kwh=2.0)
        assert drawn.grid_kwh >= 5.0
        grid_kwh += drawn.grid_kwh
    assert grid_kwh == pytest.approx(30.0 / 0.9)


def test_a_charger_that_stops_ends_its_own_energy():
    """7.2 kW, and ten minutes later 0: it may have stopped at any time, so these ten minutes are not covered."""
    meter = metered(7.2)
    charger.read(meter, 0.0, 70 * MINUTE_MS, near_ms=MINUTE_MS)
    assert draw(meter, 7.0, hours=70 / 60) == pytest.approx((7.2 + 1.0 / 0.9, 7.2))


@pytest.mark.parametrize(
    ("power_kw", "battery_kwh", "efficiency"),
    [(7.2, 6.4, 6.4 / 7.2), (7.0, 6.3, None), (5.5, 6.4, None), (11.5, 6.4, None)],
)
def test_an_efficiency_is_learnt_from_chargers_that_can_be_believed(
    power_kw: float, battery_kwh: float, efficiency: float | None
):
    meter = metered(power_kw)
    draw(meter, battery_kwh)
    learnt = charger.efficiency_of(meter, 0.0)
    assert learnt == (None if efficiency is None else pytest.approx(efficiency))


def test_a_power_that_is_stuck_is_no_energy():
    """The battery is full after an hour, the charger says 7.2 kW all night: 72 kWh, and heating takes 8 + 10 * 0.5."""
    meter = metered(7.2, minutes=600)
    assert draw(meter, 6.5, hours=10.0).grid_kwh == pytest.approx(6.5 / 0.9)


class AtTheCharger(Van):
    """The charger gives `grid_kw`, of which 0.88 reach the battery's terminals and 0.97 of that can be taken out."""

    def charge(self, hours: float, grid_kw: float, *, every_s: int = 30, says_kw: float | None = None, **fields: Any):
        out_kw = grid_kw * 0.88 * 0.97
        said = {} if says_kw is None else {"charger_power_kw": says_kw}
        self.rest(round(hours * 3600), every_s=every_s, kw=-out_kw, charging=True, **said, **fields)

    def whole_charge(self, hours: float, grid_kw: float, **options: Any) -> float:
        self.rest(600, charging=False)
        self.charge(hours, grid_kw, **options)
        self.rest(600, charging=False, charger_power_kw=0.0)
        return self.charges[-1].grid_kwh


@pytest.mark.parametrize(
    ("title", "step_pct", "hours", "grid_kw", "options", "low_kwh", "high_kwh"),
    [
        ("a meter each 30 s", 0.1, 3.0, 7.2, {"says_kw": 7.2}, 21.4, 21.8),
        ("the same with 1 % steps", 1.0, 3.0, 7.2, {"says_kw": 7.2}, 21.3, 22.2),
        ("bursts ten minutes apart", 1.0, 4.0, 7.2, {"says_kw": 7.2, "every_s": 600}, 28.0, 30.0),
        ("a charger that says half: default efficiency 0.89 from 7 kW", 0.1, 3.0, 8.4, {"says_kw": 4.25}, 24.2, 25.4),
        ("whole kW at 1.4 kW: default efficiency 0.84", 0.1, 8.0, 1.4, {"says_kw": 1.0}, 11.0, 12.4),
    ],
)
def test_grid_energy_of_a_charge(
    title: str, step_pct: float, hours: float, grid_kw: float, options: dict[str, Any], low_kwh: float, high_kwh: float
):
    van = AtTheCharger(soc_pct=20.0, step_pct=step_pct)
    grid_kwh = van.whole_charge(hours, grid_kw, **options)
    assert low_kwh <= grid_kwh <= high_kwh, title
    assert grid_kwh >= van.charges[-1].energy_kwh


@pytest.mark.parametrize(
    ("title", "step_pct", "minutes", "grid_kw", "says_kw", "high_kwh"),
    [
        # 3.6 kWh of the grid. Two steps of 0.5 kWh take 10 minutes; until then 14.4 kW more cannot be told: 2.4 kWh.
        ("three times too high, 1 % steps, half an hour", 1.0, 30, 7.2, 21.63, 6.0),
        # 1.8 kWh.
        ("three times too high, a quarter of an hour", 0.1, 15, 7.2, 21.63, 2.2),
        # 0.19 kWh.
        ("ten times too high, five minutes", 0.1, 5, 2.3, 23.03, 0.4),
    ],
)
def test_absurd_power_enters_nothing_in_a_short_charge(
    title: str, step_pct: float, minutes: int, grid_kw: float, says_kw: float, high_kwh: float
):
    van = AtTheCharger(soc_pct=20.0, step_pct=step_pct)
    grid_kwh = van.whole_charge(minutes / 60, grid_kw, says_kw=says_kw)
    assert grid_kwh <= high_kwh, title
    assert grid_kwh >= van.charges[-1].energy_kwh


def test_a_power_beyond_the_van_is_not_taken_for_the_chargers():
    """Three hours at 7.2 kW are 21.6 kWh; once it says 500 kW, which over half a minute each side would add 4.1 kWh."""
    van = AtTheCharger(soc_pct=20.0, step_pct=0.1)
    van.rest(600, charging=False)
    van.charge(1.5, 7.2, says_kw=7.21)
    van.charge(1 / 120, 7.2, says_kw=500.0)
    van.charge(1.5, 7.2, says_kw=7.21)
    van.rest(600, charging=False, charger_power_kw=0.0)
    assert van.charges[-1].grid_kwh == pytest.approx(21.7, abs=0.3)


def test_what_a_charger_measured_is_said_and_learnt():
    van = AtTheCharger(soc_pct=10.0, step_pct=0.1)
    for _ in range(2):
        van.whole_charge(2.0, 7.2, says_kw=7.2)
        assert van.charges[-1].meter == "charger"
    van.whole_charge(1.0, 7.2)
    assert van.charges[-1].meter == "modelled"
    assert van.charges[-1].energy_kwh / van.charges[-1].grid_kwh == pytest.approx(0.88, abs=0.005)


def test_preheating_on_the_plug_is_grid_energy():
    """An hour at 7.2 kW into the battery, then half an hour of 3.5 kW that heats the cabin: 7.2 + 1.75 kWh."""
    van = AtTheCharger(soc_pct=20.0, step_pct=0.1)
    van.rest(600, charging=False)
    van.charge(1.0, 7.2, says_kw=7.2)
    van.rest(1800, every_s=30, kw=0.0, charging=True, charger_power_kw=3.5)
    van.rest(600, charging=False, charger_power_kw=0.0)
    assert van.charges[-1].grid_kwh == pytest.approx(7.2 + 1.75, abs=0.15)
