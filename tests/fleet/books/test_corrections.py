"""Stretches that must not count. A van at 36 km/h drives 0.1 km in ten seconds and uses 0.25 kWh/km."""

from typing import Any

import msgspec
import pytest

from agent.errors import Rejected
from agent.fleet import VanState, decode_state, encode_state, new_state
from agent.fleet.books.corrections import MOST_STRETCHES, CorrectedHour, Correction, take_correction
from agent.fleet.correction_state import Amounts
from agent.fleet.records import CorrectionRecord, DayRecord, EnergyRecord
from tests.fleet.drives import START_MS, Van

HOUR_MS = 3_600_000


def correction(from_s: int, to_s: int, *, made_ms: int = START_MS, **more: Any) -> Correction:
    """From and to in seconds since the van's first reading."""
    return Correction(
        vehicle_id="van-1",
        from_ms=START_MS + from_s * 1000,
        to_ms=START_MS + to_s * 1000,
        made_ms=made_ms,
        reason="wheel swapped",
        made_by="ann",
        **more,
    )


def enter(van: Van, asked: Correction) -> list[Any]:
    records = take_correction(van.state, asked, van.context)
    van.records += records
    return records


def left_out(van: Van) -> Amounts:
    total = Amounts()
    for record in van.of(CorrectionRecord):
        total = total.plus(Amounts(*[getattr(record, name) for name in Amounts.__struct_fields__]))
    return total


def moved() -> Van:
    van = Van(soc_pct=90.0)
    van.rest(600)
    van.drive(600)
    return van


def test_what_is_said_within_a_stretch_that_is_not_over_counts_apart() -> None:
    """600 s before, 600 s within, 600 s behind: 6 km and 1.5 kWh each."""
    van = moved()
    enter(van, correction(1200, 1800))
    van.drive(1200)
    van.rest(1200)
    out = left_out(van)
    assert out.distance_km == pytest.approx(6.0, abs=0.25)
    assert out.used_kwh == pytest.approx(1.5, abs=0.15)
    assert out.diesel_co2e_g == pytest.approx(6.0 * van.context.factors.diesel.wtw_g_per_km, rel=0.05)
    assert out.charged_kwh == out.grid_kwh == 0.0
    assert van.energy.distance_km_total == pytest.approx(18.0, rel=0.02)
    assert van.state.corrections.due_ms == 0
    totals = [record.distance_km_total for record in van.of(EnergyRecord)]
    assert totals == sorted(totals)


def test_a_stretch_that_begins_later_takes_nothing_before() -> None:
    van = moved()
    enter(van, correction(1800, 2400))
    van.drive(2400)
    assert left_out(van).distance_km == pytest.approx(6.0, abs=0.25)


def test_a_stretch_in_which_the_van_says_nothing_takes_nothing() -> None:
    van = moved()
    enter(van, correction(1300, 1400))
    van.silence(400, ticks=False)
    van.drive(600)
    assert left_out(van).is_nothing
    assert van.state.corrections.due_ms == 0


def test_each_hour_has_its_own_point() -> None:
    """36 km an hour, of which the stretch covers two and a half."""
    van = Van(soc_pct=95.0)
    van.rest(60)
    enter(van, correction(60, 60 + 9000))
    van.drive(12_000, kwh_per_km=0.1)
    points = van.of(CorrectionRecord)
    assert points[0].time_ms == START_MS + 60_000
    assert all(point.time_ms % HOUR_MS == 0 for point in points[1:] if point.time_ms != points[0].time_ms)
    assert all((point.time_ms - points[0].time_ms) < 9_000_000 for point in points)
    assert max(point.distance_km for point in points) == pytest.approx(36.0, abs=0.3)
    assert left_out(van).distance_km == pytest.approx(90.0, abs=0.3)


def test_the_day_under_way_lacks_what_the_stretch_had_added() -> None:
    """10 km of a day's 6 + 36 are said to be wrong; the day's record has the rest, the totals have all."""
    van = moved()
    van.drive(3600, kwh_per_km=0.1)
    van.rest(600)
    wrong = Amounts(distance_km=10.0, used_kwh=2.0, diesel_co2e_g=2500.0, co2e_g=500.0)
    (record,) = enter(van, correction(700, 1700, slices=[CorrectedHour(START_MS + 700_000, wrong)]))
    assert (record.time_ms, record.reason, record.made_by) == (START_MS + 700_000, "wheel swapped", "ann")
    assert (record.distance_km, record.used_kwh) == (10.0, 2.0)
    used_kwh = van.energy.used_kwh_total
    van.rest(86_400, every_s=60)
    (day,) = van.of(DayRecord)
    assert day.distance_km == pytest.approx(42.0 - 10.0, abs=0.5)
    assert day.used_kwh == pytest.approx(used_kwh - 2.0, abs=0.3)
    assert van.energy.distance_km_total == pytest.approx(42.0, abs=0.5)


def test_totals_read_from_the_store_are_where_the_rest_is_counted_from() -> None:
    """The store was 2 km behind when the correction was made: they are not lost."""
    van = moved()
    behind = Amounts(distance_km=4.0, used_kwh=1.0)
    enter(
        van,
        correction(600, 1500, slices=[CorrectedHour(START_MS + 600_000, behind)], counted_ms=START_MS, counted=behind),
    )
    van.drive(900)
    assert left_out(van).distance_km == pytest.approx(4.0 + 2.0 + 3.0, abs=0.25)


def test_asked_for_twice_it_is_entered_once() -> None:
    van = moved()
    assert len(enter(van, correction(0, 1000))) == 1
    assert enter(van, correction(0, 1000)) == []


@pytest.mark.parametrize(("from_s", "to_s"), [(0, 100), (900, 2000), (-500, 5000), (200, 300)])
def test_a_stretch_is_taken_out_once(from_s: int, to_s: int) -> None:
    van = moved()
    enter(van, correction(0, 1000))
    with pytest.raises(Rejected, match="overlaps another"):
        enter(van, correction(from_s, to_s, made_ms=START_MS + 1))
    assert len(van.of(CorrectionRecord)) == 1


def test_stretches_side_by_side() -> None:
    van = moved()
    enter(van, correction(0, 1000))
    assert len(enter(van, correction(1000, 1100, made_ms=START_MS + 1))) == 1


def test_the_state_stays_small_and_survives_a_checkpoint() -> None:
    van = moved()
    enter(van, correction(1200, 5000))
    for number in range(100):
        enter(van, correction(-200 - 2 * number, -199 - 2 * number, made_ms=START_MS + number))
    known = van.state.corrections
    assert len(known.stretches) == MOST_STRETCHES
    assert decode_state(encode_state(van.state)) == van.state
    assert len(encode_state(van.state)) < 4000
    van.drive(600)
    assert known.due_ms > 0, "the one under way is not forgotten"


def test_the_state_of_a_version_without_corrections_is_read() -> None:
    encoded = msgspec.msgpack.decode(encode_state(new_state("van-1")))
    del encoded[list(VanState.__dataclass_fields__).index("corrections") :]
    assert decode_state(msgspec.msgpack.encode(encoded)) == new_state("van-1")
