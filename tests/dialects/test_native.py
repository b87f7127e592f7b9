"""The native dialect: every payload of the corpus, and what holds for all of them."""

import json
import math
import string
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import asdict, replace

from agent.dialects.native import KINDS, LARGEST_INTEGER, REQUIRED, NativeDialect
from agent.errors import REASONS, Rejected
from agent.messages import Message
from agent.readings import RANGES, Reading

CORPUS = Path(__file__).parent / "corpus"
RECEIVED_MS = 1773065131000
"""2026-03-09T14:05:31Z, a second after the corpus' own time."""
DECIDED_ELSEWHERE = {"unknown_vehicle", "oversize", "unknown_topic", "malformed_packet", "journal_corrupt"} | {
    "rejected_by_store"
}


def decode(
    payload: bytes | str, kind: str = "soc", vehicle_id: str = "van-007", *, thoroughly: bool = False, **limits: int
) -> list[Reading | Rejected]:
    """What the dialect makes of one payload; a rejection of the whole message as its only item.

    `thoroughly`: without the short way that plain payloads take.
    """
    message = Message(f"vans/{vehicle_id}/{kind}", payload.encode() if isinstance(payload, str) else payload)
    dialect = NativeDialect(**limits)
    try:
        if thoroughly:
            items = dialect._decode_thoroughly(dialect._route(message.topic), message.payload, RECEIVED_MS)
        else:
            items = dialect.decode(message, RECEIVED_MS)
        return [Reading(**asdict(item)) if isinstance(item, Reading) else item for item in items]
    except Rejected as rejected:
        return [rejected]


def corpus(reason: str) -> list[Path]:
    return sorted((CORPUS / reason).iterdir())


@pytest.mark.parametrize("file", corpus("accepted"), ids=lambda file: file.name)
def test_accepted(file: Path) -> None:
    items = decode(file.read_bytes(), file.suffix[1:])
    assert items
    assert all(isinstance(item, Reading) for item in items), items


@pytest.mark.parametrize(
    ("reason", "file"),
    [
        pytest.param(reason, file, id=f"{reason}-{file.name}")
        for reason in REASONS
        if (CORPUS / reason).is_dir()
        for file in corpus(reason)
    ],
)
def test_rejected(reason: str, file: Path) -> None:
    items = decode(file.read_bytes(), file.suffix[1:])
    assert [getattr(item, "reason", item) for item in items] == [reason] * len(items)
    assert items
    assert all(item.detail and len(item.detail) < 400 for item in items if isinstance(item, Rejected))


def test_every_reason_that_a_payload_can_have_is_in_the_corpus() -> None:
    assert {path.name for path in CORPUS.iterdir()} == set(REASONS) - DECIDED_ELSEWHERE | {"accepted"}


def test_every_field_comes_through() -> None:
    (reading,) = decode((CORPUS / "accepted" / "every_field.telemetry").read_bytes(), "telemetry")
    sent = json.loads((CORPUS / "accepted" / "every_field.telemetry").read_bytes())
    sent.pop("time")
    assert {name: getattr(reading, name) for name in sent} == sent
    assert reading.time_ms == 1773065130250
    assert reading.stale is False
    assert set(sent) == set(KINDS["telemetry"]) | {"vehicle_id", "seq"}


def test_what_is_not_sent_is_not_known() -> None:
    (reading,) = decode('{"time": 1773065130123, "soc_pct": 50}')
    assert reading == Reading(vehicle_id="van-007", time_ms=1773065130123, soc_pct=50.0)
    assert type(reading.soc_pct) is float


def test_fields_of_another_kind_are_unknown_fields() -> None:
    (reading,) = decode(
        '{"time": 1773065130123, "soc_pct": 50, "latitude_deg": 1, "payload_kg": 2, "stale": 1, "time_ms": 3}'
    )
    assert reading == Reading(vehicle_id="van-007", time_ms=1773065130123, soc_pct=50.0)


def test_readings_of_an_array_come_oldest_first() -> None:
    items = decode('[{"time": 1773065130000, "soc_pct": 50}, {"time": 1773065120000, "soc_pct": 51}]')
    assert [item.soc_pct for item in items] == [51.0, 50.0]


def test_a_bad_element_does_not_take_the_others_with_it() -> None:
    bad = {
        '{"time": 1773065130000}': "schema",
        "5": "schema",
        '{"time": 1773065130000, "soc_pct": 500}': "out_of_range",
        '{"time": 1, "soc_pct": 50}': "too_old",
        '{"time": 1773065130000, "soc_pct": 50, "vehicle_id": "van-1"}': "identity_mismatch",
        '{"time": 1773065130000, "soc_pct": true}': "schema",
    }
    good = '{"time": 1773065130000, "soc_pct": 50}'
    items = decode(f"[{good}, {', '.join(bad)}, {good}]")
    assert [getattr(item, "reason", None) for item in items] == [None, *bad.values(), None]


@pytest.mark.parametrize(
    "topic",
    [
        "vans/van-007",
        "vans/van-007/",
        "vans/van-007/speed",
        "vans/van-007/soc/",
        "vans/van-007/soc/now",
        "vans//soc",
        "vans/van 007/soc",
        "vans/van-007\n/soc",
        "vans/vän/soc",
        "vans/" + "v" * 65 + "/soc",
        "cars/van-007/soc",
        "soc",
        "",
    ],
)
def test_unknown_topic(topic: str) -> None:
    with pytest.raises(Rejected) as caught:
        NativeDialect().decode(Message(topic, b'{"time": 1773065130000, "soc_pct": 50}'), RECEIVED_MS)
    assert caught.value.reason == "unknown_topic"


def test_longest_vehicle_id_and_a_prefix_of_several_levels() -> None:
    dialect = NativeDialect(prefix="fleet/north")
    message = Message(f"fleet/north/{'v' * 64}/soc", b'{"time": 1773065130000, "soc_pct": 50}')
    assert dialect.claims(message.topic)
    assert not dialect.claims("fleet/northern/van-007/soc")
    assert dialect.topic_filters() == ["fleet/north/#"]
    assert next(iter(dialect.decode(message, RECEIVED_MS))).vehicle_id == "v" * 64


def test_an_array_beyond_the_limit_is_oversize() -> None:
    element = '{"time": 1773065130000, "soc_pct": 50}'
    assert len(decode(f"[{','.join([element] * 3)}]", max_elements=3)) == 3
    (rejected,) = decode(f"[{','.join([element] * 4)}]", max_elements=3)
    assert rejected.reason == "oversize"


def test_a_retained_message_counts_if_its_time_is_new() -> None:
    message = Message("vans/van-007/soc", b'{"time": 1773065130000, "soc_pct": 50}', retained=True)
    (reading,) = NativeDialect().decode(message, RECEIVED_MS)
    assert reading.stale is False


def test_many_topics_do_not_fill_memory() -> None:
    dialect = NativeDialect()
    for number in range(70_000):
        dialect.decode(Message(f"vans/{number}/soc", b'{"time": 1773065130000, "soc_pct": 50}'), RECEIVED_MS)
    assert len(dialect._routes) <= 65_536


# -- properties

texts = st.text(alphabet=st.characters(exclude_categories=("Cs",)), max_size=20)
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(allow_nan=True, allow_infinity=True), texts
)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4), max_leaves=8
)
times = st.one_of(st.just(RECEIVED_MS), st.just("2026-03-09T14:05:30.5Z"), scalars)
names = st.sampled_from(sorted({*KINDS["telemetry"], *KINDS["load"], "vehicle_id", "seq", "x"}))
objects = st.builds(
    lambda time, fields: {"time": time, "soc_pct": 50, "latitude_deg": 1, "longitude_deg": 2} | fields,
    times,
    st.dictionaries(names, anything, max_size=4),
)


PIECES = rb"""|null|true|1e3|-0|-1|0.0|1.7e12|99999999999999999999|NaN|""|[]|{}|,|:| |\u0073|"x":1,|"parcels":1,
|"time":1,|"seq":1,|"soc_pct":50,|"latitude_deg":1,|"vehicle_id":"van-007",|"vehicle_id":"",
|"stale":true,|"stale:":true,|"charger_power_kw:":1,"""
pieces = st.one_of(st.binary(max_size=4), st.sampled_from([piece.strip(b"\n") for piece in PIECES.split(b"|")]))


@settings(deadline=None)
@given(st.one_of(objects, st.lists(objects, max_size=4), anything), st.sampled_from(sorted(KINDS)))
def test_any_json_gives_valid_readings_or_a_reason(content: object, kind: str) -> None:
    items = decode(json.dumps(content), kind)
    assert items
    for item in items:
        if isinstance(item, Rejected):
            assert item.reason in REASONS
        else:
            assert_valid(item)


@settings(deadline=None)
@given(st.binary(max_size=200), st.sampled_from(sorted(KINDS)))
def test_any_bytes_give_a_reason(payload: bytes, kind: str) -> None:
    assert all(isinstance(item, Rejected) for item in decode(payload, kind))


@settings(deadline=None)
@given(objects, st.sampled_from(sorted(KINDS)))
def test_an_element_of_an_array_is_judged_like_an_object(content: object, kind: str) -> None:
    text = json.dumps(content)
    alone, together = decode(text, kind), decode(f"[{text}]", kind)
    assert [getattr(item, "reason", item) for item in alone] == [getattr(item, "reason", item) for item in together]


def plain(kind: str, time: int | str = RECEIVED_MS) -> bytes:
    """A payload of the kind with all its fields, in the spelling that vans use."""
    values = {name: "true" if name not in RANGES else "7" if name == "parcels" else "7.5" for name in KINDS[kind]}
    fields = "".join(f',"{name}":{value}' for name, value in values.items())
    return f'{{"time":{json.dumps(time)},"seq":3{fields}}}'.encode()


@pytest.mark.parametrize("time", [RECEIVED_MS, "2026-03-09T14:05:30.5Z", "2026-03-09T15:05:30+01:00"])
@pytest.mark.parametrize("kind", KINDS)
def test_plain_payloads_take_the_short_way(kind: str, time: int | str, monkeypatch: pytest.MonkeyPatch) -> None:
    payload = plain(kind, time)
    expected = decode(payload, kind, thoroughly=True)
    monkeypatch.delattr(NativeDialect, "_decode_thoroughly")
    assert decode(payload, kind) == expected
    assert decode(payload.replace(b'"seq":3', b'"vehicle_id":"van-007"'), kind) == [
        replace(reading, seq=None) for reading in expected
    ]


@settings(deadline=None, max_examples=400)
@given(st.sampled_from(sorted(KINDS)), st.data())
def test_the_short_way_judges_as_the_thorough_one(kind: str, data: st.DataObject) -> None:
    payload = plain(kind, data.draw(times))
    for _ in range(data.draw(st.integers(0, 3))):
        start = data.draw(st.integers(0, len(payload)))
        stop = data.draw(st.integers(start, min(len(payload), start + 12)))
        payload = payload[:start] + data.draw(pieces) + payload[stop:]
    short, thorough = decode(payload, kind), decode(payload, kind, thoroughly=True)
    assert [getattr(item, "reason", item) for item in short] == [getattr(item, "reason", item) for item in thorough]


@settings(deadline=None)
@given(st.data())
def test_a_valid_reading_comes_through_as_it_was_sent(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["soc", "location", "telemetry"]))
    optional = data.draw(st.sets(st.sampled_from(KINDS[kind])))
    fields = {
        name: data.draw(st.floats(*RANGES[name]) if name in RANGES else st.booleans())
        for name in sorted(optional | (REQUIRED & set(KINDS[kind])))
    }
    seq = data.draw(st.none() | st.integers(0, LARGEST_INTEGER))
    content = {"time": RECEIVED_MS, **fields} | ({} if seq is None else {"seq": seq})
    (reading,) = decode(json.dumps(content), kind)
    assert reading == Reading(vehicle_id="van-007", time_ms=RECEIVED_MS, seq=seq, **fields)


@settings(deadline=None)
@given(st.text(alphabet=string.printable, min_size=1, max_size=30))
def test_spelling_of_unknown_keys_does_not_matter(key: str) -> None:
    content = json.dumps({"time": RECEIVED_MS, "soc_pct": 50, f"x{key}": key})
    assert decode(content) == [Reading(vehicle_id="van-007", time_ms=RECEIVED_MS, soc_pct=50.0)]


def assert_valid(reading: Reading) -> None:
    assert reading.vehicle_id == "van-007"
    assert type(reading.time_ms) is int
    for name, (low, high) in RANGES.items():
        value = getattr(reading, name)
        if value is not None:
            assert type(value) in {int, float}
            assert math.isfinite(value)
            assert low <= value <= high
    for name in ("charging", "plugged_in"):
        assert type(getattr(reading, name)) in {bool, type(None)}
