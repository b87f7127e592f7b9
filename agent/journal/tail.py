"""The newest batches of the journal, kept in memory, so that a reader that keeps up reads no file."""

from collections import deque
from typing import Final

from agent.log import cut
from agent.messages import Batch

TAIL_MESSAGES: Final = 16_384
TAIL_BYTES: Final = 4 * 1024 * 1024
"""What does not fit is read back from the file when its turn comes."""


class Tail:
    """Every batch committed at or behind `start`, in order."""

    def __init__(self, end: int) -> None:
        self.start = self.end = end
        """`end` is the offset behind everything committed."""
        self._batches: deque[tuple[Batch, int]] = deque()
        self._messages = 0
        self._bytes = 0

    def add(self, batch: Batch) -> None:
        """Take a batch that was just committed.

        The journal leaves no gaps. So a batch that does not follow the last one shows that one was not added, because
        whoever appended it was cancelled; all of them are then read from the file.
        """
        if batch.offset != self.end:
            while self._batches:
                self._drop_oldest()
            self.start = batch.offset
        size = sum([len(message.payload) for message in batch.messages])
        self.end = batch.end
        self._batches.append((batch, size))
        self._messages += len(batch.messages)
        self._bytes += size
        while self._batches and (self._messages > TAIL_MESSAGES or self._bytes > TAIL_BYTES):
            self._drop_oldest()

    def take(self, offset: int) -> Batch | None:
        """The first batch at or behind this offset, cut to begin there; None where that is not in memory.

        Batches before the offset are dropped from memory.
        """
        if offset < self.start:
            return None
        while self._batches and self._batches[0][0].end <= offset:
            self._drop_oldest()
        return cut(self._batches[0][0], offset) if self._batches else None

    def _drop_oldest(self) -> None:
        batch, size = self._batches.popleft()
        self.start = batch.end
        self._messages -= len(batch.messages)
        self._bytes -= size
