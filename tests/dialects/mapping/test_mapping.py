"""What becomes of messages by a mapping. Expected values are worked by hand from the message in the test."""

from typing import Any

import pytest

from agent.errors import Rejected
from agent.readings import DropReading, Reading
from tests.dialects.mapping.mappings import NOW_MS, decoder_of, mapping, outcome, told

PATH = '{path = "a"}'


@pytest.mark.parametrize(
    ("title", "source", "payload", "expected"),
    [
        ("as it is", PATH, {"a": 62.5}, 62.5),
        ("an integer", PATH, {"a": 62}, 62.0),
        ("a member of a member", '{path = "a.b"}', {"a": {"b": 5}}, 5.0),
        ("scale, then offset", '{path = "a", scale = 0.5, offset = -10}', {"a": 64}, 22.0),
        ("then sign", '{path = "a", scale = 0.5, offset = -40, sign = -1}', {"a": 64}, 8.0),
        ("then the unit", '{path = "a", unit = "ratio", scale = 0.01}', {"a": 62}, 62.0),
        ("the first path that is there", '{path = ["a", "b"]}', {"b": 7}, 7.0),
        ("the first of both", '{path = ["a", "b"]}', {"a": 6, "b": 7}, 6.0),
        ("null is not there", '{path = ["a", "b"]}', {"a": None, "b": 7}, 7.0),
        ("a sentinel is not there", '{path = ["a", "b"], sentinels = [255]}', {"a": 255, "b": 7}, 7.0),
        ("a condition that holds", '{path = "a", when = "ok"}', {"a": 5, "ok": True}, 5.0),
        ("a number as text", '{path = "a", text = true}', {"a": " 62.5 "}, 62.5),
        ("text may be a number after all", '{path = "a", text = true}', {"a": 62.5}, 62.5),
        ("a part of a text", '{path = "a", separator = ",", part = 1}', {"a": "5, 7.5"}, 7.5),
        ("a listed value", '{path = "a", values = {full = 100, low = 10}}', {"a": "full"}, 100.0),
        ("listed numbers", '{path = "a", values = {1 = 10, 2 = 20}}', {"a": 2}, 20.0),
        ("listed numbers with a point", '{path = "a", values = {1 = 10, 2 = 20}}', {"a": 2.0}, 20.0),
        ("an element", '{path = "a[1]"}', {"a": [1, 2]}, 2.0),
    ],
)
def test_a_number(title: str, source: str, payload: Any, expected: float) -> None:
    assert outcome(mapping(soc_pct=source), payload) == [{"soc_pct": expected}], title


@pytest.mark.parametrize(
    ("title", "source", "payload"),
    [
        ("null", PATH, {"a": None}),
        ("not there", PATH, {"b": 5}),
        ("a number where an object is expected", '{path = "a.b"}', {"a": 5}),
        ("a sentinel", '{path = "a", sentinels = [255]}', {"a": 255}),
        ("the same as a float", '{path = "a", sentinels = [255]}', {"a": 255.0}),
        ("a sentinel 1", '{path = "a", sentinels = [0, 1]}', {"a": 1}),
        ("a sentinel 0", '{path = "a", sentinels = [0, 1]}', {"a": 0.0}),
        ("a sentinel in a part of a text", '{path = "a", separator = ";", sentinels = [-1]}', {"a": "-1;5"}),
        ("a text as sentinel", '{path = "a", sentinels = ["n/a"]}', {"a": "n/a"}),
        ("sentinel after a sentinel", '{path = ["a", "b"], sentinels = [255]}', {"a": 255, "b": 255}),
        ("a condition that does not hold", '{path = "a", when = "ok"}', {"a": 5, "ok": False}),
        ("a condition on what is not there", '{path = "a", when = "ok"}', {"a": 5}),
        ("not among the values", '{path = "a", values = {full = 100}}', {"a": "half"}),
    ],
)
def test_unknown_takes_nothing_else_with_it(title: str, source: str, payload: dict[str, Any]) -> None:
    toml = mapping(soc_pct=source, speed_kmh='{path = "v"}')
    assert outcome(toml, payload | {"v": 36.0}) == [{"speed_kmh": 36.0}], title


@pytest.mark.parametrize(
    ("title", "source", "payload", "reason"),
    [
        ("text", PATH, {"a": "62"}, "schema"),
        ("true is no number", PATH, {"a": True}, "schema"),
        ("a boolean is no sentinel 1", '{path = "a", sentinels = [1]}', {"a": True}, "schema"),
        ("an object", PATH, {"a": {}}, "schema"),
        ("an array", PATH, {"a": [5]}, "schema"),
        ("text without a number", '{path = "a", text = true}', {"a": "5 %"}, "schema"),
        ("a long text", '{path = "a", text = true}', {"a": "1" * 257}, "schema"),
        ("text NaN", '{path = "a", text = true}', {"a": "NaN"}, "schema"),
        ("a part that is not there", '{path = "a", separator = ",", part = 2}', {"a": "5,7"}, "schema"),
        ("a number where parts are expected", '{path = "a", separator = ","}', {"a": 5}, "schema"),
        ("a listed object", '{path = "a", values = {x = 1}}', {"a": {}}, "schema"),
        ("too high", PATH, {"a": 100.5}, "out_of_range"),
        ("too high after conversion", '{path = "a", unit = "ratio"}', {"a": 1.01}, "out_of_range"),
        ("too low", PATH, {"a": -1}, "out_of_range"),
        ("beyond a float", PATH, b'{"a": 1e999}', "out_of_range"),
        ("400 digits", PATH, b'{"a": 1%s}' % (b"0" * 400), "out_of_range"),
        ("5000 digits", PATH, b'{"a": 1%s}' % (b"0" * 5000), "out_of_range"),
        ("text too high", '{path = "a", text = true}', {"a": "101"}, "out_of_range"),
        ("no path is there", PATH, {"b": 5}, "schema"),
        ("no object", PATH, b"5", "schema"),
        ("null", PATH, b"null", "schema"),
        ("an empty array", PATH, b"[]", "schema"),
        ("a name that is read twice", PATH, b'{"a": 5, "a": 6}', "malformed"),
        ("the same, escaped", PATH, b'{"a": 5, "\\u0061": 6}', "malformed"),
        ("NaN", PATH, b'{"a": NaN}', "malformed"),
        ("NaN elsewhere", PATH, b'{"a": 5, "b": NaN}', "malformed"),
        ("cut off", PATH, b'{"a": 5', "malformed"),
        ("empty", PATH, b"", "malformed"),
        ("not UTF-8", PATH, b'{"a": 5, "b": "\xff"}', "malformed"),
        ("a byte order mark", PATH, b'\xef\xbb\xbf{"a": 5}', "malformed"),
        ("nested too deeply", PATH, b'{"a": 5, "b": ' + b"[" * 300 + b"]" * 300 + b"}", "malformed"),
        ("nested far too deeply", PATH, b'{"a": ' + b"[" * 30_000 + b"]" * 30_000 + b"}", "malformed"),
    ],
)
def test_refused(title: str, source: str, payload: Any, reason: str) -> None:
    assert outcome(mapping(soc_pct=source), payload) == reason, title


def test_a_turned_zero_is_no_minus_zero() -> None:
    ((reading,), *_) = [outcome(mapping(current_a='{path = "a", sign = -1}'), {"a": 0})]
    assert str(reading["current_a"]) == "0.0"


def test_a_wrong_type_is_told_before_a_value_out_of_range() -> None:
    toml = mapping(soc_pct=PATH, speed_kmh='{path = "v"}')
    assert outcome(toml, {"a": 500, "v": "x"}) == "schema"


def test_what_the_mapping_does_not_read_may_be_anything() -> None:
    for extra in (b'"b": 1, "b": 2', b'"b": 1e999', b'"b": 1%s' % (b"0" * 5000), b'"b": {"a": "x"}', b'"b": "\\u00e9"'):
        assert outcome(mapping(soc_pct=PATH), b'{"a": 5, ' + extra + b"}") == [{"soc_pct": 5.0}], extra[:20]


@pytest.mark.parametrize(
    ("source", "raw", "charging"),
    [
        (PATH, True, True),
        (PATH, False, False),
        ('{path = "a", values = {CHARGING = true, IDLE = false}}', "CHARGING", True),
        ('{path = "a", values = {CHARGING = true, IDLE = false}}', "IDLE", False),
        ('{path = "a", values = {1 = true, 0 = false}}', 0, False),
        ('{path = "a", values = {true = false, false = true}}', True, False),
    ],
)
def test_a_flag(source: str, raw: object, *, charging: bool) -> None:
    assert outcome(mapping(charging=source), {"a": raw}) == [{"charging": charging}]


@pytest.mark.parametrize("raw", [1, "true", [], {}])
def test_a_flag_is_true_or_false(raw: object) -> None:
    assert outcome(mapping(charging=PATH), {"a": raw}) == "schema"


def test_a_count_is_whole() -> None:
    toml = mapping(parcels=PATH, payload_kg='{path = "m", unit = "t"}')
    assert outcome(toml, {"a": 5.0, "m": 0.25}) == [{"parcels": 5, "payload_kg": 250.0}]
    assert outcome(toml, {"a": 5.5}) == "schema"


def test_a_position_with_one_coordinate_is_unknown() -> None:
    toml = mapping(latitude_deg=PATH, longitude_deg='{path = "b"}', speed_kmh='{path = "v"}')
    assert outcome(toml, {"a": 52.5, "v": 5}) == [{"speed_kmh": 5.0}]
    assert outcome(toml, {"a": 52.5, "b": 13.4}) == [{"latitude_deg": 52.5, "longitude_deg": 13.4}]


def test_a_message_that_does_not_count_or_says_nothing_is_ignored() -> None:
    toml = mapping("when = \"kind == 'status'\"", soc_pct='{path = "a", sentinels = [255]}')
    assert outcome(toml, {"kind": "login"}) == []
    assert outcome(toml, {"kind": "status", "a": 255}) == []
    assert outcome(toml, {"kind": "status", "b": 255}) == "schema"


# -- time


@pytest.mark.parametrize(
    ("time", "raw", "time_ms"),
    [
        ('{path = "t", unit = "s"}', 1_773_065_130, 1_773_065_130_000),
        ('{path = "t", unit = "s"}', 1_773_065_130.123, 1_773_065_130_123),
        ('{path = "t", unit = "ms"}', 1_773_065_130_123, 1_773_065_130_123),
        ('{path = "t", unit = "ms"}', 1_773_065_130_123.0, 1_773_065_130_123),
        ('{path = "t", unit = "iso"}', "2026-03-09T14:05:30.123Z", 1_773_065_130_123),
        ('{path = "t", unit = "iso"}', "2026-03-09T15:05:30.123+01:00", 1_773_065_130_123),
        ('{path = "t"}', "2026-03-09T14:05:30.123Z", 1_773_065_130_123),
        ('{path = "t"}', 1_773_065_130_123, 1_773_065_130_123),
        ('{path = ["none", "t"], unit = "s"}', 1_773_065_130, 1_773_065_130_000),
    ],
)
def test_the_time(time: str, raw: object, time_ms: int) -> None:
    decoder = decoder_of(mapping(f"time = {time}", soc_pct=PATH))
    (reading,) = told(decoder, "acme/van-7/status", {"a": 5, "t": raw})
    assert isinstance(reading, Reading)
    assert (reading.time_ms, reading.vehicle_id) == (time_ms, "van-7")


@pytest.mark.parametrize(
    ("time", "raw", "reason"),
    [
        ('{path = "t", unit = "s"}', None, "schema"),
        ('{path = "t", unit = "s"}', True, "schema"),
        ('{path = "t", unit = "s"}', "1773065130", "schema"),
        ('{path = "t", unit = "s"}', 1_773_065_130_123, "out_of_range"),
        ('{path = "t", unit = "s"}', 1e300, "out_of_range"),
        ('{path = "t", unit = "ms"}', 1_773_065_130, "too_old"),
        ('{path = "t", unit = "iso"}', 1_773_065_130_123, "schema"),
        ('{path = "t", unit = "iso"}', "2026-03-09T14:05:30", "schema"),
        ('{path = "t", unit = "s"}', 1_773_065_130 + 301, "in_future"),
        ('{path = "t", unit = "s"}', 1_773_065_130 - 7 * 86_400, "too_old"),
    ],
)
def test_a_time_that_cannot_be_used(time: str, raw: object, reason: str) -> None:
    assert outcome(mapping(f"time = {time}", soc_pct=PATH), {"a": 5, "t": raw}) == reason


def test_without_a_time_the_arrival_counts_and_a_retained_message_is_stale() -> None:
    decoder = decoder_of(mapping(soc_pct=PATH))
    for retained in (False, True):
        assert told(decoder, "acme/van-7/status", {"a": 5}, retained=retained) == [
            Reading(vehicle_id="van-7", time_ms=NOW_MS, soc_pct=5.0, stale=retained)
        ]


def test_a_retained_message_with_a_time_of_its_own_is_not_stale() -> None:
    decoder = decoder_of(mapping('time = {path = "t"}', soc_pct=PATH))
    assert told(decoder, "acme/van-7/status", {"a": 5, "t": NOW_MS - 5}, retained=True) == [
        Reading(vehicle_id="van-7", time_ms=NOW_MS - 5, soc_pct=5.0)
    ]


# -- arrays and drops


def test_an_array_is_sorted_by_time_and_a_bad_element_takes_no_other_with_it() -> None:
    decoder = decoder_of(mapping('time = {path = "t"}', soc_pct=PATH), max_elements=3)
    items = told(
        decoder, "acme/van-7/status", [{"t": NOW_MS, "a": 2}, {"t": NOW_MS, "a": "x"}, {"t": NOW_MS - 9, "a": 1}]
    )
    assert [getattr(item, "reason", None) or item.soc_pct for item in items] == [1.0, "schema", 2.0]  # type: ignore[union-attr]
    (refused,) = told(decoder, "acme/van-7/status", [{"t": NOW_MS, "a": 2}] * 4)
    assert isinstance(refused, Rejected)
    assert refused.reason == "oversize"


def test_drops() -> None:
    decoder = decoder_of(
        mapping(
            'time = {path = "at", unit = "s"}',
            action='{path = "event", values = {PICKUP = "load", DELIVERED = "unload"}}',
            mass_kg='{path = "weight", unit = "g"}',
            items='{path = "pieces"}',
            consignment_id='{path = "parcel.code"}',
        )
    )
    message = {"at": 1_773_065_130, "event": "DELIVERED", "weight": 2500, "pieces": 1, "parcel": {"code": 4711}}
    assert told(decoder, "acme/van-7/status", message) == [
        DropReading(
            vehicle_id="van-7",
            time_ms=1_773_065_130_000,
            action="unload",
            mass_kg=2.5,
            items=1,
            consignment_id="4711",
        )
    ]
    for change in ({"event": "SCANNED"}, {"pieces": None, "weight": None}, {"parcel": {"code": "a\nb"}}):
        (refused,) = told(decoder, "acme/van-7/status", message | change)
        assert isinstance(refused, Rejected), change
        assert refused.reason == "schema", change
