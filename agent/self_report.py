"""What the agent reports about itself: log lines, the `agent` measurement, and the watchdog of systemd."""

import logging
import time
from collections.abc import Callable

from agent import systemd
from agent.health import Vitals, memory_bytes
from agent.intake import IntakeCounters
from agent.mqtt.base import ReceiverCounters
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Series

log = logging.getLogger(__name__)

POINT_EVERY_S = 60.0
SILENCE_S = 300.0
"""The shortest silence that is reported. For a fleet with long pauses it is ten times its usual gap."""

SHOWN = 20
"""So many lines of one kind are logged at once, so that a fault of the whole fleet does not flood the log."""

AHEAD_IN_A_ROW = 5
"""If so many readings between two looks are from the future and no other arrives, our own clock is behind."""

_FIELDS = MEASUREMENTS["agent"].field_names


class Silence:
    """Whether nothing arrives although we are connected: the subscription may have been lost.

    `look` logs when that begins and ends. `where` is put before these lines.
    """

    def __init__(self, where: str = "", *, clock_s: Callable[[], float] = time.time) -> None:
        self.is_silent = False
        self._where = where
        self._clock_s = clock_s
        self._usual_gap_s = 0.0

    def look(self, receiver: ReceiverCounters, intake: IntakeCounters) -> None:
        """Look at what the receiver and the intake have counted."""
        if not intake.last_message_ms:
            return
        gap_s = self._clock_s() - intake.last_message_ms / 1000
        if gap_s < SILENCE_S:
            self._usual_gap_s = max(gap_s, self._usual_gap_s * 0.9)
        silent = receiver.connected and gap_s > max(SILENCE_S, 10 * self._usual_gap_s)
        if silent and not self.is_silent:
            log.warning(
                "%sconnected to the broker, but nothing has arrived for %.0f s although it used to", self._where, gap_s
            )
        elif self.is_silent and not silent:
            log.info("%smessages arrive again, or the connection was lost", self._where)
        self.is_silent = silent


class SelfReport:
    """Looks at the vitals every few seconds and logs each change once. Never raises."""

    def __init__(
        self,
        vitals: Vitals,
        *,
        put_aside: Callable[[str, PointRow], None],
        clock_s: Callable[[], float] = time.time,
        instance: str | None = None,
    ) -> None:
        """`instance` names this agent among several; None where it is the only one."""
        self._series = Series(instance=instance)
        self._vitals = vitals
        self._put_aside = put_aside
        self._clock_s = clock_s
        self._last_point_s = clock_s()
        self._last_messages = 0
        self._silence = Silence(clock_s=clock_s)
        self._stalled: set[str] = set()
        self._dropped = 0
        self._dropping = False
        self._refused: dict[str, int] = {}
        self._throttled: set[str] = set()
        self._judged = (0, 0)
        self._findings: dict[str, str] = {}

    def look(self) -> None:
        """One look at everything."""
        self._vitals.refresh()
        if self._vitals.intake.last_message_ms:
            self._silence.look(self._vitals.receiver, self._vitals.intake)
            self._vitals.silent = self._silence.is_silent
        self._watch_for_stalls()
        self._watch_for_drops()
        self._watch_for_throttled_vans()
        self._watch_for_a_clock_behind()
        # A wall clock may also be set back.
        if not 0 <= self._clock_s() - self._last_point_s < POINT_EVERY_S and self._vitals.intake.clock_problem is None:
            self._watch_for_findings()
            self._write_point()

    def _watch_for_stalls(self) -> None:
        """Notify the watchdog of systemd, unless a stage hangs. It then restarts the agent, which may help."""
        stalls = self._vitals.stalls()
        stages = {stall.partition(" has ")[0] for stall in stalls}
        for stall in stalls:
            if stall.partition(" has ")[0] not in self._stalled:
                log.error("stalled: %s", stall)
        for stage in sorted(self._stalled - stages):
            log.info("goes on again: %s", stage)
        self._stalled = stages
        if not stalls:
            systemd.notify("WATCHDOG=1")

    def _watch_for_drops(self) -> None:
        dropped = self._vitals.log.status.dropped_messages
        dropping = dropped > self._dropped
        if dropping and not self._dropping:
            log.error(
                "the journal is full: its oldest messages are dropped, as journal.when_full says; %d so far", dropped
            )
        elif self._dropping and not dropping:
            log.warning("the journal has room again: %d messages were dropped in all", dropped)
        self._dropped, self._dropping = dropped, dropping

    def _watch_for_throttled_vans(self) -> None:
        refused = dict(self._vitals.refused)
        over = {sender for sender, number in refused.items() if number > self._refused.get(sender, 0)}
        for sender in sorted(over - self._throttled)[:SHOWN]:
            log.warning("van %r sends more than fleet.messages_per_s for long: what is beyond is refused", sender)
        for sender in sorted(self._throttled - over)[:SHOWN]:
            log.info("van %r keeps to its rate again; %d of its messages were refused", sender, refused[sender])
        self._refused, self._throttled = refused, over

    def _watch_for_a_clock_behind(self) -> None:
        """If the readings of one van are from the future, its clock is wrong. If all are, ours is behind."""
        counters = self._vitals.shard
        seen = counters.rejected["in_future"], counters.accepted
        ahead, accepted = (now - before for now, before in zip(seen, self._judged, strict=True))
        if ahead or accepted:
            behind = ahead >= AHEAD_IN_A_ROW and not accepted
            if behind and not self._vitals.clock_behind:
                log.warning(
                    "every reading of the last %d is from the future: the clock of this machine is behind; "
                    "once it is right, `vanpulse deadletters replay --reason in_future` takes them in",
                    ahead,
                )
            self._vitals.clock_behind = behind
        self._judged = seen

    def _watch_for_findings(self) -> None:
        findings = dict(self._vitals.findings())
        new = [key for key, text in findings.items() if self._findings.get(key) != text]
        for key in new[:SHOWN]:
            log.warning("%s: %s", key, findings[key])
        if len(new) > SHOWN:
            log.warning("%d more vans with findings of their dialects", len(new) - SHOWN)
        self._findings = findings
        self._vitals.number_of_findings = len(findings)

    def _write_point(self) -> None:
        """Put the `agent` point aside for the writer. It is written with the next unit."""
        now_s = self._clock_s()
        vitals = self._vitals
        messages = vitals.intake.messages
        values = {
            "messages_total": messages,
            "accepted_total": vitals.shard.accepted,
            "duplicates_total": vitals.shard.duplicates,
            "late_total": vitals.shard.late,
            "dead_letters_total": sum(vitals.shard.rejected.values()),
            "points_total": vitals.writer.points,
            "store_retries_total": vitals.writer.retries_unavailable + vitals.writer.retries_misconfigured,
            "sessions_lost_total": vitals.receiver.sessions_lost,
            "reconnects_total": vitals.receiver.reconnects,
            "messages_per_s": (messages - self._last_messages) / max(1.0, now_s - self._last_point_s),
            "lag_s": max(0.0, now_s - vitals.writer.newest_ms / 1000) if vitals.writer.newest_ms else None,
            "journal_bytes": vitals.log.status.bytes_used,
            "journal_limit_bytes": vitals.log.status.max_bytes,
            "backlog": vitals.worker.backlog,
            "vans": len(vitals.vans),
            "memory_bytes": memory_bytes(),
        }
        self._last_point_s, self._last_messages = now_s, messages
        self._put_aside("agent", (self._series, round(now_s * 1000), *[values[name] for name in _FIELDS]))
