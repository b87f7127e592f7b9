"""The journal: one SQLite file with batches, checkpoints, dead letters and store refusals.

All calls come from one thread; `agent.journal.sqlite_log` is its asynchronous face. The status may be read from any.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self

from agent.errors import LogFull, Reason, SettingsError
from agent.journal import batches, bulk, dead_letters, file, requests, schema
from agent.journal.batch_table import BatchTable, in_batches, row_of
from agent.journal.checkpoints import CheckpointTable
from agent.journal.dead_letters import DeadLetterTable
from agent.journal.losses import Loss
from agent.journal.status import JournalStatus
from agent.journal.transactions import Transactions
from agent.log import DeadLetter, Key, StoreRefusal
from agent.messages import Batch, Message, MessageKind

WhenFull = Literal["pause", "drop_oldest"]

MIN_BYTES: Final = 1 << 20
_APPENDED_AT_ONCE: Final = 256
"""Messages to a batch where many are appended together."""
_REQUESTS_EVERY_S: Final = 1.0
_LETTER_BYTES: Final = 1 << 20
"""Dead letters of so many bytes go into one transaction, whatever arrives at once."""


class Journal:
    """One SQLite file; see `open` for its making and `agent.errors` for what it raises."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        lock: file.Lock,
        *,
        max_bytes: int,
        when_full: WhenFull,
        reserve_bytes: int,
        dead_letter_bytes: int,
    ) -> None:
        self.path = path
        self.status = JournalStatus(max_bytes=max_bytes)
        self._connection = connection
        self._lock = lock
        self._when_full: WhenFull = when_full
        self._execute = connection.execute
        self._requests_at_s = 0.0
        self._page_bytes = file.prepare(connection, max_bytes + reserve_bytes + dead_letter_bytes)
        self._batches = BatchTable(connection, self._page_bytes)
        self._letters = DeadLetterTable(connection, dead_letter_bytes)
        self._checkpoints = CheckpointTable(path, connection)
        self._transactions = Transactions(
            path, connection, reserve_bytes=reserve_bytes, on_rollback=self._letters.rolled_back
        )
        self._reserve = self._transactions.reserve
        self._recount()

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        max_bytes: int,
        when_full: WhenFull = "pause",
        reserve_bytes: int = 64 << 20,
        dead_letter_bytes: int = 64 << 20,
    ) -> Self:
        """Open the journal, or make it when there is none.

        `max_bytes` bounds what the file holds; `reserve_bytes` of disk are kept back beside it, and dead letters take
        at most `dead_letter_bytes`. Raises `LogCorrupt` for a damaged, foreign or newer file, which is left as it
        is; `JournalInUse` when another process has it; `LogFull` when there is no room to make it.
        """
        if max_bytes < MIN_BYTES:
            raise SettingsError(f"journal.max_bytes = {max_bytes}: at least {MIN_BYTES} are needed")
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"journal.path = {str(path)!r}: {error.strerror}") from error
        lock = file.Lock(path)
        connection: sqlite3.Connection | None = None
        try:
            if not path.exists():
                file.create(path)
            connection = file.connect(path)
            schema.upgrade(connection)
            return cls(
                path,
                connection,
                lock,
                max_bytes=max_bytes,
                when_full=when_full,
                reserve_bytes=min(reserve_bytes, max_bytes // 4),
                dead_letter_bytes=min(dead_letter_bytes, max_bytes // 4),
            )
        except BaseException as error:
            if connection is not None:
                connection.close()
            lock.release()
            if isinstance(error, sqlite3.Error):
                raise file.translate(path, error) from error
            raise

    def _recount(self) -> None:
        """Bring the running numbers in line with the file."""
        status = self.status
        status.checkpoint_offset = self._checkpoints.lowest()
        status.next_offset = max(status.checkpoint_offset, self._batches.end())
        self._recount_used()

    def _recount_used(self) -> None:
        status = self.status
        pages = self._execute("PRAGMA page_count").fetchone()[0]
        free = self._execute("PRAGMA freelist_count").fetchone()[0]
        status.bytes_used = (pages - free) * self._page_bytes
        status.oldest_received_ms = self._batches.oldest_received_ms()
        status.dead_letters = self._letters.number
        status.dead_letter_bytes = self._letters.bytes
        status.dead_letters_evicted = self._letters.evicted
        status.reserve_bytes = self._reserve.held_bytes

    # -- appending

    def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages as one batch; on return they survive a crash and a power cut.

        Raises `LogFull` (nothing of it is written, later appends may succeed) or `LogBroken` (end the process).
        """
        status = self.status
        batch = Batch(status.next_offset, received_ms, listening_since_ms, list(messages))
        row = row_of(batch)
        pages = self._batches.pages(len(row[5]))
        started_s = time.perf_counter()
        self._transactions.move_grown_wal(factor=2)
        try:
            if not self._reserve.is_whole:
                self._need_reserve()
            self._insert(row, pages)
        except (sqlite3.Error, LogFull) as error:
            self._transactions.roll_back()
            problem = file.translate(self.path, error) if isinstance(error, sqlite3.Error) else error
            if isinstance(problem, LogFull):
                self._note_full()
            raise problem from (None if problem is error else error)
        status.full_since_s = None
        status.next_offset = batch.end
        status.appended_messages += len(messages)
        if status.oldest_received_ms is None:
            status.oldest_received_ms = received_ms
        self._transactions.note_written(pages + 2)
        status.commits += 1
        status.commit_seconds += time.perf_counter() - started_s
        return batch

    def _need_reserve(self) -> None:
        """Nothing is taken in without the means to get rid of it again."""
        self._reserve.restore()
        self.status.reserve_bytes = self._reserve.held_bytes
        if not self._reserve.is_whole:
            raise LogFull(f"the disk of the journal {self.path} is full: its reserve cannot be held back any more")

    def _note_full(self) -> None:
        if self.status.full_since_s is None:
            self.status.full_since_s = time.monotonic()
        # An emptied WAL is written over from its beginning, so that a full disk need not grow it.
        self._transactions.move_wal()

    def _insert(self, row: batches.BatchRow, pages: int) -> None:
        status = self.status
        excess = status.bytes_used + pages * self._page_bytes - status.max_bytes
        if excess <= 0:
            self._batches.insert(row)
            status.bytes_used += pages * self._page_bytes
        elif self._when_full == "drop_oldest":
            self._execute("BEGIN IMMEDIATE")
            dropped = self._batches.drop_oldest(excess, max_bytes=status.max_bytes, confirmed=status.checkpoint_offset)
            self._batches.insert(row)
            self._execute("COMMIT")
            status.dropped_messages += dropped
            self._recount_used()
        else:
            raise LogFull(f"the journal {self.path} holds its limit of {status.max_bytes} bytes")

    def append_past(self, arrivals: Iterable[bulk.Arrival]) -> None:
        """Commit batches of the past in one transaction: all of them or, when anything is raised, none.

        Raises `LogFull` before the limit is reached, whatever `when_full` says: nothing is dropped for a past.
        """
        try:
            self._execute("BEGIN IMMEDIATE")
            start, limit = self.status.next_offset, self.status.max_bytes
            end = bulk.insert(self._connection, arrivals, offset=start, max_bytes=limit)
            self._execute("COMMIT")
        except sqlite3.Error as error:
            self._transactions.roll_back()
            raise file.translate(self.path, error) from error
        except BaseException:
            self._transactions.roll_back()
            raise
        self.status.next_offset = end
        self.status.appended_messages += end - start
        self._recount_used()

    def append_corrections(self, corrections: Iterable[tuple[int, bytes]]) -> list[Batch]:
        """Journal corrections by hand, each as a batch of its own; raises as `append` does."""
        return [
            self.append(
                [Message("", payload, qos=0, kind=MessageKind.CORRECTION)],
                received_ms=made_ms,
                listening_since_ms=made_ms,
            )
            for made_ms, payload in corrections
        ]

    def last_arrival_ms(self, minute_key: str) -> int | None:
        """See `bulk.last_arrival_ms`."""
        return bulk.last_arrival_ms(self._connection, minute_key)

    # -- reading

    def read(self, offset: int, *, max_messages: int) -> list[Batch]:
        """The batches from this offset on, the first cut to start there, until they hold `max_messages` or more.

        Rows that are not what was written are skipped, counted, and kept as dead letters.
        """
        try:
            found, damaged = self._batches.read(offset, max_messages=max_messages)
        except sqlite3.Error as error:
            raise file.translate(self.path, error) from error
        if damaged:
            self._keep_damaged(damaged)
        return found

    def _keep_damaged(self, rows: list[batches.BatchRow]) -> None:
        self.status.corrupt_batches += len(rows)
        try:
            self.add_dead_letters([dead_letters.of_damaged(row) for row in rows])
        except LogFull:
            return  # counted; the row itself stays until the checkpoint passes it

    # -- checkpoints

    def load(self, shard: int) -> tuple[int, Iterator[list[tuple[str, bytes]]]]:
        """The offset of the shard's checkpoint, and the states as of it, in pages: to be read before the next one.

        From now on messages are kept until this shard, too, has passed them. Raises `LogCorrupt`.
        """
        if not self._checkpoints.is_known(shard):
            self._transact(lambda: self._checkpoints.save(shard, 0, {}))
            self.status.checkpoint_offset = self._checkpoints.lowest()
        return self._checkpoints.offset(shard), self._checkpoints.pages(shard)

    def checkpoint(self, shard: int, offset: int, states: Mapping[str, bytes]) -> bool:
        """In one transaction: the changed states, the offset; batches that no shard needs are deleted.

        `offset` is what the store has confirmed, `states` are as of it. Returns whether batches were deleted. Works
        with a full disk, from the reserve. Raises `LogFull` (nothing changed) when even that is used up,
        `LogBroken` as `append` does.
        """
        deleted = 0

        def work() -> None:
            nonlocal deleted
            self._checkpoints.save(shard, offset, states)
            deleted = self._batches.delete_before(self._checkpoints.lowest())

        self._transact(work)
        status = self.status
        status.checkpoint_offset = self._checkpoints.lowest()
        status.next_offset = max(status.next_offset, offset)
        self._transactions.note_written(sum(map(len, states.values())) // self._page_bytes + 8)
        self._transactions.take_back_reserve()
        self._recount_used()
        return deleted > 0

    # -- dead letters

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters; adding one again changes nothing, so processing its message again does no harm."""
        self._add(letters)

    def add_refusals(self, refusals: Sequence[StoreRefusal]) -> None:
        """Keep what the store refused; adding a line again changes nothing."""
        self._add(refusals)

    def _add(self, items: Sequence[DeadLetter | StoreRefusal]) -> None:
        for part in dead_letters.in_parts(items, _LETTER_BYTES):
            self._transact(lambda part=part: self._letters.add(part))  # type: ignore[misc]
            self._transactions.note_written(sum(item.size for item in part) // self._page_bytes + 2 * len(part))
            self._transactions.move_grown_wal(factor=2)
        self._recount_used()

    def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were refused because the journal fills up, by sender."""
        losses = {sender: Loss(messages=number) for sender, number in messages.items()}
        self.status.refused_messages += sum(messages.values())
        self._transact(lambda: self._letters.count(losses))

    def dead_letters(self, reason: Reason | None = None) -> Iterator[DeadLetter]:
        """The letters in the order they were added."""
        return dead_letters.select(self._connection, reason=reason)

    def refusals(self) -> Iterator[StoreRefusal]:
        """What the store refused, in the order it was added."""
        return (refusal for _, refusal in dead_letters.numbered_refusals(self._connection))

    def remove_refusals(self, keys: Sequence[int]) -> None:
        """Forget store refusals, by their keys."""
        self._transact(lambda: self._letters.remove((), keys))
        self._recount_used()

    def replay_dead_letters(self, keys: Iterable[Key], *, now_ms: int | None = None) -> list[Batch]:
        """Move letters back into the journal as new messages, in one transaction: never lost, never there twice.

        Each keeps its arrival time and says when it was replayed (`now_ms`; None: now), so that it is judged as it
        would have been then, by today's rules, and not by a clock of ours that was wrong then. Only letters
        below the checkpoint can be moved, since those above it would be made again by a replay; and only those that
        are whole messages. Returns the batches that this appended.
        """
        limit = self.status.checkpoint_offset
        letters = [
            letter
            for letter in dead_letters.by_key(self._connection, list(keys))
            if requests.can_be_replayed(letter.reason) and letter.offset < limit
        ]
        replayed_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        appended = requests.as_batches(letters, self.status.next_offset, replayed_ms=replayed_ms)
        return self._append_all(appended, [letter.key for letter in letters])

    def append_all(self, messages: list[Message], *, received_ms: int) -> list[Batch]:
        """Append any number of messages in one transaction: all or none. Returns the batches that this made."""
        made = in_batches(messages, self.status.next_offset, received_ms=received_ms, size=_APPENDED_AT_ONCE)
        return self._append_all(made, [])

    def _append_all(self, appended: list[Batch], letters: list[Key]) -> list[Batch]:
        """Append batches and remove letters, in one transaction."""
        if not appended:
            return []

        def work() -> None:
            for batch in appended:
                self._batches.insert(row_of(batch))
            self._letters.remove(letters, ())

        self._transact(work)
        self.status.next_offset = appended[-1].end
        self.status.appended_messages += sum(len(batch.messages) for batch in appended)
        self._recount_used()
        return appended

    # -- upkeep

    def tidy(self) -> list[Batch]:
        """What is done between batches, after the acknowledgements: call it often, it mostly returns at once.

        Moves a grown WAL into the file, and does what a command has asked for; returns the batches that this appended,
        which are to be processed like any other.
        """
        self._transactions.move_grown_wal()
        now_s = time.monotonic()
        if now_s < self._requests_at_s:
            return []
        self._requests_at_s = now_s + _REQUESTS_EVERY_S
        request = requests.take(self.path)
        if request is None:
            return []
        appended: list[Batch] = []
        try:
            appended += self.replay_dead_letters(request.replay)
            self.remove_refusals(request.remove_refusals)
            for correction in request.corrections:
                appended += self.append_corrections([correction])
            appended += self.append_all(request.append, received_ms=time.time_ns() // 1_000_000)
        except LogFull:
            return appended  # the request stays, and is carried out again; what is committed is to be processed
        requests.done(self.path)
        return appended

    def _transact(self, work: Callable[[], None]) -> None:
        self._transactions.run(work)
        self._letters.changed = False

    def close(self) -> None:
        """Move the WAL into the file, close it and let others in."""
        try:
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # all of it is in the WAL, which the next opening reads
        finally:
            self._connection.close()
            self._lock.release()
