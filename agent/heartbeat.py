"""What the agent says about itself: the `agent` measurement, the watch for silence, and the sign of life to systemd."""

import logging
import time
from collections.abc import Callable

from agent import systemd
from agent.health import Vitals, memory_bytes
from agent.points import MEASUREMENTS, Row, Series

log = logging.getLogger(__name__)

POINT_EVERY_S = 60.0
SILENCE_S = 300.0
"""Shortest silence that counts as suspicious; a fleet with longer pauses gets ten times its usual gap."""

_SERIES = Series()
_FIELDS = MEASUREMENTS["agent"].field_names


class Heartbeat:
    """Called every few seconds; never raises."""

    def __init__(self, vitals: Vitals, *, write_aside: Callable[[str, Row], None]) -> None:
        self._vitals = vitals
        self._write_aside = write_aside
        self._last_point_s = time.monotonic()
        self._last_messages = 0
        self._usual_gap_s = 0.0
        self._generation = 0

    def beat(self) -> None:
        """One look at everything."""
        self._watch_for_silence()
        stalls = self._vitals.stalls()
        for stall in stalls:
            log.error("stalled: %s", stall)
        if not stalls:
            systemd.notify("WATCHDOG=1")
        if time.monotonic() - self._last_point_s >= POINT_EVERY_S:
            self._write_point()

    def broker_is_new(self) -> bool:
        """Whether the connection to the broker was made since the last call."""
        generation = self._vitals.receiver.subscribed_since_ms
        new = generation not in (0, self._generation)
        self._generation = generation or self._generation
        return new

    def _watch_for_silence(self) -> None:
        """Nothing for ten times the usual gap while connected: a subscription may have gone wrong unseen."""
        intake = self._vitals.intake
        if not intake.last_message_ms:
            return
        gap_s = time.time() - intake.last_message_ms / 1000
        if gap_s < SILENCE_S:
            self._usual_gap_s = max(gap_s, self._usual_gap_s * 0.9)
        silent = self._vitals.receiver.connected and gap_s > max(SILENCE_S, 10 * self._usual_gap_s)
        if silent and not self._vitals.silent:
            log.warning("connected to the broker, but nothing has arrived for %.0f s although it used to", gap_s)
        self._vitals.silent = silent

    def _write_point(self) -> None:
        """Hand the `agent` point to the writer: it goes out with the next unit."""
        now_s = time.monotonic()
        vitals = self._vitals
        messages = vitals.intake.messages
        values = {
            "messages_total": messages,
            "accepted_total": vitals.processor.counters.accepted,
            "duplicates_total": vitals.processor.counters.duplicates,
            "late_total": vitals.processor.counters.late,
            "dead_letters_total": sum(vitals.processor.counters.rejected.values()),
            "points_total": vitals.writer.points,
            "store_retries_total": vitals.writer.retries_unavailable + vitals.writer.retries_misconfigured,
            "sessions_lost_total": vitals.receiver.sessions_lost,
            "reconnects_total": vitals.receiver.reconnects,
            "messages_per_s": (messages - self._last_messages) / (now_s - self._last_point_s),
            "lag_s": max(0.0, time.time() - vitals.writer.newest_ms / 1000) if vitals.writer.newest_ms else None,
            "journal_bytes": vitals.journal.counters.bytes_used,
            "journal_limit_bytes": vitals.journal.counters.max_bytes,
            "backlog": vitals.worker.backlog,
            "vans": len(vitals.processor.vans),
            "memory_bytes": memory_bytes(),
        }
        self._last_point_s, self._last_messages = now_s, messages
        self._write_aside("agent", (_SERIES, time.time_ns() // 1_000_000, *[values[name] for name in _FIELDS]))
