"""How far the processing of a partition is behind what was written to it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from agent.kafka.owner import checkpoint_offset
from agent.kafka.reader import PartitionReader, records
from agent.kafka.records import MESSAGES_PER_RECORD, record_offset_of
from agent.kafka.topics import Topics


class Lag(NamedTuple):
    """As of the last checkpoint: what came since is processed already, up to the time between two checkpoints."""

    partition: int
    records: int
    """Records behind the checkpoint; a record holds one or more messages."""
    oldest_ms: int | None
    """When the first of them was written, ms since the epoch; None if there is none."""
    gone_records: int
    """Records behind the checkpoint that Kafka has deleted by age: their messages are lost."""


def lag_of(settings: Mapping[str, Any], topics: Topics, partition: int) -> Lag:
    """Raises `LogUnavailable`."""
    checkpoint = checkpoint_offset(settings, topics, partition)
    reader = PartitionReader(settings, topics.messages, partition)
    try:
        low, high = (record_offset_of(offset) for offset in reader.bounds())
    finally:
        reader.close()
    # A checkpoint that is inside a record is at its end, but for the time that a record takes.
    done = low if checkpoint is None else -(-checkpoint // MESSAGES_PER_RECORD)
    behind = max(0, high - max(low, done))
    first = next(records(settings, topics.messages, partition, last=behind), None) if behind else None
    if first is None:  # at most marks of transactions
        behind = 0
    return Lag(partition, behind, None if first is None else first.timestamp()[1], max(0, low - done))
