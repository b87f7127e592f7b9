"""A note of the messages that are being worked on: one at which the process has ended three times is set aside.

A message may end the whole process: by a fault in a library, by the memory it takes, or by a hang that the watchdog
ends. Without the note it would do so again after every restart. The note is a small file beside the journal, written
through a memory map and without a sync, because it has to survive the process only and not the machine.
"""

import mmap
import os
import struct
from pathlib import Path
from struct import Struct
from typing import Final

import msgspec

from agent.journal.file import beside
from agent.log import ENDS

MAX_ASIDE: Final = 1000

_HOT: Final = Struct("<qq")
_SIZE: Final = Struct("<q")
_PAST_AT: Final = _HOT.size + _SIZE.size
_IDLE: Final = (-1, -1)
_FILE_BYTES: Final = 1 << 15


class _Past(msgspec.Struct, array_like=True):
    """What earlier runs of the process have left."""

    start: int = 0
    stop: int = 0
    """The messages from `start` on, before `stop`, were worked on when the process last ended."""
    ends: int = 0
    """How often in succession the process has ended there."""
    aside: list[int] = []
    """Messages that are not to be worked on any more."""


def open_attempts(journal: Path, shard: int, *, checkpoint_offset: int) -> "FileAttempts":
    """The note of a shard, in a file beside the journal. Raises OSError where it cannot be written."""
    return FileAttempts(beside(journal, f"attempt-{shard}" if shard else "attempt"), checkpoint_offset)


class FileAttempts:
    """`agent.log.Attempts` in a file."""

    def __init__(self, path: Path, checkpoint_offset: int) -> None:
        self._past = _learn(path, checkpoint_offset)
        content = msgspec.msgpack.encode(self._past)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            head = _HOT.pack(*_IDLE) + _SIZE.pack(len(content))
            os.pwrite(fd, (head + content).ljust(_FILE_BYTES, b"\0"), 0)
            self._map = mmap.mmap(fd, _FILE_BYTES)
        finally:
            os.close(fd)

    def begin(self, start: int, stop: int) -> None:
        """The messages from `start` on, before `stop`, are worked on now."""
        _HOT.pack_into(self._map, 0, start, stop)

    def end(self) -> None:
        """Nothing is worked on."""
        _HOT.pack_into(self._map, 0, *_IDLE)

    def limit(self, start: int, stop: int) -> int:
        """Where to stop at the latest: a suspect is worked on alone."""
        past = self._past
        if start < past.stop and stop > past.start:
            stop = max(start + 1, min(stop, past.start))
        if past.aside:
            after = [offset for offset in past.aside if start < offset < stop]
            stop = start + 1 if start in past.aside else min([stop, *after])
        return stop

    def is_aside(self, offset: int) -> bool:
        """Whether the message is not to be worked on."""
        return offset in self._past.aside

    def close(self) -> None:
        """Release the file."""
        self._map.close()


def _learn(path: Path, checkpoint_offset: int) -> _Past:
    """What the file says, with the end of the last process added. Messages before the checkpoint are done."""
    try:
        content = path.read_bytes()
        start, stop = _HOT.unpack_from(content)
        (size,) = _SIZE.unpack_from(content, _HOT.size)
        past = msgspec.msgpack.decode(content[_PAST_AT : _PAST_AT + size], type=_Past)
    except (OSError, struct.error, msgspec.MsgspecError):
        return _Past()  # none yet, or one that was cut off
    aside = [offset for offset in past.aside if offset >= checkpoint_offset]
    if (start, stop) == _IDLE or stop <= checkpoint_offset:
        kept = past.stop > checkpoint_offset
        return _Past(past.start, past.stop, past.ends, aside) if kept else _Past(aside=aside)
    ends = past.ends + 1 if past.start <= start and stop <= past.stop else 1
    if ends >= ENDS and stop == start + 1:
        return _Past(aside=[*aside, start][-MAX_ASIDE:])
    return _Past(start, stop, ends, aside)
