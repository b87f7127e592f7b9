"""One log as several partitions, and a shard for each, with restarts and rewinds at chosen places."""

import random
import tomllib
from collections.abc import Iterator, Sequence
from zlib import crc32

from agent.config import FleetFile
from agent.dialects.decoder import Decoder, make_dialects
from agent.kafka.ingest_log import FOR_ALL
from agent.messages import Batch, Message
from agent.shard.output import ShardOutput
from benchmarks.same_rows import SimulatedFleet, new_shard


def split(fleet: SimulatedFleet, partitions: int) -> list[list[Batch]]:
    """The batches of each partition, as `IngestLog` divides them."""
    vans = FleetFile.model_validate(tomllib.loads(fleet.fleet_file)).vans
    identities = {identity: vehicle_id for vehicle_id, van in vans.items() for identity in van.identities}
    decoder = Decoder(make_dialects([fleet.dialect], identities=identities))
    parts: list[list[Batch]] = [[] for _ in range(partitions)]
    for batch in fleet.batches:
        some: list[list[Message]] = [[] for _ in range(partitions)]
        for message in batch.messages:
            if message.kind in FOR_ALL:
                for messages in some:
                    messages.append(message)
            else:
                key = decoder.identify(message) or decoder.sender(message.topic) or message.topic
                some[crc32(key.encode()) % partitions].append(message)
        for part, messages in zip(parts, some, strict=True):
            if messages:
                offset = part[-1].end if part else 0
                part.append(Batch(offset, batch.received_ms, batch.listening_since_ms, messages, batch.source))
    return parts


def run(
    fleet: SimulatedFleet, batches: Sequence[Batch], chance: random.Random | None = None, *, is_whole: bool = True
) -> Iterator[ShardOutput]:
    """The output of each batch in the order of processing. `chance` decides when a checkpoint is made, and a kill.

    A kill: a new shard goes on from the last checkpoint, so what follows that is processed again.
    """
    shard = new_shard(fleet, is_whole=is_whole)
    states: dict[str, bytes] = {}
    number = checkpoint = done = 0
    while number < len(batches):
        yield shard.process(batches[number], again=number < done)
        number += 1
        done = max(done, number)
        assert not shard.counters.internal_errors
        if chance is None or number < done or chance.random() > 0.01:
            continue
        if chance.random() < 0.5:
            states |= {key: state for part in shard.snapshot() for key, state in part.items()}
            checkpoint = number
        else:
            shard = new_shard(fleet, is_whole=is_whole)
            shard.restore(states.items())
            number = checkpoint
