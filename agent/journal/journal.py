"""The journal: append, read, checkpoint. All of it from one thread; the counters may be read from any."""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, Self
from zlib import crc32

import msgspec

from agent.errors import JournalCorrupt, JournalFull, Reason, SettingsError
from agent.journal import batches, bulk, dead_letters, file, requests
from agent.journal.counters import JournalCounters
from agent.journal.dead_letters import DeadLetterTable
from agent.journal.losses import Loss
from agent.log import DeadLetter, Key
from agent.messages import Batch, Message, MessageKind

WhenFull = Literal["pause", "drop_oldest"]

MIN_BYTES: Final = 1 << 20
_ROW_BYTES: Final = 80
_DROP_SHARE: Final = 64
"""Dropping frees this fraction of the journal beyond what is needed, so that it is rare."""
_WAL_PAGES: Final = 512
"""The WAL is moved into the file when it has this many pages: often enough that no single move takes long."""
_WAL_SHARE: Final = 8
"""At most this fraction of the reserve, so that there is always room to move it."""
_APPENDED_AT_ONCE: Final = 256
"""Messages to a batch where many are appended together."""
_REQUESTS_EVERY_S: Final = 1.0
_LETTER_BYTES: Final = 1 << 20
"""Dead letters of so many bytes go into one transaction, whatever arrives at once."""
PAGE_VANS: Final = 1000
"""So many van states are read at once."""


class Checkpoint(msgspec.Struct, frozen=True):
    """Where processing stands: everything below `offset` is confirmed, and these are the states as of it.

    `states` gives (vehicle_id, state), read in pages as it goes on: to be consumed before the next checkpoint.
    """

    offset: int
    state_version: int
    fleet_state: bytes | None
    counters: bytes | None
    states: Iterator[tuple[str, bytes]]


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
        self.counters = JournalCounters(max_bytes=max_bytes)
        self._connection = connection
        self._lock = lock
        self._when_full: WhenFull = when_full
        self._execute = connection.execute
        self._wal_pages = 0
        self._requests_at_s = 0.0
        self._prepare(max_bytes + reserve_bytes + dead_letter_bytes)
        self._wal_pages_due = _WAL_PAGES
        if reserve_bytes:
            self._wal_pages_due = min(_WAL_PAGES, reserve_bytes // self._page_bytes // _WAL_SHARE)
        self._reserve = file.Reserve(path, reserve_bytes)
        self._letters = DeadLetterTable(connection, dead_letter_bytes)
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
        at most `dead_letter_bytes`. Raises `JournalCorrupt` for a damaged, foreign or newer file, which is left as it
        is; `JournalInUse` when another process has it; `JournalFull` when there is no room to make it.
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
            file.upgrade(connection)
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

    def _prepare(self, limit_bytes: int) -> None:
        """Settings that SQLite does not keep in the file."""
        for pragma in (
            "synchronous = FULL",
            "wal_autocheckpoint = 0",
            "secure_delete = OFF",
            "cache_size = -2048",
            f"journal_size_limit = {64 << 20}",
        ):
            self._execute(f"PRAGMA {pragma}")
        self._page_bytes: int = self._execute("PRAGMA page_size").fetchone()[0]
        pages = self._execute("PRAGMA page_count").fetchone()[0]
        # A backstop for our own count, with room for van states; a file that is already larger stays usable.
        self._execute(f"PRAGMA max_page_count = {max(2 * limit_bytes // self._page_bytes, pages + 1024)}")

    def _recount(self) -> None:
        """Bring the running numbers in line with the file."""
        counters = self.counters
        counters.checkpoint_offset = self._execute('SELECT "offset" FROM checkpoint').fetchone()[0]
        last = self._execute('SELECT "offset" + count FROM batches ORDER BY "offset" DESC LIMIT 1').fetchone()
        counters.next_offset = max(counters.checkpoint_offset, last[0] if last else 0)
        self._recount_used()

    def _recount_used(self) -> None:
        counters = self.counters
        pages = self._execute("PRAGMA page_count").fetchone()[0]
        free = self._execute("PRAGMA freelist_count").fetchone()[0]
        counters.bytes_used = (pages - free) * self._page_bytes
        oldest = self._execute('SELECT received_ms FROM batches ORDER BY "offset" LIMIT 1').fetchone()
        counters.oldest_received_ms = oldest[0] if oldest else None
        counters.dead_letters = self._letters.number
        counters.dead_letter_bytes = self._letters.bytes
        counters.dead_letters_evicted = self._letters.evicted
        counters.reserve_bytes = self._reserve.held_bytes

    def _pages(self, size: int) -> int:
        return (size + _ROW_BYTES) // (self._page_bytes - 4) + 1

    # -- appending

    def append(self, messages: Sequence[Message], *, received_ms: int, listening_since_ms: int) -> Batch:
        """Commit the messages as one batch; on return they survive a crash and a power cut.

        Raises `JournalFull` (nothing of it is written, later appends may succeed) or `JournalBroken` (end the process).
        """
        counters = self.counters
        blob = batches.pack(messages)
        pages = self._pages(len(blob))
        offset, count = counters.next_offset, len(messages)
        crc = batches.checksum(offset, received_ms, listening_since_ms, count, blob)
        row = (offset, received_ms, listening_since_ms, count, crc, bytearray(blob))
        started_s = time.perf_counter()
        if self._wal_pages > 2 * self._wal_pages_due:
            self._move_wal()
        try:
            if not self._reserve.is_whole:
                self._need_reserve()
            self._insert(row, pages)
        except (sqlite3.Error, JournalFull) as error:
            self._roll_back()
            problem = file.translate(self.path, error) if isinstance(error, sqlite3.Error) else error
            if isinstance(problem, JournalFull):
                self._note_full()
            raise problem from (None if problem is error else error)
        counters.full_since_s = None
        counters.next_offset = offset + count
        counters.appended_messages += count
        if counters.oldest_received_ms is None:
            counters.oldest_received_ms = received_ms
        self._wal_pages += pages + 2
        counters.count_commit(time.perf_counter() - started_s)
        return Batch(offset, received_ms, listening_since_ms, list(messages))

    def _need_reserve(self) -> None:
        """Nothing is taken in without the means to get rid of it again."""
        self._reserve.restore()
        self.counters.reserve_bytes = self._reserve.held_bytes
        if not self._reserve.is_whole:
            raise JournalFull(f"the disk of the journal {self.path} is full: its reserve cannot be held back any more")

    def _note_full(self) -> None:
        if self.counters.full_since_s is None:
            self.counters.full_since_s = time.monotonic()
        # An emptied WAL is written over from its beginning, so that a full disk need not grow it.
        self._move_wal()

    def _insert(self, row: tuple[object, ...], pages: int) -> None:
        counters = self.counters
        if counters.bytes_used + pages * self._page_bytes <= counters.max_bytes:
            self._execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
            counters.bytes_used += pages * self._page_bytes
        elif self._when_full == "drop_oldest":
            self._insert_dropping(row, pages)
        else:
            raise JournalFull(f"the journal {self.path} holds its limit of {counters.max_bytes} bytes")

    def _insert_dropping(self, row: tuple[object, ...], pages: int) -> None:
        """Append after deleting the oldest batches, in one transaction."""
        counters = self.counters
        excess = counters.bytes_used + pages * self._page_bytes - counters.max_bytes + counters.max_bytes // _DROP_SHARE
        victims: int | None = None
        dropped = 0
        self._execute("BEGIN IMMEDIATE")
        for offset, count, size in self._execute(
            'SELECT "offset", count, length(messages) FROM batches ORDER BY "offset"'
        ):
            if excess <= 0:
                break
            excess -= self._pages(size) * self._page_bytes
            victims = offset
            dropped += max(0, offset + count - max(offset, counters.checkpoint_offset))
        if excess > counters.max_bytes // _DROP_SHARE:
            raise JournalFull(f"the journal {self.path} is full and dropping all its batches would not make room")
        self._execute('DELETE FROM batches WHERE "offset" <= ?', (victims,))
        self._execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
        self._execute("COMMIT")
        counters.dropped_messages += dropped
        self._recount_used()

    def append_past(self, arrivals: Iterable[bulk.Arrival]) -> None:
        """Commit batches of the past in one transaction: all of them or, when anything is raised, none.

        Raises `JournalFull` before the limit is reached, whatever `when_full` says: nothing is dropped for a past.
        """
        try:
            self._execute("BEGIN IMMEDIATE")
            start, limit = self.counters.next_offset, self.counters.max_bytes
            end = bulk.insert(self._connection, arrivals, offset=start, max_bytes=limit)
            self._execute("COMMIT")
        except sqlite3.Error as error:
            self._roll_back()
            raise file.translate(self.path, error) from error
        except BaseException:
            self._roll_back()
            raise
        self.counters.next_offset = end
        self.counters.appended_messages += end - start
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
        found: list[Batch] = []
        number = 0
        query = (
            'SELECT "offset", received_ms, listening_since_ms, count, crc32, messages FROM batches '
            'WHERE "offset" >= (SELECT coalesce(max("offset"), 0) FROM batches WHERE "offset" <= ?) ORDER BY "offset"'
        )
        damaged: list[batches.Row] = []
        try:
            for row in self._execute(query, (offset,)):
                batch = batches.unpack(row)
                if batch is None:
                    damaged.append(row)
                elif batch.end > offset:
                    found.append(batches.cut(batch, offset))
                    number += len(found[-1].messages)
                    if number >= max_messages:
                        break
        except sqlite3.Error as error:
            raise file.translate(self.path, error) from error
        if damaged:
            self._keep_damaged(damaged)
        return found

    def _keep_damaged(self, rows: list[batches.Row]) -> None:
        self.counters.corrupt_rows += len(rows)
        try:
            self.add_dead_letters(
                [
                    DeadLetter(
                        offset=row[0],
                        reason="journal_corrupt",
                        topic="",
                        payload=row[5],
                        received_ms=row[1],
                        detail=f"a batch of {row[3]} messages does not match its checksum",
                    )
                    for row in rows
                ]
            )
        except JournalFull:
            return  # counted; the row itself stays until the checkpoint passes it

    # -- checkpoints

    def load(self) -> Checkpoint:
        """Where the last run got to."""
        offset, state_version, fleet_state, counters = self._execute(
            'SELECT "offset", state_version, fleet_state, counters FROM checkpoint'
        ).fetchone()
        return Checkpoint(offset, state_version, fleet_state, counters, self._states())

    def _states(self) -> Iterator[tuple[str, bytes]]:
        query = "SELECT id, vehicle_id, crc32, state FROM vehicle_states WHERE id > ? ORDER BY id LIMIT ?"
        last = 0
        try:
            while page := self._execute(query, (last, PAGE_VANS)).fetchall():
                for number, vehicle_id, crc, state in page:
                    if crc32(state) != crc:
                        raise JournalCorrupt(
                            f"the journal {self.path} is damaged: the state of van {vehicle_id!r} is not what was "
                            f"written; {file.HOW_TO_SALVAGE}"
                        )
                    last = number
                    yield vehicle_id, state
        except sqlite3.Error as error:
            raise file.translate(self.path, error) from error

    def checkpoint(
        self,
        offset: int,
        *,
        states: Mapping[str, bytes],
        fleet_state: bytes | None,
        counters: bytes | None,
        state_version: int = 1,
        letters: Sequence[DeadLetter] = (),
    ) -> None:
        """In one transaction: the changed van states, the dead letters, the offset; consumed batches are deleted.

        `offset` is what the store has confirmed, `states` are as of it. None for `fleet_state` or `counters` leaves
        what is there. Works with a full disk, from the reserve. Raises `JournalFull` (nothing changed) when even that
        is used up, `JournalBroken` as `append` does.
        """

        def work() -> None:
            self._execute(
                'UPDATE checkpoint SET "offset" = ?, state_version = ?, fleet_state = coalesce(?, fleet_state), '
                "counters = coalesce(?, counters)",
                (offset, state_version, fleet_state, counters),
            )
            self._connection.executemany(
                "INSERT INTO vehicle_states (vehicle_id, crc32, state) VALUES (?, ?, ?) "
                "ON CONFLICT (vehicle_id) DO UPDATE SET crc32 = excluded.crc32, state = excluded.state",
                ((vehicle_id, crc32(state), bytearray(state)) for vehicle_id, state in states.items()),
            )
            self._letters.add(letters)
            self._execute('DELETE FROM batches WHERE "offset" < ? AND "offset" + count <= ?', (offset, offset))

        self._transact(work)
        self.counters.checkpoint_offset = offset
        self.counters.next_offset = max(self.counters.next_offset, offset)
        self._wal_pages += sum(map(len, states.values())) // self._page_bytes + 8
        if not self._reserve.is_whole:
            self._take_back_reserve()
        self._recount_used()

    def _take_back_reserve(self) -> None:
        """The room that the WAL takes is the first to come free after a full disk."""
        self._move_wal("TRUNCATE")
        self._reserve.restore()

    # -- dead letters

    def add_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        """Keep the letters; adding one again changes nothing, so a replay of the journal does no harm."""
        for part in dead_letters.in_parts(letters, _LETTER_BYTES):
            self._transact(lambda part=part: self._letters.add(part))  # type: ignore[misc]
            self._wal_pages += sum(letter.size for letter in part) // self._page_bytes + 2 * len(part)
            if self._wal_pages > 2 * self._wal_pages_due:
                self._move_wal()
        self._recount_used()

    def count_losses(self, messages: Mapping[str, int]) -> None:
        """Count messages that were refused because the journal fills up, by sender."""
        losses = {sender: Loss(messages=number) for sender, number in messages.items()}
        self.counters.refused_messages += sum(messages.values())
        self._transact(lambda: self._letters.count(losses))

    def dead_letters(self, reason: Reason | None = None) -> Iterator[DeadLetter]:
        """The letters in the order they were added."""
        return dead_letters.select(self._connection, reason=reason)

    def remove_dead_letters(self, keys: Iterable[Key]) -> int:
        """Forget letters; returns how many of them there were."""
        wanted = list(keys)
        removed = 0

        def work() -> None:
            nonlocal removed
            removed = self._letters.remove(wanted)

        self._transact(work)
        self._recount_used()
        return removed

    def replay_dead_letters(self, keys: Iterable[Key], *, now_ms: int | None = None) -> list[Batch]:
        """Move letters back into the journal as new messages, in one transaction: never lost, never there twice.

        Each keeps its arrival time and says when it was replayed (`now_ms`; None: now), so that it is judged as it
        would have been then, by today's rules, and not by a clock of ours that was wrong then. Only letters
        below the checkpoint can be moved, since those above it would be made again by a replay; and only those that
        are whole messages. Returns the batches that this appended.
        """
        limit = self.counters.checkpoint_offset
        letters = [
            letter
            for letter in dead_letters.select(self._connection, keys=list(keys))
            if requests.can_be_replayed(letter) and letter.offset < limit
        ]
        replayed_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
        appended = requests.as_batches(letters, self.counters.next_offset, replayed_ms=replayed_ms)
        return self._append_all(appended, [letter.key for letter in letters])

    def append_all(self, messages: list[Message], *, received_ms: int) -> list[Batch]:
        """Append any number of messages in one transaction: all or none. Returns the batches that this made."""
        appended = []
        offset = self.counters.next_offset
        for start in range(0, len(messages), _APPENDED_AT_ONCE):
            some = messages[start : start + _APPENDED_AT_ONCE]
            appended.append(Batch(offset, received_ms, received_ms, some))
            offset += len(some)
        return self._append_all(appended, [])

    def _append_all(self, appended: list[Batch], letters: list[Key]) -> list[Batch]:
        """Append batches and remove letters, in one transaction."""
        if not appended:
            return []

        def work() -> None:
            for batch in appended:
                head = (batch.offset, batch.received_ms, batch.listening_since_ms, len(batch.messages))
                blob = batches.pack(batch.messages)
                row = (*head, batches.checksum(*head, blob), blob)
                self._execute("INSERT INTO batches VALUES (?, ?, ?, ?, ?, ?)", row)
            self._letters.remove(letters)

        self._transact(work)
        self.counters.next_offset = appended[-1].end
        self.counters.appended_messages += sum(len(batch.messages) for batch in appended)
        self._recount_used()
        return appended

    # -- upkeep

    def tidy(self) -> list[Batch]:
        """What is done between batches, after the acknowledgements: call it often, it mostly returns at once.

        Moves a grown WAL into the file, and does what a command has asked for; returns the batches that this appended,
        which are to be processed like any other.
        """
        if self._wal_pages >= self._wal_pages_due:
            self._move_wal()
        now_s = time.monotonic()
        if now_s < self._requests_at_s:
            return []
        self._requests_at_s = now_s + _REQUESTS_EVERY_S
        request = requests.take(self.path)
        if request is None:
            return []
        try:
            appended = self.replay_dead_letters(request.replay)
            self.remove_dead_letters(request.remove)
            appended += self.append_corrections(request.corrections)
            appended += self.append_all(request.append, received_ms=time.time_ns() // 1_000_000)
        except JournalFull:
            return []  # stays asked for
        requests.done(self.path)
        return appended

    def _move_wal(self, mode: Literal["PASSIVE", "TRUNCATE"] = "PASSIVE") -> None:
        try:
            _, in_wal, moved = self._execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:
            problem = file.translate(self.path, error)
            if not isinstance(problem, JournalFull):
                raise problem from error
            return  # the WAL keeps it until there is room
        self._wal_pages = in_wal - moved

    def _transact(self, work: Callable[[], None]) -> None:
        """One transaction; when the disk is full, again with an emptied WAL, and again from the reserve."""
        for make_room in (self._move_wal, self._reserve.release, None):
            try:
                self._execute("BEGIN IMMEDIATE")
                work()
                self._execute("COMMIT")
            except sqlite3.Error as error:
                self._roll_back()
                problem = file.translate(self.path, error)
                if make_room is None or not isinstance(problem, JournalFull):
                    raise problem from error
                make_room()
            except BaseException:
                self._roll_back()
                raise
            else:
                self._letters.changed = False
                return

    def _roll_back(self) -> None:
        if self._connection.in_transaction:
            self._execute("ROLLBACK")
        if self._letters.changed:
            self._letters.refresh()

    def close(self) -> None:
        """Move the WAL into the file, close it and let others in."""
        try:
            self._execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error:
            pass  # all of it is in the WAL, which the next opening reads
        finally:
            self._connection.close()
            self._lock.release()
