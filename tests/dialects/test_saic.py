"""The SAIC gateway's topics."""

from typing import Any

import pytest

from agent.dialects.saic import SaicDialect
from agent.readings import Reading
from tests.dialects.senders import ask, reason

NOW_MS = 1773065130000
VIN = "LSKTESTVAN0000001"


def say(dialect: SaicDialect, values: dict[str, str], received_ms: int = NOW_MS) -> list[Any]:
    return [
        item
        for tail, text in values.items()
        for item in ask(dialect, f"saic/user_example.com/vehicles/{VIN}/{tail}", text, received_ms)
    ]


def read(values: dict[str, str]) -> Reading:
    dialect = SaicDialect(identities={VIN: "van-007"})
    assert say(dialect, values) == []
    (reading,) = dialect.tick(NOW_MS + 1000)
    return reading


@pytest.mark.parametrize(
    ("values", "fields"),
    [
        (
            {"drivetrain/current": "-42", "drivetrain/voltage": "42", "drivetrain/power": "-1.764"},
            {"current_a": 42.0, "voltage_v": 42.0, "battery_power_kw": 1.764},
        ),
        ({"drivetrain/chargerConnected": "True"}, {"plugged_in": True}),
        ({"drivetrain/charging": "False"}, {"charging": False}),
        ({"drivetrain/soc": "62.4", "drivetrain/range": "188"}, {"soc_pct": 62.4, "range_km": 188.0}),
        ({"drivetrain/mileage": "12883.4"}, {"odometer_km": 12883.4}),
        ({"climate/exteriorTemperature": "-4"}, {"ambient_temp_c": -4.0}),
        (
            {"location/latitude": "52.52", "location/longitude": "13.4", "location/elevation": "34"},
            {"latitude_deg": 52.52, "longitude_deg": 13.4, "altitude_m": 34.0},
        ),
        (
            {"location/position": '{"latitude": 52.52, "longitude": 13.4, "altitude": 34}'},
            {"latitude_deg": 52.52, "longitude_deg": 13.4, "altitude_m": 34.0},
        ),
        ({"location/speed": "48", "location/heading": "90"}, {"speed_kmh": 48.0, "heading_deg": 90.0}),
        ({"obc/powerSinglePhase": "0", "obc/powerThreePhase": "10800"}, {"charger_power_kw": 10.8}),
    ],
)
def test_what_a_topic_means(values: dict[str, str], fields: dict[str, Any]) -> None:
    assert read(values) == Reading(vehicle_id="van-007", time_ms=NOW_MS, **fields)


@pytest.mark.parametrize(
    ("title", "single_w", "three_w", "battery_kw", "charger_kw"),
    [
        # The gateway computes both from U and I: single = U * I, three = U * I / sqrt(3).
        ("one phase, 32 A at 230 V", 7360, 4249, -6.5, 7.36),
        ("one phase, the battery full and taking little", 1610, 930, -1.2, 1.61),
        ("three phases, a gateway that computes them right", 6370, 11033, -9.8, 11.033),
        ("neither is enough for the battery: the higher one, and the core judges", 8325, 4806.4, -8.68, 8.325),
        ("the battery says nothing: the higher one", 7360, 4249, None, 7.36),
        ("not charging", 0, 0, 0.4, 0.0),
    ],
)
def test_one_of_the_two_powers_of_the_charger(
    title: str, single_w: float, three_w: float, battery_kw: float | None, charger_kw: float
) -> None:
    values = {"obc/powerSinglePhase": str(single_w), "obc/powerThreePhase": str(three_w)}
    if battery_kw is not None:
        values["drivetrain/power"] = str(battery_kw)
    assert read(values).charger_power_kw == pytest.approx(charger_kw), title


def test_an_invalid_temperature_says_nothing() -> None:
    assert read({"climate/exteriorTemperature": "87", "drivetrain/soc": "5"}).ambient_temp_c is None


@pytest.mark.parametrize(
    ("polled", "time_ms"),
    [
        ("2026-03-09T14:05:27Z", NOW_MS - 3000),
        ("2026-03-09T13:00:00Z", NOW_MS),
        ("2026-03-09T14:05:31Z", NOW_MS),
    ],
)
def test_the_time_of_the_poll_is_the_readings_if_it_is_likely(polled: str, time_ms: int) -> None:
    assert read({"drivetrain/soc": "50", "refresh/lastVehicleState": polled}).time_ms == time_ms


@pytest.mark.parametrize(
    ("tail", "payload", "expected"),
    [
        ("drivetrain/soc", "full", "schema"),
        ("drivetrain/soc", "101", "out_of_range"),
        ("drivetrain/charging", "yes", "schema"),
        ("location/position", "{", "malformed"),
        ("location/position", "[52, 13]", "schema"),
        ("location/position", '{"latitude": "52", "longitude": 13}', "schema"),
        ("location/position", '{"latitude": 1' + "0" * 200 + ', "longitude": 13}', "out_of_range"),
        ("location/position", '{"latitude": 1e400, "longitude": 13}', "out_of_range"),
        ("location/position", '{"latitude": NaN, "longitude": 13}', "malformed"),
        ("obc/powerThreePhase", "1e8", "out_of_range"),
        ("refresh/lastVehicleState", "yesterday", "schema"),
    ],
)
def test_unusable(tail: str, payload: str, expected: str) -> None:
    assert reason(say(SaicDialect(identities={}), {tail: payload})) == expected


@pytest.mark.parametrize(
    "topic", ["saic/_internal/lwt", "saic/u/vehicles/V", "saic/u/account/V/x", "saic/u/vehicles/V/available"]
)
def test_other_topics_are_ignored(topic: str) -> None:
    dialect = SaicDialect(identities={})
    assert ask(dialect, topic, "online", NOW_MS) == []
    assert dialect.ignored == 1
