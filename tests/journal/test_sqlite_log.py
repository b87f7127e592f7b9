"""What makes room or must not be lost waits for room; what is new is refused at once."""

import asyncio
import logging
from collections import deque
from pathlib import Path

import pytest

from agent.errors import LogBroken, LogFull
from agent.journal import Journal, SqliteLog
from agent.journal import sqlite_log as module
from agent.log import DeadLetter
from agent.messages import Message

LETTER = DeadLetter(offset=0, reason="schema", topic="t", payload=b"p", received_ms=1, detail="d")


class ReluctantJournal(Journal):
    """Fails with what a test has prepared, then works."""

    failures: deque[Exception]

    def _fail(self) -> None:
        if getattr(self, "failures", None):
            raise self.failures.popleft()

    def add_dead_letters(self, letters: object) -> None:
        self._fail()
        super().add_dead_letters(letters)

    def checkpoint(self, *given: object) -> bool:
        self._fail()
        return super().checkpoint(*given)

    def append(self, messages: object, **rest: object) -> object:
        self._fail()
        return super().append(messages, **rest)


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReluctantJournal:
    monkeypatch.setattr(module, "ROOM_RETRY_S", 0.0)
    made = ReluctantJournal.open(tmp_path / "journal.db", max_bytes=1 << 20, reserve_bytes=0)
    made.failures = deque()
    return made


async def test_a_checkpoint_and_a_dead_letter_wait_for_room(
    journal: ReluctantJournal, caplog: pytest.LogCaptureFixture
) -> None:
    log = SqliteLog(journal)
    journal.failures.extend([LogFull("disk full")] * 3)
    with caplog.at_level(logging.INFO):
        await log.add_dead_letters([LETTER])
        journal.failures.extend([LogFull("disk full")] * 2)
        await log.checkpoint(0, 5, {"van": b"s"})
    assert (journal.status.dead_letters, journal.status.checkpoint_offset) == (1, 5)
    assert not log.status.out_of_room
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"] * 2
    await log.close()


async def test_a_broken_disk_is_not_tried_again(journal: ReluctantJournal) -> None:
    log = SqliteLog(journal)
    journal.failures.append(LogBroken("I/O error"))
    with pytest.raises(LogBroken):
        await log.checkpoint(0, 0, {})
    await log.close()


async def test_an_append_is_refused_at_once(journal: ReluctantJournal) -> None:
    log = SqliteLog(journal)
    journal.failures.append(LogFull("disk full"))
    with pytest.raises(LogFull):
        await log.append([Message("t", b"p")], received_ms=1, listening_since_ms=1)
    batch = await log.append([Message("t", b"p")], received_ms=1, listening_since_ms=1)
    assert await log.read(0, max_messages=10) == [batch]
    await log.close()


async def test_calls_are_carried_out_in_order_also_when_nobody_waits(journal: ReluctantJournal) -> None:
    log = SqliteLog(journal)
    first = asyncio.create_task(log.append([Message("t", b"1")], received_ms=1, listening_since_ms=1))
    second = asyncio.create_task(log.append([Message("t", b"2")], received_ms=1, listening_since_ms=1))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).offset == 1
    with pytest.raises(asyncio.CancelledError):
        await first
    batches = await log.read(0, max_messages=10)
    assert [message.payload for batch in batches for message in batch.messages] == [b"1", b"2"]
    await log.close()


async def test_no_letters_cost_nothing(journal: ReluctantJournal) -> None:
    log = SqliteLog(journal)
    journal.failures.append(LogBroken("would be raised by any call"))
    await log.add_dead_letters([])
    journal.failures.clear()
    await log.close()
