"""What can be asked about an ingesting agent: the sums over its sources."""

from collections.abc import Callable, Mapping, Sequence

from agent.group import GroupMember
from agent.health import Vitals
from agent.intake import IntakeCounters
from agent.log import LogStatus
from agent.mqtt.base import ReceiverCounters
from agent.shard.counters import ShardCounters
from agent.shard.totals import NO_VANS
from agent.source_run import NoBacklog, SourceRun
from agent.units import StoreState
from agent.writer import WriterCounters

_RECEIVED = ("received_qos0", "received_qos1", "redelivered", "retained", "acks_sent", "acks_discarded", "reconnects")
_RECEIVER_COUNTS = (*_RECEIVED, "sessions_lost")
_INTAKE_COUNTS = ("messages", "commits")


class _NoLog:
    """The log of an agent that may have no source; each source appends to one of its own."""

    def __init__(self) -> None:
        self.status = LogStatus()

    def messages_from(self, offset: int) -> int:
        """None: nothing is kept here."""
        del offset
        return 0


class IngestingVitals(Vitals):
    """Counts go on when a source goes to another agent: what was counted here stays counted."""

    def __init__(
        self, runs: Mapping[int, SourceRun], *, names: Sequence[str], group: Callable[[], GroupMember]
    ) -> None:
        """`names` are those of all sources, by number."""
        self.foreign: set[int] = set()
        """Partitions that the group has given us and whose sources our settings do not name."""
        self._runs = runs
        self._names = names
        self._group = group
        self._ended_receivers = ReceiverCounters()
        self._ended_intakes = IntakeCounters()
        self._no_log = _NoLog()
        super().__init__(
            receiver=ReceiverCounters(),
            intake=IntakeCounters(),
            refused={},
            log=self._no_log,
            worker=NoBacklog(),
            store=StoreState(),
            writer=WriterCounters(),
            shard=ShardCounters(),
            vans=(),
            totals=lambda: NO_VANS,
            findings=dict,
            processes=False,
        )

    def end(self, run: SourceRun) -> None:
        """This run is over; keep what it has counted."""
        _sum_receivers(self._ended_receivers, [self._ended_receivers, run.vitals.receiver])
        _sum_intakes(self._ended_intakes, [self._ended_intakes, run.vitals.intake])
        self._no_log.status.refused_messages += run.vitals.log.status.refused_messages

    def refresh(self) -> None:
        """Sum up what the sources say now."""
        runs = list(self._runs.values())
        receivers = [run.vitals.receiver for run in runs]
        intakes = [run.vitals.intake for run in runs]
        _sum_receivers(self.receiver, [self._ended_receivers, *receivers])
        _sum_intakes(self.intake, [self._ended_intakes, *intakes])
        self.receiver.connected = bool(runs) and all(each.connected for each in receivers)
        self.receiver.paused = any(each.paused for each in receivers)
        self.intake.journal_full = any(each.journal_full for each in intakes)
        self.intake.clock_problem = next((text for each in intakes if (text := each.clock_problem)), None)
        started_s = [each.commit_started_s for each in intakes if each.commit_started_s is not None]
        self.intake.commit_started_s = min(started_s, default=None)
        self.silent = any(run.silence.is_silent for run in runs)
        self.refused = {van: number for run in runs for van, number in run.vitals.refused.items()}
        self.sources = {run.name: run.vitals.receiver.subscribed_since_ms > 0 for run in runs}

    def problems(self) -> list[str]:
        """Why the agent is not ready, in words; empty when it is. An agent without a source is ready to take one."""
        found = [f"log: {problem}" for problem in self.topic_problems.values()]
        group = self._group()
        if group.problem is not None:
            found.append(f"log: {group.problem}")
        elif not group.joined:
            found.append("log: Kafka has not told this agent its sources yet")
        for run in self._runs.values():
            if len(self._names) == 1:
                found += run.vitals.problems()
            else:
                found += [f"source {run.name!r}: {problem}" for problem in run.vitals.problems()]
        return found

    def notes(self) -> list[str]:
        """What people should know although the agent is ready."""
        found = [
            f"partition {number} of the sources is one that the settings of this agent do not name: "
            "restart it with the settings of the others"
            for number in sorted(self.foreign)
        ]
        if self._group().joined and not self._runs:
            found.append("standby: other agents have all sources; this one takes over when one of them ends")
        return found


def _sum_receivers(into: ReceiverCounters, parts: Sequence[ReceiverCounters]) -> None:
    for name in _RECEIVER_COUNTS:
        setattr(into, name, sum(getattr(each, name) for each in parts))


def _sum_intakes(into: IntakeCounters, parts: Sequence[IntakeCounters]) -> None:
    for name in _INTAKE_COUNTS:
        setattr(into, name, sum(getattr(each, name) for each in parts))
    into.ack_delay_s.counts = [sum(counts) for counts in zip(*(each.ack_delay_s.counts for each in parts), strict=True)]
    into.ack_delay_s.sum_s = sum(each.ack_delay_s.sum_s for each in parts)
