"""Keep-alive: sends pings, and notices when the broker no longer answers."""

import asyncio
from collections.abc import Callable
from typing import Final

PING_AT: Final = 0.75
ANSWER_WITHIN: Final = 0.5
GRACE: Final = 0.1
"""All three as parts of the keep-alive time. A dead connection is noticed within 1.35 of it; the broker drops us at 1.5
of it."""


class KeepAlive:
    """Calls `ping` regularly, and `on_silence` once when nothing at all was read for too long after a ping.

    The owner sets `heard = True` whenever it has read something. While reading is paused, pings go on but answers are
    not awaited, because they may wait in the socket.
    """

    def __init__(self, keepalive_s: float, *, ping: Callable[[], None], on_silence: Callable[[str], None]) -> None:
        self.heard = False
        self._keepalive_s = keepalive_s
        self._ping = ping
        self._on_silence = on_silence
        self._paused = False
        self._loop = asyncio.get_running_loop()
        self._ping_timer: asyncio.TimerHandle | None = None
        self._answer_timer: asyncio.TimerHandle | None = None

    def start(self, *, paused: bool) -> None:
        """Begin; a keep-alive of 0 means no pings."""
        self._paused = paused
        if self._keepalive_s:
            self._ping_timer = self._loop.call_later(PING_AT * self._keepalive_s, self._on_ping_due)

    def pause(self) -> None:
        """Reading has stopped: await no answer."""
        self._paused = True
        self._cancel_answer_timer()

    def resume(self) -> None:
        """Reading goes on: the answers to earlier pings have to come now."""
        self._paused = False
        if self._ping_timer is not None:
            self._await_answer()

    def stop(self) -> None:
        """Send no more pings, await no answer."""
        self._cancel_answer_timer()
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None

    def _on_ping_due(self) -> None:
        self._ping_timer = self._loop.call_later(PING_AT * self._keepalive_s, self._on_ping_due)
        self._ping()
        if not self._paused:
            self._await_answer()

    def _await_answer(self) -> None:
        self._cancel_answer_timer()
        self.heard = False
        self._answer_timer = self._loop.call_later(ANSWER_WITHIN * self._keepalive_s, self._on_answer_due)

    def _cancel_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _on_answer_due(self) -> None:
        """Wait a little longer: if this process was held up, the answer may be in the socket, not read yet."""
        if not self.heard:
            self._answer_timer = self._loop.call_later(GRACE * self._keepalive_s, self._on_grace_over)

    def _on_grace_over(self) -> None:
        if not self.heard:
            self._on_silence(
                f"the broker did not answer a ping within {self._keepalive_s * (ANSWER_WITHIN + GRACE):g} s"
            )
