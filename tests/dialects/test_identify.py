"""The van of a message, found before decoding: what keys a message to a shard has to be what `decode` then says."""

import random
from collections import Counter

import pytest

from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.drops import MANIFEST
from agent.dialects.names import NAMES
from agent.errors import Rejected
from agent.messages import Message
from agent.readings import DropReading, Reading
from benchmarks.fuzz.payloads import MAKERS, bend
from simulator.faults import NAMES as FAULTS
from simulator.simulation import Plan, Simulation
from tests.dialects.test_identity import CLAIMS, IDENTITIES
from tests.dialects.test_native import CORPUS

NOW_MS = 1_790_000_000_000
VIN = "LTESTVAN000000003"
REPORT = b'{"Vin":"%s","Cmd":2,"Encrypt":1,"Data":{"Time":{},"Infos":[]}}'


def decoder() -> Decoder:
    return Decoder(make_dialects(NAMES, identities=IDENTITIES))


def vans_of(given: Decoder, message: Message, now_ms: int) -> set[str]:
    """The vans of everything that decoding gives, from this message alone."""
    try:
        items = list(given.decode(message, now_ms))
        # Bare values wait for others: a tick a second later gives them out.
        items += given.tick(now_ms + 2000)
    except Rejected:
        return set()
    return {item.vehicle_id for item in items if isinstance(item, Reading | DropReading)}


@pytest.mark.parametrize(
    ("topic", "payload", "vehicle_id"),
    [
        ("vans/van-a/soc", b"", "van-a"),
        ("vans/van-a/drop", b"{}", "van-a"),
        (f"{MANIFEST}van-a", b"[]", "van-a"),
        ("vans/van-a/tyres", b"{}", None),
        ("vans/van a/soc", b"{}", None),
        ("ovms/fleet/7/metric/v/b/soc", b"50", "van-c"),
        ("ovms/van-a/metric/v/b/soc", b"50", "van-a"),
        ("ovms/van-a/status", b"50", None),
        (f"saic/me/vehicles/{VIN}/drivetrain/soc", b"50", VIN),
        ("saic/me/vehicles/van-a/drivetrain/soc", b"50", None),
        ("teslamate/depot/cars/1/speed", b"1", "van-t"),
        ("teslamate/cars/2/speed", b"1", "2"),
        ("vss/van-a", b"{}", "van-a"),
        ("vss/van-a/Vehicle/Speed", b"1", "van-a"),
        ("gbt32960/upstream/info", REPORT % VIN.encode(), VIN),
        ("gbt32960/upstream/info", REPORT % b"LTESTVAN000000002", "van-b"),
        ("gbt32960/any/mount/upstream/reinfo", REPORT % VIN.encode(), VIN),
        ("gbt32960/upstream/vlogin", REPORT % VIN.encode(), None),
        ("gbt32960/upstream/info", REPORT % b"van-a", None),
        ("gbt32960/upstream/info", b"\xff", None),
        ("gbt32960/upstream/info", b'{"Vin":17}', None),
        ("elsewhere/van-a/soc", b"50", None),
        ("", b"", None),
    ],
)
def test_the_van_of_a_message(topic: str, payload: bytes, vehicle_id: str | None) -> None:
    assert decoder().identify(Message(topic, payload)) == vehicle_id


@pytest.mark.parametrize("claim", CLAIMS, ids=[claim[0] for claim in CLAIMS])
def test_a_van_that_decoding_gives_is_the_one(claim: tuple[str, str, bytes, str | None]) -> None:
    message = Message(*claim[1:3])
    if claim[3]:
        assert decoder().identify(message) == claim[3]
    assert vans_of(decoder(), message, NOW_MS) <= {decoder().identify(message)}


@pytest.mark.parametrize("dialect", ["native", "gbt32960", "ovms", "saic", "vss"])
def test_a_fleet_with_every_fault(dialect: str) -> None:
    """All messages in their order: a reading that an earlier message has begun is of the same van."""
    plan = Plan(vans=4, hours=1.0, live_s=NOW_MS // 1000, dialect=dialect, faults=tuple(FAULTS))
    whole = decoder()
    found: Counter[str] = Counter()
    for time_s, messages in Simulation(plan).history():
        for message in (Message(*each) for each in messages):
            vehicle_id = whole.identify(message)
            try:
                items = list(whole.decode(message, time_s * 1000))
            except Rejected:
                continue
            vans = {item.vehicle_id for item in items if isinstance(item, Reading)}
            assert vans <= {vehicle_id}, message
            found.update(vans)
    assert len(found) > 1
    assert found.total() > 100


@pytest.mark.parametrize("dialect", NAMES)
def test_right_and_bent_messages_of_every_dialect(dialect: str) -> None:
    chance = random.Random(20261128)
    given = decoder()
    alone = 0
    for number in range(1500):
        van = chance.choice(["van-1", "LTESTVAN000000002", VIN, "7", "x/y", "a b", ""])
        topic, payload = MAKERS[dialect](chance, van, NOW_MS)
        if number % 3 == 0:
            payload = bend(chance, payload, payload)
        message = Message(topic, payload)
        vans = vans_of(decoder(), message, NOW_MS)
        assert vans <= {given.identify(message)}, message
        alone += len(vans)
    assert alone > 50, "too few of them gave a reading"


def test_the_corpus_of_the_native_dialect() -> None:
    given = decoder()
    files = [file for file in CORPUS.rglob("*") if file.is_file()]
    assert len(files) > 50
    for file in files:
        message = Message(f"vans/van-7/{file.suffix[1:]}", file.read_bytes())
        assert given.identify(message) == "van-7", file


def test_nothing_is_remembered() -> None:
    given = decoder()
    before = given.changed()
    for claim in CLAIMS:
        given.identify(Message(*claim[1:3]))
    assert (given.changed(), given.findings(), list(given.tick(NOW_MS))) == (before, {}, [])
