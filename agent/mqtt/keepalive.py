"""Keep-alive: pings in time, and notices when the broker has fallen silent."""

import asyncio
from collections.abc import Callable
from typing import Final

PING_AT: Final = 0.75
ANSWER_WITHIN: Final = 0.5
GRACE: Final = 0.1
"""As parts of the keep-alive time: a dead connection is noticed within 1.35 of it; the broker gives us up at 1.5."""


class KeepAlive:
    """Calls `ping` regularly and `on_silence` once when nothing at all came for too long after one.

    Whoever reads the socket sets `heard = True`. While reading is paused silence proves nothing: pings go on, the watch
    does not.
    """

    def __init__(self, keepalive_s: float, *, ping: Callable[[], None], on_silence: Callable[[str], None]) -> None:
        self.heard = False
        self._keepalive_s = keepalive_s
        self._ping = ping
        self._on_silence = on_silence
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._beat_timer: asyncio.TimerHandle | None = None
        self._watch_timer: asyncio.TimerHandle | None = None

    def start(self, *, paused: bool) -> None:
        """Begin; a keep-alive of 0 means none."""
        self._paused = paused
        if self._keepalive_s:
            self._beat_timer = self._loop.call_later(PING_AT * self._keepalive_s, self._beat)

    def pause(self) -> None:
        """Reading has stopped."""
        self._paused = True
        self._unwatch()

    def resume(self) -> None:
        """Reading goes on: the answers to earlier pings have to come now."""
        self._paused = False
        if self._beat_timer is not None:
            self._watch()

    def stop(self) -> None:
        """No more pings, no more watch."""
        self._unwatch()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
            self._beat_timer = None

    def _beat(self) -> None:
        self._beat_timer = self._loop.call_later(PING_AT * self._keepalive_s, self._beat)
        self._ping()
        if not self._paused:
            self._watch()

    def _watch(self) -> None:
        self._unwatch()
        self.heard = False
        self._watch_timer = self._loop.call_later(ANSWER_WITHIN * self._keepalive_s, self._check)

    def _unwatch(self) -> None:
        if self._watch_timer is not None:
            self._watch_timer.cancel()
            self._watch_timer = None

    def _check(self) -> None:
        """After a long hold-up of this process, let the waiting bytes be read before they are missed."""
        if not self.heard:
            self._watch_timer = self._loop.call_later(GRACE * self._keepalive_s, self._give_up)

    def _give_up(self) -> None:
        if not self.heard:
            self._on_silence(
                f"the broker did not answer a ping within {self._keepalive_s * (ANSWER_WITHIN + GRACE):g} s"
            )
