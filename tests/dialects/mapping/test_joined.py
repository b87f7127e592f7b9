"""Values of several messages that become one reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.dialects.decoder import Decoder
from agent.errors import Rejected
from agent.readings import Reading
from tests.dialects.mapping.mappings import NOW_MS, decoder_of, fields_of, told

BARE = """
[modem]
join_s = 1
fields.soc_pct = {topic = "modem/{vehicle_id}/soc", sentinels = [255]}
fields.charging = {topic = "modem/{vehicle_id}/plug", values = {on = true, off = false}}
fields.battery_power_kw = {topic = "modem/{vehicle_id}/power", unit = "W", sign = -1}
fields.latitude_deg = {topic = "modem/{vehicle_id}/gps", path = "lat"}
fields.longitude_deg = {topic = "modem/{vehicle_id}/gps", path = "lon"}
fields.parcels = {topic = "modem/{vehicle_id}/parcels"}
"""
TIMED = """
[parts]
join_s = 1
topic = "parts/{vehicle_id}/battery"
time = {path = "t", unit = "ms"}
fields.soc_pct = {path = "soc"}
fields.latitude_deg = {path = "lat", topic = "parts/{vehicle_id}/lat"}
fields.longitude_deg = {path = "lon", topic = "parts/{vehicle_id}/lon"}
"""


def send(decoder: Decoder, tail: str, payload: str, after_ms: int, *, retained: bool = False) -> list[Reading]:
    """The readings that a message gives; `after_ms` is its arrival behind `NOW_MS`."""
    topic = f"{decoder.dialects[0].name}/van-7/{tail}"
    items = told(decoder, topic, payload.encode(), now_ms=NOW_MS + after_ms, retained=retained)
    assert all(isinstance(item, Reading) for item in items), items
    return [item for item in items if isinstance(item, Reading)]


def test_values_that_arrive_together_become_one_reading() -> None:
    decoder = decoder_of(BARE)
    assert send(decoder, "soc", "62.5", 0) == []
    assert send(decoder, "plug", "on", 300) == []
    assert send(decoder, "power", "-7400", 600) == []
    assert send(decoder, "gps", '{"lat": 52.5, "lon": 13.4}', 999) == []
    assert list(decoder.tick(NOW_MS + 999)) == []
    (reading,) = decoder.tick(NOW_MS + 1000)
    assert (reading.vehicle_id, reading.time_ms) == ("van-7", NOW_MS)
    assert fields_of(reading) == {
        "soc_pct": 62.5,
        "charging": True,
        "battery_power_kw": 7.4,
        "latitude_deg": 52.5,
        "longitude_deg": 13.4,
    }


def test_a_second_value_of_a_field_begins_the_next_reading() -> None:
    decoder = decoder_of(BARE)
    send(decoder, "soc", "62.5", 0)
    (first,) = send(decoder, "soc", "62.0", 400)
    (second,) = decoder.tick(NOW_MS + 1400)
    assert [(each.time_ms, each.soc_pct) for each in (first, second)] == [(NOW_MS, 62.5), (NOW_MS + 400, 62.0)]


def test_retained_values_are_a_stale_reading_of_their_own() -> None:
    decoder = decoder_of(BARE)
    send(decoder, "soc", "62.5", 0, retained=True)
    send(decoder, "plug", "off", 100)
    stale, fresh = decoder.tick(NOW_MS + 2000)
    assert (stale.stale, fields_of(stale)) == (True, {"soc_pct": 62.5})
    assert (fresh.stale, fields_of(fresh)) == (False, {"charging": False})


def test_a_value_holds_until_it_is_repeated_or_unknown() -> None:
    decoder = decoder_of(BARE.replace("join_s = 1", "join_s = 1\nhold_s = 60"))
    send(decoder, "soc", "62.5", 0)
    send(decoder, "plug", "on", 10_000)
    (reading,) = decoder.tick(NOW_MS + 12_000)
    assert fields_of(reading) == {"soc_pct": 62.5, "charging": True}
    send(decoder, "soc", "255", 20_000)
    send(decoder, "power", "0", 20_000)
    (reading,) = decoder.tick(NOW_MS + 22_000)
    assert fields_of(reading) == {"charging": True, "battery_power_kw": 0.0}
    send(decoder, "parcels", "3", 80_000)
    (reading,) = decoder.tick(NOW_MS + 82_000)
    assert fields_of(reading) == {"battery_power_kw": 0.0, "parcels": 3}


def test_values_of_the_same_time_become_one_reading_whenever_they_arrive_within_a_second() -> None:
    decoder = decoder_of(TIMED)
    send(decoder, "lat", f'{{"t": {NOW_MS - 5000}, "lat": 52.5}}', 0)
    send(decoder, "lon", f'{{"t": {NOW_MS - 5000}, "lon": 13.4}}', 200)
    (first,) = send(decoder, "battery", f'{{"t": {NOW_MS - 1000}, "soc": 5}}', 300)
    (second,) = decoder.tick(NOW_MS + 1300)
    assert (first.time_ms, fields_of(first)) == (NOW_MS - 5000, {"latitude_deg": 52.5, "longitude_deg": 13.4})
    assert (second.time_ms, fields_of(second)) == (NOW_MS - 1000, {"soc_pct": 5.0})


@pytest.mark.parametrize(
    ("tail", "payload", "reason"),
    [
        ("soc", b"62,5", "schema"),
        ("soc", b"nan", "schema"),
        ("soc", b"101", "out_of_range"),
        ("soc", b"1e999", "out_of_range"),
        ("soc", b"9" * 257, "oversize"),
        ("soc", b"\xff", "malformed"),
        ("parcels", b"1.5", "schema"),
        ("gps", b'{"lat": "x"}', "schema"),
        ("gps", b"52.5", "schema"),
        ("speed", b"5", "unknown_topic"),
    ],
)
def test_refused(tail: str, payload: bytes, reason: str) -> None:
    (item,) = told(decoder_of(BARE), f"modem/van-7/{tail}", payload)
    assert isinstance(item, Rejected)
    assert item.reason == reason


def test_an_empty_payload_and_an_unlisted_word_say_nothing() -> None:
    decoder = decoder_of(BARE)
    assert send(decoder, "soc", "", 0) == send(decoder, "soc", "  ", 0) == send(decoder, "plug", "maybe", 0) == []
    assert list(decoder.tick(NOW_MS + 5000)) == []


def test_a_message_is_of_the_van_of_its_topic() -> None:
    decoder = decoder_of(BARE, identities={"862": "van-b"})
    assert decoder.sender("modem/862/soc") == "van-b"
    told(decoder, "modem/862/soc", b"5")
    assert [each.vehicle_id for each in decoder.tick(NOW_MS + 5000)] == ["van-b"]


MESSAGES = st.lists(
    st.tuples(
        st.integers(0, 3000),
        st.sampled_from([("soc", "5"), ("soc", "255"), ("plug", "on"), ("power", "7"), ("parcels", "2"), ("soc", "x")]),
        st.booleans(),
    ),
    max_size=12,
)


@given(messages=MESSAGES, crash=st.integers(0, 12), hold=st.sampled_from([0, 2]))
def test_a_crash_between_two_messages_changes_nothing(
    messages: list[tuple[int, tuple[str, str], bool]], crash: int, hold: int
) -> None:
    toml = BARE.replace("join_s = 1", f"join_s = 1\nhold_s = {hold}")

    def run(*, restart: bool) -> list[object]:
        decoder, now_ms, items = decoder_of(toml), NOW_MS, []
        for place, (wait_ms, (tail, payload), retained) in enumerate(messages):
            if restart and place == crash:
                kept = decoder.changed()
                decoder = decoder_of(toml)
                decoder.restore(kept)
            now_ms += wait_ms
            given = told(decoder, f"modem/v/{tail}", payload.encode(), now_ms=now_ms, retained=retained)
            items += [repr(item) for item in given]
        return [*items, *map(repr, decoder.tick(now_ms + 5000))]

    assert run(restart=True) == run(restart=False)
