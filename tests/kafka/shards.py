"""What shards make of a log, for comparing one log with another."""

from collections.abc import Iterable
from typing import Any

from agent.kafka.partition_log import PartitionLog
from agent.kafka.topics import Topics
from agent.kafka.transaction import TransactionalWriter
from agent.messages import Batch
from agent.shard.output import Point, ShardOutput
from agent.shard.shard import Shard


def process(shard: Shard, batches: Iterable[Batch]) -> ShardOutput:
    out = ShardOutput()
    for batch in batches:
        shard.process(batch, into=out)
    return out


async def process_partition(settings: dict[str, Any], topics: Topics, partition: int, shard: Shard) -> ShardOutput:
    """Take the partition over, and process everything behind its checkpoint."""
    log = PartitionLog(settings, topics, partition)
    checkpoint = await log.load(partition)
    shard.restore(checkpoint.states)
    batches: list[Batch] = []
    offset = checkpoint.offset
    while found := await log.read(offset, max_messages=10_000):
        batches += found
        offset = found[-1].end
    await log.close()
    return process(shard, batches)


def settle(settings: dict[str, Any], topics: Topics, command: str) -> None:
    """Wait until everything that a command has committed can be read."""
    TransactionalWriter(settings, topics.messages, name=command).take_over()


def points(*outputs: ShardOutput) -> list[Point]:
    """All points but the roll-ups, which a partition makes of its own vans only; in an order of their own."""
    found = [point for out in outputs for point in out.points() if point.measurement != "fleet"]
    return sorted(found, key=lambda point: (point.measurement, point.time_ms, sorted(point.tags.items()), repr(point)))


def letters(*outputs: ShardOutput) -> list[tuple[str, bytes, str, int]]:
    """Topic, payload, reason and arrival of all dead letters, in an order of their own."""
    found = [letter for out in outputs for letter in out.dead_letters]
    return sorted((each.topic, each.payload, each.reason, each.received_ms) for each in found)
