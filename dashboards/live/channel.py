"""A connection to the store in a separate thread. It is opened when needed, and again after a failure."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar

from agent.errors import VanpulseError
from agent.stores.base import History

T = TypeVar("T")

FAILURES: Final = (VanpulseError, sqlite3.Error, OSError)
"""The errors that an unreachable or missing store raises."""


class Channel:
    """Runs functions of a `History`, one after the other."""

    def __init__(self, open_history: Callable[[], History], name: str) -> None:
        self._open_history = open_history
        self._history: History | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def read(self, function: Callable[[History], T]) -> T:
        """Run `function` in the thread. Any of `FAILURES` closes the connection and is raised."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, function)

    async def close(self) -> None:
        """Release the connection and the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _run(self, function: Callable[[History], T]) -> T:
        try:
            if self._history is None:
                self._history = self._open_history()
            return function(self._history)
        except FAILURES:
            self._close()
            raise

    def _close(self) -> None:
        if self._history is not None:
            with suppress(*FAILURES):
                self._history.close()
            self._history = None


@dataclass(slots=True)
class Sweep:
    """Divides a period into slices, newest first, whose length adapts: each read takes a fraction of a second."""

    end_ms: int
    """Everything from this time on has been read."""
    oldest_ms: int
    slice_ms: int = 120_000

    SLICE_S = 0.15
    LONGEST_MS = 21_600_000
    SHORTEST_MS = 10_000

    @property
    def done(self) -> bool:
        """Nothing is left to read."""
        return self.end_ms <= self.oldest_ms

    def next(self) -> tuple[int, int]:
        """The next slice: start (included) and end (not included)."""
        return max(self.oldest_ms, self.end_ms - self.slice_ms), self.end_ms

    def took(self, start_ms: int, seconds: float) -> None:
        """Note that reading the slice down to `start_ms` took `seconds`."""
        self.end_ms = start_ms
        if seconds < self.SLICE_S / 2:
            self.slice_ms = min(self.LONGEST_MS, self.slice_ms * 2)
        elif seconds > self.SLICE_S * 2:
            self.slice_ms = max(self.SHORTEST_MS, self.slice_ms // 2)


def timed(function: Callable[[History], T]) -> Callable[[History], tuple[T, float]]:
    """`function`, which then also returns how many seconds it took."""

    def run(history: History) -> tuple[T, float]:
        started_s = time.perf_counter()
        result = function(history)
        return result, time.perf_counter() - started_s

    return run
