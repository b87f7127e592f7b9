"""The journal's file: how it is created, recognised and locked, and what the errors of SQLite mean."""

import fcntl
import os
import sqlite3
from pathlib import Path
from typing import Final

from agent.errors import LogBroken, LogCorrupt, LogError, LogFull, SettingsError
from agent.journal import schema

APPLICATION_ID: Final = 0x7670_6A6C
"""`vpjl`: says that a SQLite file is a journal of this program."""
PAGE_BYTES: Final = 4096

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_SHMMAP})
"""There is no room. The shared-memory index does not have to survive, so a failure to grow it loses nothing."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


def translate(path: Path, error: sqlite3.Error) -> LogError:
    """What an SQLite error means for the caller."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code in _FULL:
        return LogFull(f"no room for the journal {path}: {error}")
    if code & 0xFF in _DAMAGED:
        return LogCorrupt(f"the journal {path} is damaged: {error}; {HOW_TO_SALVAGE}")
    name = getattr(error, "sqlite_errorname", "?")
    return LogBroken(f"the journal {path} cannot be written: {error} ({name})")


HOW_TO_SALVAGE: Final = (
    "keep the file, then `vanpulse salvage DAMAGED NEW` copies every batch, van state and dead letter that can be read"
)


class Lock:
    """One writer per journal, also across processes: an advisory lock on a file beside it."""

    def __init__(self, path: Path) -> None:
        lock_path = beside(path, "lock")
        try:
            self._fd: int | None = os.open(lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"journal.path = {str(path)!r}: {error.strerror}") from error
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._fd)
            raise JournalInUse(
                f"the journal {path} is in use by another process: one agent per journal.path"
            ) from error

    def release(self) -> None:
        """Let others in; may be called twice."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class JournalInUse(LogError):
    """Another process has the journal open for writing."""


def beside(path: Path, suffix: str) -> Path:
    """The path of a file that belongs to the journal, named as SQLite names its own."""
    return path.with_name(f"{path.name}-{suffix}")


def create(path: Path) -> None:
    """Create an empty journal. It gets its name when it is complete, so a crash leaves no incomplete journal."""
    if beside(path, "wal").exists():
        raise LogCorrupt(f"{beside(path, 'wal')} is there but {path} is not: bring it back, or move the -wal file away")
    unfinished = beside(path, "new")
    for leftover in (unfinished, beside(unfinished, "wal"), beside(unfinished, "shm")):
        leftover.unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(unfinished, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size = {PAGE_BYTES}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(schema.TABLES)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {schema.VERSION}")
    except sqlite3.Error as error:
        raise translate(path, error) from error
    finally:
        connection.close()
    with unfinished.open("rb") as file:
        os.fsync(file.fileno())
    unfinished.rename(path)
    _sync_directory(path.parent)


def _sync_directory(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open a journal that exists; refuse what is damaged, foreign or newer."""
    if not path.exists():
        raise LogCorrupt(f"there is no journal at {path}")
    if path.stat().st_size == 0:
        raise LogCorrupt(f"the journal {path} is empty: it was cut off, nothing in it can be saved; move it away")
    mode = "ro" if read_only else "rw"
    connection: sqlite3.Connection | None = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=1.0,
        )
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if application_id != APPLICATION_ID:
            raise LogCorrupt(f"{path} is an SQLite file of another program; choose another journal.path")
        if version > schema.VERSION:
            raise LogCorrupt(
                f"the journal {path} was written by a newer version (format {version}, known is {schema.VERSION}); "
                "install that version again, or let it drain the journal first"
            )
        _check_tables(path, connection)
    except sqlite3.Error as error:
        if connection is not None:
            connection.close()
        raise translate(path, error) from error
    except LogError:
        if connection is not None:
            connection.close()
        raise
    return connection


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    """Read the keys of every table, so that a truncated or overwritten file is found now and not hours later."""
    present = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")}
    missing = schema.tables(connection) - present
    if missing:
        raise LogCorrupt(f"the journal {path} lacks the tables {sorted(missing)}; {HOW_TO_SALVAGE}")
    for table in ("batches", "dead_letters"):
        connection.execute(f"SELECT count(*), max(received_ms) FROM {table}").fetchone()  # noqa: S608


def prepare(connection: sqlite3.Connection, limit_bytes: int) -> int:
    """Make the settings that SQLite does not keep in the file; returns the bytes of a page."""
    for pragma in (
        "synchronous = FULL",
        "wal_autocheckpoint = 0",
        "secure_delete = OFF",
        "cache_size = -2048",
        f"journal_size_limit = {64 << 20}",
    ):
        connection.execute(f"PRAGMA {pragma}")
    page_bytes: int = connection.execute("PRAGMA page_size").fetchone()[0]
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    # A backstop for our own count, with room for the states. A file that is already larger stays usable.
    connection.execute(f"PRAGMA max_page_count = {max(2 * limit_bytes // page_bytes, pages + 1024)}")
    return page_bytes
