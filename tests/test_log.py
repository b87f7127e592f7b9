"""What every log promises, whichever it is: the suite takes an implementation."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from agent.journal import Journal, SqliteLog
from agent.log import DeadLetter, Log, StoreRefusal
from agent.messages import Batch, Message
from tests.memory_log import MemoryLog


def journal(directory: Path) -> Log:
    return SqliteLog(Journal.open(directory / "journal.db", max_bytes=16 << 20, reserve_bytes=0))


def memory(directory: Path) -> Log:
    del directory
    return MemoryLog()


LOGS: dict[str, Callable[[Path], Log]] = {"journal": journal, "memory, with gaps": memory}


@pytest.fixture(params=LOGS)
async def log(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Log]:
    made = LOGS[request.param](tmp_path)
    yield made
    await made.close()


def messages(*names: str) -> list[Message]:
    return [Message(f"vans/{name}/soc", name.encode()) for name in names]


async def append(log: Log, *names: str, received_ms: int = 10) -> Batch:
    return await log.append(messages(*names), received_ms=received_ms, listening_since_ms=5)


async def read_all(log: Log, offset: int = 0) -> list[str]:
    """As a reader does: on from the end of what it was given, until there is nothing at or behind it."""
    found: list[str] = []
    while batches := await log.read(offset, max_messages=3):
        for batch in batches:
            assert batch.offset >= offset
            assert batch.messages
            found += [message.payload.decode() for message in batch.messages]
            offset = batch.end
    return found


async def test_an_empty_log_has_nothing_to_read(log: Log) -> None:
    assert await log.read(log.end, max_messages=10) == []
    assert log.messages_from(log.end) == 0
    checkpoint = await log.load(0)
    assert (await log.read(checkpoint.offset, max_messages=10), list(checkpoint.states)) == ([], [])


async def test_appended_batches_are_read_back_in_order(log: Log) -> None:
    first = await append(log, "a", "b", received_ms=10)
    second = await append(log, "c", received_ms=20)
    assert (first.received_ms, first.listening_since_ms, first.messages) == (10, 5, messages("a", "b"))
    assert first.end == first.offset + 2 <= second.offset
    assert log.end >= second.end
    assert (await log.read(first.offset, max_messages=1))[0] == first
    assert (await log.read(second.offset, max_messages=1))[0] == second
    assert await read_all(log) == ["a", "b", "c"]


async def test_a_read_begins_in_the_middle_of_a_batch(log: Log) -> None:
    batch = await append(log, "a", "b", "c")
    await append(log, "d")
    (found, *_) = await log.read(batch.offset + 1, max_messages=1)
    assert found == Batch(batch.offset + 1, 10, 5, messages("b", "c"))
    assert await read_all(log, batch.offset + 2) == ["c", "d"]


async def test_a_read_begins_at_the_first_batch_at_or_behind_the_offset(log: Log) -> None:
    first, second = await append(log, "a"), await append(log, "b")
    (found, *_) = await log.read(first.end, max_messages=1)
    assert found == second
    assert await log.read(second.end, max_messages=1) == []


async def test_messages_are_counted_from_an_offset_on(log: Log) -> None:
    first = await append(log, "a", "b", "c")
    second = await append(log, "d", "e")
    offsets = (first.offset, first.offset + 1, first.end, second.offset, second.offset + 1, second.end, log.end)
    assert [log.messages_from(offset) for offset in offsets] == [5, 4, 2, 2, 1, 0, 0]


async def test_a_reader_that_waits_is_woken_by_an_append(log: Log) -> None:
    log.changed.clear()
    waiting = asyncio.create_task(log.changed.wait())
    await append(log, "a")
    async with asyncio.timeout(10):
        await waiting
    assert await read_all(log) == ["a"]


async def test_a_checkpoint_is_loaded_as_it_was_made(log: Log) -> None:
    await log.load(0)
    batch = await append(log, "a", "b", "c")
    await log.checkpoint(0, batch.offset + 1, {"van-1": b"one", "/minute": b"7"})
    await log.checkpoint(0, batch.offset + 2, {"van-1": b"two"})
    checkpoint = await log.load(0)
    assert checkpoint.offset == batch.offset + 2
    assert dict(checkpoint.states) == {"van-1": b"two", "/minute": b"7"}
    assert await read_all(log, checkpoint.offset) == ["c"]


async def test_each_shard_has_a_checkpoint_of_its_own(log: Log) -> None:
    for shard in (0, 1):
        await log.load(shard)
    first, second = await append(log, "a"), await append(log, "b")
    await log.checkpoint(0, second.end, {"van-1": b"zero", "/minute": b"9"})
    await log.checkpoint(1, first.end, {"van-2": b"one", "/minute": b"3"})
    zero, one = await log.load(0), await log.load(1)
    assert (zero.offset, dict(zero.states)) == (second.end, {"van-1": b"zero", "/minute": b"9"})
    assert (one.offset, dict(one.states)) == (first.end, {"van-2": b"one", "/minute": b"3"})


async def test_what_a_shard_still_needs_is_not_trimmed(log: Log) -> None:
    for shard in (0, 1):
        await log.load(shard)
    first, second = await append(log, "a"), await append(log, "b")
    await log.checkpoint(0, second.end, {})
    assert await read_all(log, (await log.load(1)).offset) == ["a", "b"]
    log.room_made.clear()
    await log.checkpoint(1, first.end, {})
    assert log.room_made.is_set()
    assert await read_all(log, (await log.load(1)).offset) == ["b"]


async def test_appends_go_on_behind_a_checkpoint_of_everything(log: Log) -> None:
    batch = await append(log, "a")
    await log.checkpoint(0, batch.end, {})
    assert await read_all(log, batch.end) == []
    following = await append(log, "b")
    assert following.offset >= batch.end
    assert await read_all(log, (await log.load(0)).offset) == ["b"]


async def test_nothing_that_was_added_twice_counts_twice(log: Log) -> None:
    letter = DeadLetter(offset=0, reason="schema", topic="t", payload=b"p", received_ms=1, detail="d")
    refusal = StoreRefusal(key=7, measurement="battery", line=b"line", newest_ms=1, detail="d")
    for _ in range(2):
        await log.add_dead_letters([letter])
        await log.add_refusals([refusal])
    assert log.status.dead_letters == 2


async def test_the_work_on_messages_is_noted(log: Log) -> None:
    attempts = log.attempts(0, 0)
    assert (attempts.limit(0, 64), attempts.is_aside(0)) == (64, False)
    attempts.begin(0, 64)
    attempts.end()
    attempts.close()
