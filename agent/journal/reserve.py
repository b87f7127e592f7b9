"""Disk space that the journal holds back, so that a full disk can still be emptied."""

import errno
import os
from pathlib import Path

from agent.journal.file import beside


def _allocate(fd: int, size_bytes: int) -> None:
    try:
        os.posix_fallocate(fd, 0, size_bytes)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS}:
            raise
        # A file system that cannot promise space without writing to it.
        zeros = bytes(1 << 16)
        for start in range(0, size_bytes, len(zeros)):
            os.pwrite(fd, zeros[: size_bytes - start], start)


class Reserve:
    """A file of its own that is given up when the disk is full: deleting needs room too.

    It has to be larger than the WAL: what is in the WAL may need as much room again in the journal's file.
    """

    def __init__(self, path: Path, size_bytes: int) -> None:
        self._path = beside(path, "reserve")
        self._size_bytes = size_bytes
        self.held_bytes = self._path.stat().st_size if self._path.exists() else 0
        self.restore()

    @property
    def is_whole(self) -> bool:
        """Whether all of the space is held."""
        return self.held_bytes >= self._size_bytes

    def restore(self) -> None:
        """Take the space again, if there is so much."""
        if self.is_whole:
            return
        space = os.statvfs(self._path.parent)
        if space.f_bavail * space.f_frsize < self._size_bytes - self.held_bytes:
            return
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _allocate(fd, self._size_bytes)
            self.held_bytes = self._size_bytes
        except OSError:
            os.ftruncate(fd, 0)
            self.held_bytes = 0
        finally:
            os.close(fd)

    def release(self) -> bool:
        """Give the space back for what has to be written now; False when there is none left."""
        if not self.held_bytes:
            return False
        os.truncate(self._path, 0)
        self.held_bytes = 0
        return True
