"""A partition of a real Kafka as a log: the contract of every log, and what is Kafka's own."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from agent.errors import LogUnavailable, PartitionLost
from agent.kafka.appender import Appender
from agent.kafka.client import producer
from agent.kafka.owner import PartitionOwner
from agent.kafka.partition_log import PartitionLog
from agent.kafka.reader import PartitionReader
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.log import Log
from agent.messages import Message
from tests.servers.agent import wait_for
from tests.test_log import (  # noqa: F401  # the contract; it uses the fixture `log` of this module
    append,
    read_all,
    test_a_checkpoint_is_loaded_as_it_was_made,
    test_a_read_begins_at_the_first_batch_at_or_behind_the_offset,
    test_a_read_begins_in_the_middle_of_a_batch,
    test_a_reader_that_waits_is_woken_by_an_append,
    test_an_empty_log_has_nothing_to_read,
    test_appended_batches_are_read_back_in_order,
    test_appends_go_on_behind_a_checkpoint_of_everything,
    test_nothing_that_was_added_twice_counts_twice,
    test_the_work_on_messages_is_noted,
)

ONE_NODE = TopicShape(partitions=2, replication=1)


@pytest.fixture
def topics(client_settings: dict[str, Any], topic: str) -> Topics:
    found = Topics.of(topic)
    assert ensure(client_settings, found, ONE_NODE) == 2
    return found


@pytest.fixture
async def log(client_settings: dict[str, Any], topics: Topics) -> AsyncIterator[Log]:
    made = PartitionLog(client_settings, topics, 0)
    yield made
    await made.close()


async def test_a_new_owner_goes_on_from_the_checkpoint_of_the_former_one(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    await log.load(0)
    batch = await append(log, "a", "b")
    await log.checkpoint(0, batch.offset + 1, {"van-1": b"one"})
    successor = PartitionLog(client_settings, topics, 0)
    checkpoint = await successor.load(0)
    assert (checkpoint.offset, dict(checkpoint.states)) == (batch.offset + 1, {"van-1": b"one"})
    assert await read_all(successor, checkpoint.offset) == ["b"]
    await successor.close()


async def test_a_former_owner_cannot_write_states_any_more(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    await log.load(0)
    await log.checkpoint(0, 5, {"van-1": b"one"})
    successor = PartitionLog(client_settings, topics, 0)
    await successor.load(0)
    with pytest.raises(PartitionLost):
        await log.checkpoint(0, 6, {"van-1": b"late"})
    await successor.checkpoint(0, 7, {"van-1": b"two"})
    checkpoint = await successor.load(0)
    assert (checkpoint.offset, dict(checkpoint.states)) == (7, {"van-1": b"two"})
    await successor.close()


async def test_a_transaction_that_its_owner_never_ended_is_undone_by_the_next_one(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    """The owner dies between the states and the offset: neither may be seen, and later ones must be."""
    await log.load(0)
    await log.checkpoint(0, 5, {"van-1": b"one"})
    dying = producer(client_settings, transactional_id=f"vanpulse-{topics.messages}-0")
    dying.init_transactions(60)
    dying.begin_transaction()
    dying.produce(topics.states, b"half", key=b"van-1", partition=0)
    dying.flush(60)
    owner = PartitionOwner(client_settings, topics, 0)
    owner.take_over()
    assert owner.load() == (5, [("van-1", b"one")])
    owner.checkpoint(9, {"van-1": b"two"}, [])
    assert owner.load() == (9, [("van-1", b"two")])


async def test_a_foreign_record_is_skipped_and_counted(
    log: PartitionLog, client_settings: dict[str, Any], topics: Topics
) -> None:
    foreign = producer(client_settings)
    for value in (b"hello", b"", None, b"\x01\xff\xff"):
        foreign.produce(topics.messages, value, partition=0)
    assert foreign.flush(60) == 0
    await append(log, "a")
    checkpoint = await log.load(0)
    assert await read_all(log, checkpoint.offset) == ["a"]
    assert log.status.foreign_records == 4


async def test_many_messages_are_several_records_in_their_order(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    """100,000 messages of 100 bytes are 10 MB: more than a record may hold."""
    appender = Appender(client_settings, topics.messages, source="a")
    some = [Message("vans/v/soc", b"%0100d" % number) for number in range(100_000)]
    offsets = appender.append([(0, some)], received_ms=1, listening_since_ms=0)
    assert len(offsets) > 1
    found: list[Message] = []
    offset = (await log.load(0)).offset
    while batches := await log.read(offset, max_messages=5000):
        for batch in batches:
            assert batch.offset >= offset
            found += batch.messages
            offset = batch.end
    assert found == some


async def test_a_read_ends_although_messages_keep_coming(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    offset = (await log.load(0)).offset
    appender = Appender(client_settings, topics.messages, source="a")
    has_read = asyncio.Event()

    async def keep_sending() -> None:
        while not has_read.is_set():
            some = [(0, [Message("vans/v/soc", b"x")])]
            await asyncio.to_thread(appender.append, some, received_ms=1, listening_since_ms=0)
            await asyncio.sleep(0.02)  # a steady rate

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(keep_sending())
        while not await log.read(offset, max_messages=1_000_000):
            await log.changed.wait()
        has_read.set()


async def test_a_reader_is_woken_by_what_another_process_appends(
    log: Log, client_settings: dict[str, Any], topics: Topics
) -> None:
    offset = (await log.load(0)).offset
    assert await log.read(offset, max_messages=10) == []
    log.changed.clear()
    appender = Appender(client_settings, topics.messages, source="a")
    await asyncio.to_thread(appender.append, [(0, [Message("vans/v/soc", b"x")])], received_ms=1, listening_since_ms=0)
    async with asyncio.timeout(60):
        await log.changed.wait()
    assert await read_all(log, offset) == ["x"]


def test_a_reader_goes_on_when_kafka_has_deleted_what_it_wanted_to_read(
    client_settings: dict[str, Any], topics: Topics
) -> None:
    """As after an outage of the store that was longer than the retention. The client itself never goes on then."""
    appender = Appender(client_settings, topics.messages, source="")
    reader = PartitionReader(client_settings, topics.messages, 0)

    def add(text: str) -> int:
        (offset,) = appender.append([(0, [Message(text, b"")])], received_ms=1, listening_since_ms=0)
        return offset

    def read(offset: int) -> list[str]:
        return [each.topic for batch in reader.read(offset, max_messages=10) for each in batch.messages]

    def says_what_is_gone() -> bool:
        try:
            read(behind)
        except LogUnavailable as error:
            return "retention" in str(error)
        return False

    behind = add("a") + 1
    reader.begin(0)
    wait_for(lambda: read(0) == ["a"], "the first message")
    partition = TopicPartition(topics.messages, 0)
    reader._consumer.pause([partition])
    for text in ("b", "c", "d"):
        add(text)
    kept = TopicPartition(topics.messages, 0, 3)
    admin = AdminClient(client_settings)
    admin.delete_records([kept])[kept].result(30)
    reader._consumer.resume([partition])
    wait_for(says_what_is_gone, "the error")
    wait_for(lambda: read(behind) == ["d"], "the message that is left")
    reader.close()
