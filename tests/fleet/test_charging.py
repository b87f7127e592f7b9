"""Charges as vans report them: at the end of a trip, without a flag, with a wrong one."""

from typing import Any

import pytest

from tests.fleet.drives import START_MS, Van


class Counting(Van):
    """A van with lifetime counters and, if wanted, power."""

    def __init__(self, *, power: bool = False, counters: bool = True, **options: Any) -> None:
        super().__init__(**options)
        self.out_kwh, self.in_kwh = 5000.0, 4000.0
        self.power, self.counters = power, counters

    def flow(self, seconds: int, kw: float, *, every_s: int = 10, speed_kmh: float = 0.0, **fields: Any) -> None:
        """Drive or stand while `kw` goes out of the battery."""
        for _ in range(0, seconds, every_s):
            self.time_s += every_s
            self.km += speed_kmh * every_s / 3600.0
            now_kw = kw * (1.0 + 0.002 * (self.time_s // every_s % 3 - 1))  # power that never changes is not believed
            kwh = now_kw * every_s / 3600.0
            self.soc_pct -= kwh / self.context.vehicle.battery_kwh * 100.0
            self.out_kwh += max(0.0, kwh)
            self.in_kwh += max(0.0, -kwh)
            counters = {"energy_out_total_kwh": self.out_kwh, "energy_in_total_kwh": self.in_kwh}
            self.say(
                speed_kmh=speed_kmh,
                **(counters if self.counters else {}),
                **({"battery_power_kw": -now_kw} if self.power else {}),
                **fields,
            )

    def town(self, minutes: int, **fields: Any) -> None:
        """Drive with a little braking in each minute: 9 kW out for 50 s, 5 kW in for 10 s."""
        for _ in range(minutes):
            self.flow(50, 9.0, every_s=2, speed_kmh=36.0, **fields)
            self.flow(10, -5.0, every_s=2, speed_kmh=20.0, **fields)

    @property
    def regenerated_kwh(self) -> float:
        return self.state.totals.regenerated_kwh


TOWN_BACK_KWH = 5.0 * 10 / 3600.0
"""What braking returns in a minute of `Counting.town`."""


@pytest.mark.parametrize("every_s", [2, 10, 30])
@pytest.mark.parametrize("after_s", [10, 60, 120, 240])
@pytest.mark.parametrize(("power", "counters"), [(False, True), (True, False), (True, True)])
def test_a_charge_at_the_end_of_a_trip_is_no_regeneration(power: bool, counters: bool, after_s: int, every_s: int):
    van = Counting(power=power, counters=counters)
    van.flow(600, 0.1, charging=False)
    van.town(30, charging=False)
    before_kwh = van.regenerated_kwh
    van.flow(after_s, 0.3, every_s=every_s, charging=False)
    van.flow(1200, -80.0, every_s=every_s, charging=True)
    van.flow(600, 0.1, charging=False)
    assert van.regenerated_kwh == pytest.approx(before_kwh, abs=0.12)  # the surplus of an estimate, when books close
    (trip,) = van.trips
    (charge,) = van.charges
    assert trip.regenerated_kwh == pytest.approx(before_kwh, abs=0.12)
    assert trip.energy_kwh == pytest.approx(30 * (9.0 * 50 - 5.0 * 10) / 3600.0, rel=0.1)
    assert charge.energy_kwh == pytest.approx(80.0 * 1200 / 3600.0 / 0.97, rel=0.04)
    assert charge.duration_s == pytest.approx(1200, abs=2 * every_s + 10)


def test_a_charge_without_a_flag_at_the_end_of_a_trip_is_no_regeneration():
    van = Counting()
    van.flow(600, 0.1)
    van.town(30)
    before_kwh = van.regenerated_kwh
    van.flow(120, 0.3)
    van.flow(1200, -80.0)
    van.flow(1800, 0.1)
    (charge,) = van.charges
    assert charge.energy_kwh == pytest.approx(80.0 * 1200 / 3600.0 / 0.97, rel=0.04)
    assert van.regenerated_kwh == pytest.approx(before_kwh, abs=0.12)
    assert van.trips[0].energy_kwh == pytest.approx(30 * (9.0 * 50 - 5.0 * 10) / 3600.0, rel=0.1)


def test_a_flag_that_always_says_charging_does_not_cut_trips():
    van = Counting(power=True)
    van.flow(600, 0.1, charging=True)
    for _ in range(4):
        van.town(5, charging=True)
        van.flow(120, 0.3, charging=True)
    van.flow(600, 0.3, charging=True)
    assert len(van.trips) == 1
    assert van.charges == []


@pytest.mark.parametrize("step_pct", [0.1, 1.0, 5.0])
def test_a_flag_that_never_says_charging_hides_no_charge(step_pct: float):
    van = Counting(counters=False, soc_pct=30.0, step_pct=step_pct)
    van.flow(600, 0.1, charging=False)
    van.flow(4 * 3600, -8.0, every_s=60, charging=False)
    van.flow(3 * 3600, 0.1, every_s=60, charging=False)
    (charge,) = van.charges
    assert charge.energy_kwh == pytest.approx(32.0 / 0.97, abs=step_pct / 100.0 * 50.0 + 0.5)


def test_a_state_of_charge_that_recovers_at_rest_is_no_charge():
    van = Counting(counters=False)
    van.flow(600, 0.1, charging=False)
    van.town(30, charging=False)
    van.soc_pct += 1.5
    van.flow(3600, 0.0, every_s=60, charging=False)
    assert van.charges == []


class Swapped(Counting):
    """Sends battery power with the wrong sign."""

    def say(self, **fields: Any) -> list[Any]:
        if fields.get("battery_power_kw") is not None:
            fields["battery_power_kw"] = -fields["battery_power_kw"]
        return super().say(**fields)


@pytest.mark.parametrize("step_pct", [0.01, 0.5, 1.0])
def test_a_wrong_sign_of_power_inflates_no_regeneration(step_pct: float):
    van = Swapped(power=True, counters=False, step_pct=step_pct)
    van.flow(600, 0.1)
    for _ in range(3):
        van.town(40)
        van.flow(400, 0.3)
    back_kwh = 120 * TOWN_BACK_KWH
    assert van.state.soc.power_sign == -1
    assert van.regenerated_kwh <= back_kwh * 1.05 + 0.25
    assert van.regenerated_kwh >= 0.6 * back_kwh
    assert van.state.totals.used_kwh - van.regenerated_kwh == pytest.approx(120 * 7.5 / 60.0 - back_kwh, rel=0.05)


@pytest.mark.parametrize("minutes", [2, 5, 60])
def test_what_braking_returned_is_booked_once_the_sign_is_sure(minutes: int):
    van = Counting(power=True, counters=False)
    van.flow(600, 0.1)
    van.town(minutes)
    van.flow(400, 0.3)
    assert van.regenerated_kwh == pytest.approx(minutes * TOWN_BACK_KWH, rel=0.35)
    assert van.trips[0].regenerated_kwh == van.regenerated_kwh
    assert van.trips[0].energy_kwh == pytest.approx(minutes * 7.5 / 60.0 - minutes * TOWN_BACK_KWH, abs=0.12)


def test_a_first_trip_downhill_is_booked_when_the_sign_is_sure():
    van = Counting(power=True, counters=False)
    van.flow(600, 0.1)
    van.flow(600, -4.0, speed_kmh=40.0)
    van.flow(400, 0.3)
    van.town(60)
    van.flow(400, 0.3)
    assert van.regenerated_kwh == pytest.approx(4.0 / 6.0 + 60 * TOWN_BACK_KWH, rel=0.1)
    assert van.trips[1].regenerated_kwh == pytest.approx(60 * TOWN_BACK_KWH, rel=0.35)


def idle_day(van: Counting, night_kw: float, **fields: Any) -> float:
    """Ten hours asleep with a word each five minutes; what was entered as idling."""
    van.flow(600, 0.1, charging=False)
    before_kwh = van.state.totals.idle_kwh
    van.flow(36_000, night_kw, every_s=300, charging=False, **fields)
    return van.state.totals.idle_kwh - before_kwh


@pytest.mark.parametrize(
    ("power", "counters", "low_kwh", "high_kwh"),
    [(True, False, 0.10, 0.13), (False, False, 0.05, 0.25), (True, True, 0.10, 0.13)],
)
def test_a_night_asleep_is_little_idling(power: bool, counters: bool, low_kwh: float, high_kwh: float):
    van = Counting(power=power, counters=counters, step_pct=1.0)
    assert low_kwh <= idle_day(van, 0.012) <= high_kwh


@pytest.mark.parametrize("kind", [Counting, Swapped])
def test_a_silence_while_charging_is_no_idling(kind: type[Counting]):
    van = kind(power=True, counters=False, soc_pct=40.0)
    van.flow(60, 0.1, charging=False)
    van.flow(600, -11.0, every_s=60, charging=True)
    van.flow(330, -11.0, every_s=330, charging=True)
    van.flow(600, -11.0, every_s=60, charging=True)
    van.flow(600, 0.1, charging=False)
    assert van.state.totals.idle_kwh <= 0.12  # what a wrong sign makes of the first interval of the charge


def test_a_battery_that_gives_and_takes_while_plugged_in_does_not_idle():
    """Preheating on the cable: the charger follows the heater, now a little behind and now ahead."""
    van = Counting(power=True, counters=False)
    van.flow(600, 0.1, plugged_in=True, charging=False)
    before_kwh = van.state.totals.idle_kwh
    for _ in range(60):
        van.flow(30, 2.0, plugged_in=True, charging=False)
        van.flow(30, -2.0, plugged_in=True, charging=False)
    assert van.state.totals.idle_kwh - before_kwh <= 0.1
    assert van.charges == []


@pytest.mark.parametrize("wrong", [{"longitude_deg": 0.0}, {}], ids=["0, 0", "0, 11"])
def test_a_charge_ends_although_the_receiver_has_lost_its_fix(wrong: dict[str, float]):
    """A charge of an hour, a silence, and a receiver that says latitude 0 from then on."""
    van = Van(soc_pct=40.0)
    van.rest(600)
    van.rest(3600, kw=-11.0, charging=True)
    van.silence(4 * 3600)
    van.rest(3 * 3600, every_s=3600, charging=False, latitude_deg=0.0, **wrong)
    assert [(charge.start_ms - START_MS) // 60_000 for charge in van.charges] == [10]
    assert van.charges[0].energy_kwh == pytest.approx(11.0, rel=0.05)
