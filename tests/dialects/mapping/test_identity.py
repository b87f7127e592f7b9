"""Which van a message is of: by the topic, by the payload, by the table of identities; and who is its sender."""

import random
from typing import Any

import pytest

from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.presets import PRESETS
from agent.errors import Rejected
from agent.messages import Message
from benchmarks.fuzz.payloads import MAKERS, bend
from tests.dialects.mapping.mappings import NOW_MS, decoder_of, told

IDENTITIES = {"352094081673025": "van-b", "depot/7": "van-c", "van 9": "van-9"}
MAPPINGS = """
[level]
topic = "level/{vehicle_id}/status"
fields.soc_pct.path = "soc"
[payload]
topic = "payload/{site}"
vehicle_id = {path = ["imei", "van"]}
fields.soc_pct.path = "soc"
[user]
topic = "user/{user}/{vehicle_id}"
fields.soc_pct.path = "soc"
[both]
topic = "both/{user}"
vehicle_id = {path = "van"}
fields.soc_pct.path = "soc"
"""


@pytest.fixture
def decoder() -> Decoder:
    return decoder_of(MAPPINGS, identities=IDENTITIES)


@pytest.mark.parametrize(
    ("topic", "payload", "expected", "sender"),
    [
        ("level/van-a/status", {"soc": 5}, "van-a", "van-a"),
        ("level/352094081673025/status", {"soc": 5}, "van-b", "van-b"),
        ("level/van a/status", {"soc": 5}, "unknown_vehicle", "level/van a"),
        ("level/van 9/status", {"soc": 5}, "van-9", "van-9"),
        ("level/van-a/status", {"soc": 5, "imei": "352094081673025"}, "van-a", "van-a"),
        ("payload/north", {"soc": 5, "imei": "352094081673025"}, "van-b", None),
        ("payload/north", {"soc": 5, "imei": 352094081673025}, "van-b", None),
        ("payload/north", {"soc": 5, "van": "van-a"}, "van-a", None),
        ("payload/north", {"soc": 5, "van": "van a"}, "unknown_vehicle", None),
        ("payload/north", {"soc": 5}, "schema", None),
        ("payload/north", {"soc": 5, "van": True}, "schema", None),
        ("payload/north", {"soc": 5, "van": ""}, "schema", None),
        ("payload/north", {"soc": 5, "van": {"a": 1}}, "schema", None),
        ("user/depot/7", {"soc": 5}, "van-c", "van-c"),
        ("user/van-a/van-a", {"soc": 5}, "van-a", "van-a"),
        ("user/van-a/van-b", {"soc": 5}, "van-a.van-b", "user/van-a"),
        ("user/van-a/x.y", {"soc": 5}, "identity_mismatch", "user/van-a"),
        ("both/depot", {"soc": 5, "van": "7"}, "van-c", "both/depot"),
        ("both/van-a", {"soc": 5, "van": "van-b"}, "van-a.van-b", "both/van-a"),
        ("both/van-a", {"soc": 5, "van": "352094081673025"}, "van-a.352094081673025", "both/van-a"),
    ],
)
def test_who_it_is(decoder: Decoder, topic: str, payload: Any, expected: str, sender: str | None) -> None:
    for _ in range(2):  # the second time by the quick way, with a van that is known
        (item,) = told(decoder, topic, payload)
        assert (item.reason if isinstance(item, Rejected) else item.vehicle_id) == expected
    assert decoder.sender(topic) == sender


@pytest.mark.parametrize(
    ("topic", "payload", "van"),
    [
        ("level/van-a/status", b"", "van-a"),
        ("level/352094081673025/status", b"{", "van-b"),
        ("level/van a/status", b"", None),
        ("payload/north", b'{"imei": 352094081673025}', "van-b"),
        ("payload/north", b'[{"van": "van-a"}, {"van": "van-b"}]', "van-a"),
        ("payload/north", b'{"van": "van-a", "van": "van-b"}', None),
        ("payload/north", b'{"van": "van-a"', None),
        ("payload/north", b"[]", None),
        ("payload/north", b"5", None),
        ("both/van-a", b'{"van": "van-a"}', "van-a"),
        ("elsewhere", b"", None),
    ],
)
def test_the_van_of_a_message_before_decoding(decoder: Decoder, topic: str, payload: bytes, van: str | None) -> None:
    message = Message(topic, payload)
    assert decoder.identify(message) == van
    assert decoder.identify(message) == van
    assert decoder.changed() == {}


def test_an_array_is_of_one_van(decoder: Decoder) -> None:
    items = told(
        decoder, "payload/n", [{"van": "a", "soc": 1}, {"van": "b", "soc": 2}, {"soc": 3}, {"van": "a", "soc": 4}]
    )
    said = [item.reason if isinstance(item, Rejected) else item.vehicle_id for item in items]
    assert said == ["a", "identity_mismatch", "schema", "a"]


def test_many_topics_and_names_do_not_fill_memory(decoder: Decoder) -> None:
    for number in range(40_000):
        told(decoder, f"level/van-{number}/status", b'{"soc":5}')
        told(decoder, "payload/north", b'{"soc":5,"van":"van-%d"}' % number)
    told(decoder, f"payload/{'x' * 60_000}", b'{"soc":5,"van":"van-1"}')
    level, payload = decoder.dialects[0], decoder.dialects[1]
    assert max(map(len, payload._places)) <= 256  # type: ignore[attr-defined]
    assert max(map(len, decoder._decoders)) <= 256
    assert 0 < len(level._places) <= 16_384  # type: ignore[attr-defined]
    assert 0 < len(payload._known_names) <= 16_384  # type: ignore[attr-defined]


def test_what_decoding_gives_is_of_the_van_that_was_found_before() -> None:
    """Right and distorted messages of every preset, each of some vans."""
    chance = random.Random(20261128)
    given, again = (Decoder(make_dialects(PRESETS, identities=IDENTITIES)) for _ in range(2))
    alone = 0
    for number in range(3000):
        van = chance.choice(["van-1", "352094081673025", "a b", "", "x.y"])
        topic, payload = MAKERS["presets"](chance, van, NOW_MS)
        if number % 3 == 0:
            payload = bend(chance, payload, payload)
        readings = [item for item in told(given, topic, payload) if not isinstance(item, Rejected)]
        found = again.identify(Message(topic, payload))
        assert {reading.vehicle_id for reading in readings} <= {found}, (topic, payload)
        alone += len(readings)
    assert alone > 1000, "too few of them gave a reading"
