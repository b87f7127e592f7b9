"""The quick way reads a payload as the plain way does, or leaves it to the plain way."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialects.mapping.dialect import MappingDialect
from agent.dialects.mapping.quick import UnusualPayload
from tests.dialects.mapping.mappings import NOW_MS, decoder_of, mapping, told

EVERYTHING = mapping(
    'time = {path = ["ts", "at"], unit = "s"}\nwhen = "kind != \'login\'"',
    soc_pct='{path = "ev.soc", sentinels = [255, "n/a"]}',
    voltage_v='{path = "ev.u"}',
    current_a='{path = "ev.i", scale = 0.1, offset = -1000, sign = -1}',
    battery_power_kw='{path = "ev.p", unit = "W", sign = -1}',
    battery_temp_c='{path = "ev.t", unit = "°F", sentinels = [-40]}',
    charging='{path = "ev.state", values = {CHARGING = true, IDLE = false, 1 = true}}',
    plugged_in='{path = "ev.plug", when = "ev.u > 0", sentinels = [true]}',
    range_km='{path = "ev.cells[0]", text = true}',
    latitude_deg='{path = "gps.at", separator = ",", part = 0, when = "gps.ok && !gps.old"}',
    longitude_deg='{path = "gps.at", separator = ",", part = 1, when = "gps.ok && !gps.old"}',
    speed_kmh='{path = ["gps.v", "v"], unit = "m/s", sentinels = [-1]}',
    odometer_km='{path = ["can.odo", "odo"], unit = "m", when = "gps.ok == true || odo >= 0"}',
    parcels='{path = "parcels"}',
)
BY_PAYLOAD = EVERYTHING.replace("acme/{vehicle_id}/status", "acme/status").replace(
    "[g.fields]", 'vehicle_id = {path = ["van", "device.imei"]}\n[g.fields]'
)
NUMBERS = st.one_of(
    st.integers(-300, 300), st.floats(-300, 300), st.sampled_from([255, -1, -40, 0, -0.0, 1e308, 10**30, 10**400])
)
TEXTS = ["CHARGING", "IDLE", "n/a", "5, 7", "x", "é", '"']
ODD: st.SearchStrategy[Any] = st.one_of(st.none(), st.booleans(), st.sampled_from([*TEXTS, [], {}]))
VALUES = st.one_of(NUMBERS, NUMBERS, ODD)
TIMES = st.one_of(st.integers(NOW_MS // 1000 - 100, NOW_MS // 1000 + 400), st.floats(1.7e9, 1.8e9), ODD)


def members(*names: str, values: st.SearchStrategy[Any] = VALUES) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(names, values))


PAYLOADS = st.builds(
    lambda *parts: {key: value for part in parts for key, value in part.items()},
    members("ts", "at", values=TIMES),
    members("ev", values=st.one_of(members("soc", "u", "i", "p", "t", "state", "plug", "cells", "extra"), VALUES)),
    members("gps", values=members("at", "ok", "old", "v", values=st.one_of(ODD, VALUES))),
    members("can", values=members("odo")),
    members("v", "odo", "parcels", "kind", "extra"),
    members("van", values=st.one_of(st.sampled_from(["van-1", "van-2", "van 3", "", 7]), ODD)),
    members("device", values=members("imei", values=st.sampled_from(["van-4", 5, None]))),
)


def plain_of(dialect: MappingDialect) -> MappingDialect:
    """The same dialect without the quick way."""
    dialect._routes = [(route, None) for route, _ in dialect._routes]
    return dialect


def both_ways(toml: str) -> tuple[Any, Any]:
    quick, plain = decoder_of(toml), decoder_of(toml)
    dialect = plain.dialects[0]
    assert isinstance(dialect, MappingDialect)
    plain_of(dialect)
    return quick, plain


def seen(decoder: Any, topic: str, payload: bytes, *, retained: bool) -> Any:
    items = told(decoder, topic, payload, retained=retained)
    return [getattr(item, "reason", None) or repr(item) for item in items]


PAIRS = {"acme/van-7/status": both_ways(EVERYTHING), "acme/status": both_ways(BY_PAYLOAD)}


@pytest.mark.parametrize("topic", PAIRS)
@given(content=PAYLOADS, retained=st.booleans(), spaced=st.booleans())
def test_the_quick_way_says_what_the_plain_way_says(topic: str, content: Any, *, retained: bool, spaced: bool) -> None:
    quick, plain = PAIRS[topic]
    payload = json.dumps(content, separators=None if spaced else (",", ":"), ensure_ascii=False).encode()
    assert seen(quick, topic, payload, retained=retained) == seen(plain, topic, payload, retained=retained)


USUAL = (
    b'{"ts":1773065130.5,"ev":{"soc":62.5,"u":400.1,"i":9100,"p":36400,"state":"IDLE"},"odo":12883400,'
    b'"gps":{"ok":true,"at":"52.52,13.405","v":11.5},"other":{"deep":[1,2,{"soc":3}]},"kind":"status"}'
)


@pytest.mark.parametrize("topic", PAIRS)
@given(
    at=st.integers(0, len(USUAL)),
    cut=st.integers(0, 12),
    inserted=st.binary(max_size=6)
    | st.sampled_from(
        [
            b'"soc":1,',
            b'"gps":{},',
            b"\\u0073",
            b"NaN",
            b"1e999",
            b"9" * 500,
            b"\xff",
            b"[" * 300,
            b'"kind":"login",',
            b",",
        ]
    ),
)
def test_a_distorted_payload_is_judged_alike(topic: str, at: int, cut: int, inserted: bytes) -> None:
    quick, plain = PAIRS[topic]
    payload = USUAL[:at] + inserted + USUAL[at + cut :]
    assert seen(quick, topic, payload, retained=False) == seen(plain, topic, payload, retained=False)


def test_a_usual_payload_takes_the_quick_way() -> None:
    decoder = decoder_of(EVERYTHING)
    dialect = decoder.dialects[0]
    assert isinstance(dialect, MappingDialect)
    place = dialect.place_of("acme/van-7/status")
    assert place.quick is not None
    (reading,) = place.quick(USUAL.replace(b'{"soc":3}', b"3"), "van-7", NOW_MS, False)
    assert reading.speed_kmh == pytest.approx(41.4)
    assert (reading.soc_pct, reading.odometer_km) == (62.5, 12883.4)
    with pytest.raises(UnusualPayload):
        place.quick(USUAL.replace(b'"soc":62.5', b'"soc":62.5,"soc":62.5'), "van-7", NOW_MS, False)


def test_a_known_shape_hides_no_repeated_name() -> None:
    """A shape leaves out digits, so that names with digits are looked for in the payload itself."""
    decoder = decoder_of(mapping(soc_pct='{path = "io1"}', soh_pct='{path = "io2"}'))
    topic = "acme/van-7/status"
    assert len(told(decoder, topic, b'{"io1":5,"io2":6}')) == 1
    assert seen(decoder, topic, b'{"io1":5,"io1":6}', retained=False) == ["malformed"]
    assert seen(decoder, topic, b'{"io1":5,"io9":6,"io9":7}', retained=False) != ["malformed"]


def test_many_shapes_do_not_fill_memory() -> None:
    decoder = decoder_of(mapping(soc_pct='{path = "a"}'))
    dialect = decoder.dialects[0]
    assert isinstance(dialect, MappingDialect)
    for number in range(1000):
        word = "".join(chr(97 + int(digit)) for digit in str(number)) * 5000
        assert len(told(decoder, "acme/van-7/status", f'{{"a":5,"b":"{word}"}}'.encode())) == 1
    shapes = dialect.place_of("acme/van-7/status").quick.__globals__["shapes"]  # type: ignore[union-attr]
    assert 0 < sum(map(len, shapes)) <= 4_000_000
