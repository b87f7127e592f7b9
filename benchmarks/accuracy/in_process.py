"""Runs messages through the agent's own decoding, van core and rows, in this process and without waiting."""

from collections.abc import Container, Iterable
from typing import Any, Final

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import Rows
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard

TICK_MS: Final = 10_000
SILENCE_MS: Final = 1_200_000

Timed = tuple[int, tuple[str, bytes]]
Records = dict[str, list[dict[str, Any]]]


def shard_for(
    settings: FleetSettings, fleet: FleetFile | None = None, *, dialects: tuple[str, ...] = ("native",)
) -> Shard:
    """The agent's own, with default settings but for the fleet's."""
    roster = Roster(
        fleet or FleetFile(),
        fleet_settings=settings,
        emissions=EmissionsSettings(),
        derived_every_s=10.0,
    )
    made = make_dialects(list(dialects), identities=roster.identities)
    return Shard(Decoder(made), roster)


def feed(shard: Shard, messages: Iterable[Timed], *, tick_ms: int = TICK_MS) -> Iterable[Rows]:
    """Process the messages at their arrival times, with ticks in between and a silence at the end."""
    out = ShardOutput()
    offset, ticked_ms = 0, 0
    for time_ms, (topic, payload) in messages:
        ticked_ms = ticked_ms or time_ms
        batch = []
        while ticked_ms + tick_ms <= time_ms:
            ticked_ms += tick_ms
            batch.append(Message("", b"%d" % ticked_ms, qos=0, kind=MessageKind.TICK))
        batch.append(Message(topic, payload))
        out.add(shard.process(Batch(offset, time_ms, 0, batch)))
        offset += len(batch)
        if out.row_count > 5000:
            yield out.take_rows()[0]
    end_ms = ticked_ms + SILENCE_MS
    last = Batch(offset, end_ms, 0, [Message("", b"%d" % end_ms, qos=0, kind=MessageKind.TICK)])
    out.add(shard.process(last))
    yield out.rows
    if shard.counters.internal_errors:
        raise RuntimeError("the agent met errors of its own")


def records(
    shard: Shard,
    messages: Iterable[Timed],
    *,
    of: Container[str] = MEASUREMENTS,
    tick_ms: int = TICK_MS,
) -> Records:
    """The resulting points by measurement. `of` selects measurements."""
    found: Records = {name: [] for name in MEASUREMENTS if name in of}
    for rows in feed(shard, messages, tick_ms=tick_ms):
        for name, some in rows.items():
            if name in found:
                names = ("series", "time_ms", *MEASUREMENTS[name].field_names)
                found[name] += [dict(zip(names, row, strict=True)) for row in some]
    return found
