"""OVMS: one bare value per topic."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.dialects.ovms import FULL_RESEND_MS, MEANINGS, OvmsDialect
from agent.messages import Message, MessageKind
from agent.readings import Reading
from tests.dialects.senders import ask, reason

NOW_MS = 1773065130000


def ovms(**kwargs: Any) -> OvmsDialect:
    return OvmsDialect(identities=kwargs.pop("identities", {"depot/van-007": "van-007"}), **kwargs)


def metric(name: str, van: str = "van-007") -> str:
    return f"ovms/depot/{van}/metric/{name.replace('.', '/')}"


def say(dialect: OvmsDialect, received_ms: int, *, retained: bool = False, **values: str) -> list[Reading]:
    """Publish metrics, dots written as underscores, all at one moment."""
    readings = []
    for name, text in values.items():
        readings += ask(dialect, metric(name.replace("_", ".")), text, received_ms, retained=retained)
    return readings


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("v.b.power", "12.5", "battery_power_kw", -12.5),
        ("v.b.current", "-80", "current_a", 80.0),
        ("v.b.current", "0", "current_a", 0.0),
        ("v.c.charging", "yes", "charging", True),
        ("v.c.charging", "no", "charging", False),
        ("v.b.soc", "62.41", "soc_pct", 62.41),
        ("v.b.soh", "97", "soh_pct", 97.0),
        ("v.b.voltage", "395.2", "voltage_v", 395.2),
        ("v.b.temp", "-4.5", "battery_temp_c", -4.5),
        ("v.b.range.est", "188", "range_km", 188.0),
        ("v.c.power", "10.8", "charger_power_kw", 10.8),
        ("v.c.pilot", "yes", "plugged_in", True),
        ("v.d.cp", "yes", "plugged_in", True),
        ("v.e.temp", "21", "ambient_temp_c", 21.0),
        ("v.p.speed", "41.5", "speed_kmh", 41.5),
        ("v.p.gpsspeed", "41.5", "speed_kmh", 41.5),
        ("v.p.direction", "270", "heading_deg", 270.0),
        ("v.p.odometer", "1.28834e+06", "odometer_km", 1288340.0),
    ],
)
def test_what_a_metric_means(name: str, text: str, field: str, value: float | bool) -> None:
    dialect = ovms()
    assert ask(dialect, metric(name), text, NOW_MS) == []
    (reading,) = dialect.tick(NOW_MS + 1000)
    assert reading == Reading(vehicle_id="van-007", time_ms=NOW_MS, **{field: value})


def test_values_of_one_second_are_one_reading() -> None:
    dialect = ovms()
    assert say(dialect, NOW_MS, v_b_soc="62.4", v_b_power="-10", v_p_latitude="52.520008") == []
    assert say(dialect, NOW_MS + 400, v_p_longitude="13.404954") == []
    assert list(dialect.tick(NOW_MS + 999)) == []
    (reading,) = say(dialect, NOW_MS + 5000, v_b_soc="62.3")
    assert reading == Reading(
        vehicle_id="van-007",
        time_ms=NOW_MS,
        soc_pct=62.4,
        battery_power_kw=10.0,
        latitude_deg=52.520008,
        longitude_deg=13.404954,
    )


def test_a_second_value_begins_a_new_reading_and_none_is_lost() -> None:
    dialect = ovms()
    readings = [
        reading for ms in range(0, 3000, 250) for reading in say(dialect, NOW_MS + ms, v_p_speed=str(ms / 100))
    ] + list(dialect.tick(NOW_MS + 9000))
    assert [(each.time_ms - NOW_MS, each.speed_kmh) for each in readings] == [
        (ms, ms / 100) for ms in range(0, 3000, 250)
    ]


def test_what_comes_in_a_rush_after_a_silence_is_one_reading() -> None:
    """A queue held an hour's values: when each was true is not known, the last of them holds."""
    dialect = ovms()
    say(dialect, NOW_MS, v_p_odometer="5000.0", v_b_soc="80")
    assert len(list(dialect.tick(NOW_MS + 10_000))) == 1
    back_ms = NOW_MS + 3_600_000
    rush = [
        say(dialect, back_ms + 5 * n, v_p_odometer=f"{5000 + n / 10}", v_b_soc=f"{80 - n / 50}") for n in range(250)
    ]
    assert rush == [[]] * 250
    (reading,) = say(dialect, back_ms + 10_000, v_p_odometer="5025.0")
    assert (reading.time_ms, reading.odometer_km, reading.soc_pct) == (back_ms + 5 * 249, 5024.9, 75.02)


def test_a_rush_takes_no_longer_than_half_a_minute() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, v_p_speed="0")
    dialect.tick(NOW_MS + 10_000)
    back_ms = NOW_MS + 3_600_000
    times = [
        reading.time_ms - back_ms
        for ms in range(0, 33_000, 500)
        for reading in say(dialect, back_ms + ms, v_p_speed=str(ms / 1000))
    ]
    assert times == [29_500, 30_000, 30_500, 31_000, 31_500, 32_000]


def test_half_a_position_is_none() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, v_p_latitude="52.5", v_p_speed="30")
    (reading,) = dialect.tick(NOW_MS + 5000)
    assert reading == Reading(vehicle_id="van-007", time_ms=NOW_MS, speed_kmh=30.0)


def test_what_is_not_sent_again_has_not_changed() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, v_p_latitude="52.5", v_p_longitude="13.4", v_b_soc="50")
    say(dialect, NOW_MS + 5000, v_p_longitude="13.5")
    (reading,) = dialect.tick(NOW_MS + 9000)
    assert reading == Reading(
        vehicle_id="van-007", time_ms=NOW_MS + 5000, latitude_deg=52.5, longitude_deg=13.5, soc_pct=50.0
    )


def test_what_misses_a_full_resend_is_not_known_any_more() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, v_b_soc="50")
    say(dialect, NOW_MS + FULL_RESEND_MS + 1, v_b_temp="20")
    (reading,) = dialect.tick(NOW_MS + 2 * FULL_RESEND_MS)
    assert reading == Reading(vehicle_id="van-007", time_ms=NOW_MS + FULL_RESEND_MS + 1, battery_temp_c=20.0)


def test_retained_values_do_not_hold() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, retained=True, v_b_soc="80")
    say(dialect, NOW_MS + 5000, v_b_temp="20")
    assert [(each.soc_pct, each.stale) for each in dialect.tick(NOW_MS + 9000)] == [(None, False)]


def test_retained_values_are_stale_and_apart() -> None:
    dialect = ovms()
    say(dialect, NOW_MS, retained=True, v_b_soc="80", v_b_power="30")
    say(dialect, NOW_MS, v_b_soc="62")
    stale, fresh = dialect.tick(NOW_MS + 1000)
    assert stale == Reading(vehicle_id="van-007", time_ms=NOW_MS, stale=True, soc_pct=80.0, battery_power_kw=-30.0)
    assert fresh == Reading(vehicle_id="van-007", time_ms=NOW_MS, soc_pct=62.0)


def test_vans_do_not_mix() -> None:
    dialect = ovms(identities={"depot/7": "van-007", "depot/8": "van-008"})
    ask(dialect, metric("v.b.soc", "7"), "50", NOW_MS)
    ask(dialect, metric("v.b.soc", "8"), "60", NOW_MS)
    assert [(each.vehicle_id, each.soc_pct) for each in dialect.tick(NOW_MS + 1000)] == [
        ("van-007", 50.0),
        ("van-008", 60.0),
    ]


@pytest.mark.parametrize(
    ("topic", "vehicle_id"),
    [
        ("ovms/depot/van-007/metric/v/b/soc", "van-017"),
        ("ovms/van-007/van-007/metric/v/b/soc", "van-007"),
        ("ovms/van-007/metric/v/b/soc", "van-007"),
    ],
)
def test_with_and_without_a_level_for_the_vehicle(topic: str, vehicle_id: str) -> None:
    dialect = ovms(identities={"depot/van-007": "van-017"})
    ask(dialect, topic, "50", NOW_MS)
    assert [each.vehicle_id for each in dialect.tick(NOW_MS + 1000)] == [vehicle_id]


@pytest.mark.parametrize(
    ("title", "first", "then", "fields"),
    [
        (
            "an eDeliver 3 leaves the charger's power standing while it drives",
            {"v_type": "MED3", "v_c_charging": "no"},
            {"v_b_power": "-6.6", "v_b_current": "-17", "v_b_soc": "50"},
            {"soc_pct": 50.0, "battery_power_kw": None, "current_a": None},
        ),
        (
            "an eDeliver 3 at the charger",
            {"v_type": "MED3", "v_c_charging": "yes"},
            {"v_b_power": "-6.6"},
            {"battery_power_kw": 6.6},
        ),
        (
            "an e-Doblò says charging while it recuperates",
            {"v_p_speed": "48"},
            {"v_c_charging": "yes", "v_b_soc": "50"},
            {"soc_pct": 50.0, "charging": None},
        ),
        ("the same, standing", {"v_p_speed": "0"}, {"v_c_charging": "yes"}, {"charging": True}),
        (
            "the pilot signal counts, once there is one",
            {"v_c_pilot": "no"},
            {"v_d_cp": "yes", "v_b_soc": "1"},
            {"soc_pct": 1.0, "plugged_in": False},
        ),
        (
            "the car's speed counts, once there is one",
            {"v_p_speed": "9"},
            {"v_p_gpsspeed": "3", "v_b_soc": "1"},
            {"soc_pct": 1.0, "speed_kmh": 9.0},
        ),
        (
            "without a GPS lock there is no position",
            {"v_p_gpslock": "no"},
            {"v_p_latitude": "52", "v_p_longitude": "13", "v_b_soc": "1"},
            {"soc_pct": 1.0, "latitude_deg": None, "longitude_deg": None},
        ),
        (
            "a poor GPS signal gives none either",
            {"v_p_gpssq": "29"},
            {"v_p_latitude": "52", "v_p_longitude": "13", "v_b_soc": "1"},
            {"soc_pct": 1.0, "latitude_deg": None, "longitude_deg": None},
        ),
        (
            "a usable one does",
            {"v_p_gpssq": "31"},
            {"v_p_latitude": "52", "v_p_longitude": "13"},
            {"latitude_deg": 52.0, "longitude_deg": 13.0},
        ),
    ],
)
def test_peculiarities(title: str, first: dict[str, str], then: dict[str, str], fields: dict[str, Any]) -> None:
    dialect = ovms()
    say(dialect, NOW_MS, **first)
    list(dialect.tick(NOW_MS + 2000))
    say(dialect, NOW_MS + 5000, **then)
    (reading,) = dialect.tick(NOW_MS + 9000)
    assert {name: getattr(reading, name) for name in fields} == fields, title


def test_lifetime_counters_only_where_they_are_trusted() -> None:
    for counters, expected in ((False, None), (True, 1234.5)):
        dialect = ovms(counters=counters)
        say(dialect, NOW_MS, v_b_soc="50", v_b_energy_used_total="1234.5")
        (reading,) = dialect.tick(NOW_MS + 1000)
        assert reading.energy_out_total_kwh == expected


@pytest.mark.parametrize(
    ("name", "payload", "expected"),
    [
        ("v.b.soc", "nan", "schema"),
        ("v.b.soc", "inf", "schema"),
        ("v.b.soc", "1_0", "schema"),
        ("v.b.soc", "0x10", "schema"),
        ("v.b.soc", "٥٠", "schema"),
        ("v.b.soc", "50 %", "schema"),
        ("v.b.soc", "50,1", "schema"),
        ("v.b.soc", "100.5", "out_of_range"),
        ("v.b.power", "1e999", "out_of_range"),
        ("v.p.gpsspeed", "1e9", "out_of_range"),
        ("v.c.charging", "1", "schema"),
        ("v.b.soc", b"\xff", "malformed"),
        ("v.b.soc", "5" * 257, "oversize"),
    ],
)
def test_unusable(name: str, payload: str | bytes, expected: str) -> None:
    dialect = ovms()
    assert reason(ask(dialect, metric(name), payload, NOW_MS)) == expected
    assert list(dialect.tick(NOW_MS + 1000)) == []


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (metric("v.b.12v.voltage"), "12.6"),
        (metric("v.b.soc"), ""),
        (metric("v.b.soc"), " "),
        ("ovms/depot/van-007/event", "vehicle.on"),
        ("ovms/depot/van-007/notify/alert/x", "text"),
    ],
)
def test_what_says_nothing_is_passed_over(topic: str, payload: str) -> None:
    dialect = ovms()
    assert ask(dialect, topic, payload, NOW_MS) == []
    assert list(dialect.tick(NOW_MS + 1000)) == []


metrics = st.tuples(
    st.sampled_from(sorted(MEANINGS)),
    st.sampled_from(["50", "0", "-3.5", "yes", "no", "MED3", "52.5", "", "x"]),
    st.sampled_from([0, 0, 100, 400, 1200, 9000]),
    st.booleans(),
)


@settings(deadline=None)
@given(st.lists(metrics, max_size=40), st.integers(0, 40))
def test_a_crash_between_any_two_messages_changes_nothing(
    messages: list[tuple[str, str, int, bool]], crash: int
) -> None:
    def run(*, crash_at: int | None) -> list[Any]:
        dialect, now_ms, given_out = ovms(), NOW_MS, []
        for index, (name, text, wait_ms, retained) in enumerate(messages):
            if index == crash_at:
                kept, dialect = dialect.changed(), ovms()
                dialect.restore(kept)
            now_ms += wait_ms
            given_out += [
                str(item) for item in ask(dialect, f"ovms/depot/v/metric/{name}", text, now_ms, retained=retained)
            ]
        return given_out + [str(item) for item in dialect.tick(now_ms + 2000)]

    assert run(crash_at=crash) == run(crash_at=None)


def test_a_replayed_old_value_is_not_what_later_ones_are_judged_by() -> None:
    """What is unchanged is not repeated: a state of charge holds on after one of an hour ago has come back."""
    dialect = OvmsDialect(identities={})
    now_ms, hour_ms = 1_790_000_000_000, 3_600_000

    def said(tail: str, value: bytes, arrival_ms: int, **how: int) -> list[Reading]:
        message = Message(f"ovms/van-1/van-1/metric/{tail}", value, **how)
        return [item for item in dialect.decode(message, arrival_ms) if isinstance(item, Reading)]

    said("v/b/soc", b"55", now_ms)
    (fresh,) = dialect.tick(now_ms + 2000)
    assert fresh.soc_pct == 55.0
    said("v/b/soc", b"80", now_ms - hour_ms, kind=MessageKind.REPLAYED, other_arrival_ms=now_ms + 3000)
    (old,) = said("v/p/speed", b"30", now_ms + 4000)
    assert (old.time_ms, old.soc_pct) == (now_ms - hour_ms, 80.0)
    (later,) = dialect.tick(now_ms + 6000)
    assert (later.speed_kmh, later.soc_pct) == (30.0, 55.0)
