import json
from typing import Any

import pytest

from agent.dialects.decoder import Decoder, make_dialects
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import DropReading

NOW_MS = 1_773_065_130_123
DAY_MS = 86_400_000


def decode(content: Any, topic: str = "vans/van-007/drop", *names: str) -> list[Any]:
    payload = content if isinstance(content, bytes) else json.dumps(content).encode()
    decoder = Decoder(make_dialects(names or ("native",)))
    try:
        return list(decoder.decode(Message(topic, payload), NOW_MS))
    except Rejected as rejected:
        return [rejected]


def test_every_field_comes_through() -> None:
    said = {
        "time": "2026-03-09T14:05:30.123Z",
        "vehicle_id": "van-007",
        "seq": 4,
        "action": "load",
        "mass_kg": 12.5,
        "items": 3,
        "consignment_id": "C 1/é",
        "customer_id": "acme",
        "latitude_deg": 48.1,
        "longitude_deg": 11.5,
        "colour": "unknown fields are ignored",
    }
    assert decode(said) == [
        DropReading(
            vehicle_id="van-007",
            time_ms=NOW_MS,
            seq=4,
            action="load",
            mass_kg=12.5,
            items=3,
            consignment_id="C 1/é",
            customer_id="acme",
            latitude_deg=48.1,
            longitude_deg=11.5,
        )
    ]


GOOD = {"time": NOW_MS, "action": "unload", "items": 1}


@pytest.mark.parametrize(
    ("title", "content", "reason"),
    [
        ("not JSON", b'{"time":', "malformed"),
        ("a key twice", b'{"time":1773065130123,"action":"load","items":1,"items":2}', "malformed"),
        ("NaN", b'{"time":1773065130123,"action":"load","mass_kg":NaN}', "malformed"),
        ("no object", 7, "schema"),
        ("empty array", [], "schema"),
        ("no time", {"action": "load", "items": 1}, "schema"),
        ("a time without a zone", GOOD | {"time": "2026-03-09T14:05:30"}, "schema"),
        ("no action", {"time": NOW_MS, "items": 1}, "schema"),
        ("an action that is none", GOOD | {"action": "deliver"}, "schema"),
        ("neither mass nor items", {"time": NOW_MS, "action": "unload", "consignment_id": "c"}, "schema"),
        ("a number as text", GOOD | {"items": "1"}, "schema"),
        ("true is no number", GOOD | {"mass_kg": True}, "schema"),
        ("half an item", GOOD | {"items": 1.5}, "schema"),
        ("half a position", GOOD | {"latitude_deg": 48.0}, "schema"),
        ("an empty consignment", GOOD | {"consignment_id": ""}, "schema"),
        ("65 characters", GOOD | {"customer_id": "x" * 65}, "schema"),
        ("not printable", GOOD | {"customer_id": "a\nb"}, "schema"),
        ("negative mass", GOOD | {"mass_kg": -1.0}, "out_of_range"),
        ("beyond the pole", GOOD | {"latitude_deg": 91.0, "longitude_deg": 0.0}, "out_of_range"),
        ("another van", GOOD | {"vehicle_id": "van-008"}, "identity_mismatch"),
        ("last week", GOOD | {"time": NOW_MS - 7 * DAY_MS - 1}, "too_old"),
        ("tomorrow", GOOD | {"time": NOW_MS + DAY_MS}, "in_future"),
        ("too many", [GOOD] * 5001, "oversize"),
    ],
)
def test_rejected(title: str, content: Any, reason: str) -> None:
    (item,) = decode(content)
    assert isinstance(item, Rejected), title
    assert item.reason == reason, title


def test_a_bad_element_does_not_take_the_others_with_it() -> None:
    items = decode([GOOD, {}, GOOD | {"items": 2}])
    assert [getattr(item, "reason", None) or item.items for item in items] == [1, "schema", 2]


@pytest.mark.parametrize("names", [("native",), ("ovms",), ("native", "saic")])
def test_a_manifest_is_read_whatever_the_vans_speak(names: tuple[str, ...]) -> None:
    (drop,) = decode([GOOD], "$manifest/van-007", *names)
    assert (drop.vehicle_id, drop.imported, drop.items) == ("van-007", True, 1)


def test_a_manifest_has_no_topic_that_is_subscribed_to() -> None:
    assert all(not topic.startswith("$") for topic in Decoder(make_dialects(["native"])).topic_filters())
