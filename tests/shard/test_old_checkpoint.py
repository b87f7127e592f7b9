"""A checkpoint that an earlier version wrote is restored.

`checkpoint_of_80322ca.bin` has the states that version 80322ca wrote after ten minutes of three native vans and one of
OVMS: zlib over MessagePack, with the totals that the vans then had. The rate limit was part of a state at that time,
and there were no tags.
"""

import json
import zlib
from pathlib import Path

import msgspec
import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.shard.roster import Roster
from agent.shard.shard import Shard

FILE = Path(__file__).with_name("checkpoint_of_80322ca.bin")
NOW_MS = 1_790_000_000_000
LAST_MS = NOW_MS + 590_000
FLEET = FleetFile.model_validate(
    {
        "depots": {"north": {"latitude_deg": 52.0, "longitude_deg": 13.0}},
        "vans": {"van-1": {"depot": "north", "battery_kwh": 60.0}, "van-2": {"depot": "north"}},
    }
)


class Written(msgspec.Struct):
    """What the file holds."""

    states: dict[str, bytes]
    totals: dict[str, tuple[float, float]]
    """By van: km driven and kWh used."""


@pytest.fixture
def written() -> Written:
    return msgspec.msgpack.decode(zlib.decompress(FILE.read_bytes()), type=Written)


@pytest.fixture
def shard(written: Written) -> Shard:
    roster = Roster(FLEET, fleet_settings=FleetSettings(), emissions=EmissionsSettings(), derived_every_s=10.0)
    restored = Shard(Decoder(make_dialects(["native", "gbt32960", "ovms"])), roster)
    restored.restore(written.states.items())
    return restored


def test_its_vans_have_their_totals(shard: Shard, written: Written) -> None:
    found = {name: shard.vans.state(name).totals for name in shard.vans}
    assert {name: (each.distance_km, each.used_kwh) for name, each in found.items()} == written.totals


def test_its_other_keys_are_read(shard: Shard, written: Written) -> None:
    assert set(written.states) == {"/minute", "ovms/fred", "van-1", "van-2", "other", "fred"}
    assert shard.seen_ms == LAST_MS // 60_000 * 60_000
    tags = shard.tags_to_journal(backlog=False)
    assert tags is not None, "no tags were journaled then"


def test_it_goes_on_from_there(shard: Shard) -> None:
    now_ms = LAST_MS + 10_000
    fields = {"time": now_ms - 500, "soc_pct": 73.9, "latitude_deg": 52.0 + 6.0 / 111.195, "longitude_deg": 13.0}
    messages = [
        Message("vans/van-1/telemetry", json.dumps(fields | {"speed_kmh": 36.0, "odometer_km": 1006.0}).encode()),
        Message("", b"%d" % now_ms, qos=0, kind=MessageKind.TICK),
    ]
    out = shard.process(Batch(1000, now_ms, NOW_MS, messages))
    assert (out.dead_letters, out.error) == ([], None)
    # The first is the new reading of van-1; the other was waiting in the memory of the OVMS dialect.
    assert [row[0].vehicle_id for row in out.rows["battery"]] == ["van-1", "fred"]
    assert shard.vans.state("van-1").totals.distance_km == pytest.approx(6.0, abs=0.02)
