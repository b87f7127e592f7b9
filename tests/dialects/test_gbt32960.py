"""GB/T 32960 as EMQX's gateway publishes it."""

import json
from typing import Any

import pytest

from agent.dialects.gbt32960 import Gbt32960Dialect
from agent.dialects.gbt32960_current import CurrentMemory, learn
from agent.errors import Rejected
from agent.readings import Reading
from tests.dialects.senders import ask, reason

VIN = "LTESTVAN000000001"
TOPIC = f"gbt32960/{VIN}/upstream/info"
EVENT_MS = 1773036330000
"""2026-03-09T06:05:30Z: 14:05:30 in Beijing."""

VEHICLE: dict[str, Any] = {
    "Type": "Vehicle",
    "Status": 1,
    "Charging": 3,
    "Mode": 1,
    "Speed": 415,
    "Mileage": 128834,
    "Voltage": 5382,
    "Current": 10865,
    "SOC": 62,
    "DC": 1,
    "Gear": 46,
    "Resistance": 5000,
    "AcceleratorPedal": 18,
    "BrakePedal": 0,
}
LOCATION: dict[str, Any] = {"Type": "Location", "Status": 0, "Longitude": 13404954, "Latitude": 52520008}
NOON = {"Year": 26, "Month": 3, "Day": 9, "Hour": 14, "Minute": 5, "Second": 30}


def report(*blocks: dict[str, Any], time: dict[str, Any] | None = None, **envelope: object) -> str:
    data = {"Time": NOON if time is None else NOON | time, "Infos": list(blocks)}
    return json.dumps({"Cmd": 2, "Encrypt": 1, "Vin": VIN, "Data": data} | envelope)


def dialect(**settings: Any) -> Gbt32960Dialect:
    return Gbt32960Dialect(identities=settings.pop("identities", {}), **settings)


def read(*blocks: dict[str, Any], **settings: Any) -> Reading:
    (reading,) = ask(dialect(**settings), TOPIC, report(*blocks), EVENT_MS + 400)
    assert isinstance(reading, Reading), reading
    return reading


def test_the_standard_report() -> None:
    assert read(VEHICLE, LOCATION) == Reading(
        vehicle_id=VIN,
        time_ms=EVENT_MS,
        soc_pct=62.0,
        speed_kmh=41.5,
        odometer_km=12883.4,
        voltage_v=538.2,
        latitude_deg=52.520008,
        longitude_deg=13.404954,
        charging=False,
    )


def test_current_and_power_once_the_sign_is_known() -> None:
    into = read(VEHICLE, current_sign="positive_in")
    assert (into.current_a, into.battery_power_kw) == (86.5, pytest.approx(46.5543))
    out = read(VEHICLE, current_sign="positive_out")
    assert (out.current_a, out.battery_power_kw) == (-86.5, pytest.approx(-46.5543))


@pytest.mark.parametrize(
    ("raw", "current_a"), [(10000, 0.0), (30000, 0.0), (20000, 1000.0), (29135, -86.5), (30865, 86.5)]
)
def test_both_editions_offsets(raw: int, current_a: float) -> None:
    assert read(VEHICLE | {"Current": raw}, current_sign="positive_in").current_a == current_a


@pytest.mark.parametrize(
    ("block", "field"),
    [
        ({"SOC": 254}, "soc_pct"),
        ({"SOC": 255}, "soc_pct"),
        ({"Speed": 65534}, "speed_kmh"),
        ({"Speed": 65535}, "speed_kmh"),
        ({"Mileage": 4294967294}, "odometer_km"),
        ({"Mileage": 4294967295}, "odometer_km"),
        ({"Voltage": 65535}, "voltage_v"),
        ({"Voltage": 65535}, "battery_power_kw"),
        ({"Current": 65534}, "current_a"),
        ({"Current": 65534}, "battery_power_kw"),
        ({"Charging": 254}, "charging"),
        ({"Charging": 255}, "charging"),
    ],
)
def test_sentinels_are_unknown(block: dict[str, int], field: str) -> None:
    assert getattr(read(VEHICLE | block, current_sign="positive_in"), field) is None


@pytest.mark.parametrize(
    ("state", "charging", "plugged_in"), [(1, True, True), (2, False, None), (3, False, None), (4, False, True)]
)
def test_charging_states(state: int, charging: bool, plugged_in: bool | None) -> None:
    reading = read(VEHICLE | {"Charging": state})
    assert (reading.charging, reading.plugged_in) == (charging, plugged_in)


@pytest.mark.parametrize(
    ("status", "position"),
    [(0, (33.9, 6.7)), (2, (-33.9, 6.7)), (4, (33.9, -6.7)), (6, (-33.9, -6.7)), (1, (None, None)), (7, (None, None))],
)
def test_hemispheres_and_the_valid_bit(status: int, position: tuple[float | None, float | None]) -> None:
    reading = read(LOCATION | {"Status": status, "Latitude": 33900000, "Longitude": 6700000}, VEHICLE)
    assert (reading.latitude_deg, reading.longitude_deg) == position
    assert reading.soc_pct == 62.0, "an invalid fix takes nothing else with it"


BEIJING_GCJ02 = {"Latitude": 39913345, "Longitude": 116384047}


@pytest.mark.parametrize(
    ("block", "settings", "position"),
    [
        ({}, {}, (39.913345, 116.384047)),
        ({}, {"coordinates": "gcj02"}, (39.911954, 116.377817)),
        ({"CoordinateSystem": 1}, {"coordinates": "gcj02"}, (39.913345, 116.384047)),
        ({"CoordinateSystem": 2}, {}, (39.911954, 116.377817)),
        ({"CoordinateSystem": 3}, {}, (None, None)),
    ],
)
def test_coordinate_systems(
    block: dict[str, int], settings: dict[str, str], position: tuple[float | None, float | None]
) -> None:
    reading = read(LOCATION | BEIJING_GCJ02 | block, **settings)
    assert (reading.latitude_deg, reading.longitude_deg) == pytest.approx(position, abs=1.5e-6)


@pytest.mark.parametrize(
    ("block", "temperature_c"),
    [
        ({"Type": "Extreme", "MaxTemp": 65, "MinTemp": 60}, 22.5),
        ({"Type": "Extreme", "MaxTemp": 255, "MinTemp": 60}, 20.0),
        ({"Type": "Extreme", "MaxTemp": 255, "MinTemp": 254}, None),
        ({"Type": "ChargeableTemp", "SubSystems": [{"ProbesTemp": [60, 62]}, {"ProbesTemp": [64, 255]}]}, 22.0),
        ({"Type": "TempOfPowerBattery", "SubSystems": [{"ProbesTemp": [15]}]}, -25.0),
        ({"Type": "TempOfPowerBattery", "SubSystems": []}, None),
        ({"Type": "Rocket", "Thrust": 5}, None),
    ],
)
def test_temperatures(block: dict[str, Any], temperature_c: float | None) -> None:
    assert read(VEHICLE, block).battery_temp_c == temperature_c


def test_the_zone_of_the_vans_clocks() -> None:
    (reading,) = ask(dialect(utc_offset_minutes=60), TOPIC, report(VEHICLE), EVENT_MS + 7 * 3_600_000)
    assert reading.time_ms == EVENT_MS + 7 * 3_600_000


def test_a_reissued_report_comes_late_with_its_own_time() -> None:
    (reading,) = ask(dialect(), f"gbt32960/{VIN}/upstream/reinfo", report(VEHICLE, Cmd=3), EVENT_MS + 86_400_000)
    assert reading.time_ms == EVENT_MS


@pytest.mark.parametrize("tail", ["vlogin", "vlogout", "plogin", "response", "transparent", "activation"])
def test_messages_without_measurements_are_ignored(tail: str) -> None:
    gateway = dialect()
    assert ask(gateway, f"gbt32960/{VIN}/upstream/{tail}", '{"Cmd": 1, "Vin": "X"}', EVENT_MS) == []
    assert gateway.ignored == 1


@pytest.mark.parametrize(
    ("topic", "identities", "expected"),
    [
        (f"gbt32960/{VIN}/upstream/info", {}, VIN),
        (f"gbt32960/{VIN}/upstream/info", {VIN: "van-007"}, "van-007"),
        ("gbt32960/upstream/info", {VIN: "van-007"}, "van-007"),
        ("gbt32960/g1/upstream/info", {VIN: "van-007"}, "van-007"),
        (f"gbt32960/g1/{VIN}/upstream/info", {}, VIN),
        ("gbt32960/LTESTVAN000000002/upstream/info", {}, "identity_mismatch"),
        ("gbt32960/tbox-8/upstream/info", {VIN: "van-007", "tbox-8": "van-008"}, "identity_mismatch"),
        ("gbt32960/tbox-7/upstream/info", {VIN: "van-007", "tbox-7": "van-007"}, "van-007"),
    ],
)
def test_who_it_is(topic: str, identities: dict[str, str], expected: str) -> None:
    (item,) = ask(dialect(identities=identities), topic, report(VEHICLE), EVENT_MS)
    assert (item.reason if isinstance(item, Rejected) else item.vehicle_id) == expected


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        ("", "malformed"),
        ("[1", "malformed"),
        (report(VEHICLE).replace('"Vin"', '"Cmd"'), "malformed"),
        (report(VEHICLE).replace("5382", "NaN"), "malformed"),
        ("[]", "schema"),
        ("{}", "schema"),
        (report(VEHICLE, Vin=5), "schema"),
        (report(VEHICLE, Vin="A B"), "unknown_vehicle"),
        (report(VEHICLE, Encrypt=3), "schema"),
        (report(VEHICLE, Data={"Infos": []}), "schema"),
        (report(VEHICLE | {"SOC": "62"}), "schema"),
        (report(VEHICLE | {"SOC": True}), "schema"),
        (report(VEHICLE | {"SOC": 62.0}), "schema"),
        (report(VEHICLE | {"SOC": [62]}), "schema"),
        (report(VEHICLE | {"SOC": 101}), "out_of_range"),
        (report(VEHICLE | {"Speed": -1}), "out_of_range"),
        (report(VEHICLE | {"Speed": 10**30}), "out_of_range"),
        (report(VEHICLE, time={"Month": 13}), "out_of_range"),
        (report(VEHICLE, time={"Day": 31, "Month": 2}), "out_of_range"),
        (report(VEHICLE, time={"Second": "30"}), "schema"),
        (report(VEHICLE, time={"Year": 25}), "too_old"),
        (report(VEHICLE, time={"Hour": 15}), "in_future"),
        (report(*[VEHICLE] * 300), "schema"),
    ],
)
def test_unusable(payload: str, expected: str) -> None:
    assert reason(ask(dialect(), TOPIC, payload, EVENT_MS)) == expected


def test_a_clock_in_another_zone_is_found_out() -> None:
    gateway = dialect()
    for _ in range(10):
        ask(gateway, TOPIC, report(VEHICLE), EVENT_MS + 7 * 3_600_000 + 900)
    assert gateway.findings()[VIN].endswith("clock 7 h behind: check mqtt.gbt32960_utc_offset")
    again = dialect()
    again.restore(gateway.changed())
    assert again.findings() == gateway.findings()
    for _ in range(10):
        assert reason(ask(again, TOPIC, report(VEHICLE), EVENT_MS - 3_600_000)) == "in_future"
    assert "clock 1 h ahead" in again.findings()[VIN]
    ask(again, TOPIC, report(VEHICLE), EVENT_MS + 900)
    assert "clock" not in again.findings()[VIN]


# -- the sign of the current


def drive(gateway: Gbt32960Dialect, *, minutes: int, start: int = 0, **block: Any) -> list[Reading]:
    """A report each half minute; `block` gives raw values or functions of the minute."""
    readings = []
    for half in range(minutes * 2):
        at = start + half * 0.5
        values = {key: int(value(at)) if callable(value) else value for key, value in block.items()}
        clock = {"Hour": int(at // 60), "Minute": int(at % 60), "Second": int(at * 60) % 60}
        (reading,) = ask(gateway, TOPIC, report(VEHICLE | values, time=clock), EVENT_MS)
        readings.append(reading)
    return readings


@pytest.mark.parametrize(("raw", "sign"), [(10270, 1), (9730, -1)])
def test_the_sign_is_learnt_at_the_charger(raw: int, sign: int) -> None:
    gateway = dialect()
    first, second, third, *_ = drive(gateway, minutes=3, Charging=1, Speed=0, Current=raw)
    assert first.current_a is second.current_a is None
    assert third.current_a == 27.0
    (discharging,) = drive(gateway, minutes=1, start=10, Current=raw)[:1]
    assert discharging.current_a == 27.0
    assert gateway.findings() == {VIN: f"current positive {'into' if sign > 0 else 'out of'} the battery"}


@pytest.mark.parametrize("raw", [10865, 9135])
def test_the_sign_is_learnt_from_a_falling_state_of_charge(raw: int) -> None:
    readings = drive(dialect(), minutes=60, Current=raw, SOC=lambda minute: 90 - minute / 3)
    assert readings[0].current_a is None
    assert readings[-1].current_a == -86.5


def test_contradicting_evidence_undoes_what_was_learnt() -> None:
    memory = CurrentMemory()
    for second in range(10):
        learn(memory, second * 1000, current_a=20.0, soc_pct=None, charging=True, standing=True)
    assert memory.sign == 1
    for second in range(10, 15):
        learn(memory, second * 1000, current_a=-20.0, soc_pct=None, charging=True, standing=True)
    assert memory.sign == 0


def test_a_small_or_late_current_teaches_nothing() -> None:
    memory = CurrentMemory()
    for _ in range(10):
        learn(memory, 5000, current_a=20.0, soc_pct=None, charging=True, standing=True)
    assert memory.evidence == 1
    for second in range(10, 20):
        learn(memory, second * 1000, current_a=1.0, soc_pct=None, charging=True, standing=True)
    assert memory.evidence == 1


def test_what_was_learnt_goes_with_the_checkpoint() -> None:
    gateway = dialect()
    drive(gateway, minutes=3, Charging=1, Speed=0, Current=10270)
    again = dialect()
    again.restore(gateway.changed())
    assert drive(again, minutes=1, start=10)[0].current_a == 86.5
