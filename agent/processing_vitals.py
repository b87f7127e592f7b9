"""What can be asked about a processing agent: the sums over its partitions."""

from collections.abc import Callable, Mapping
from typing import Protocol

from agent.health import Vitals
from agent.intake import IntakeCounters
from agent.log import LogStatus
from agent.mqtt.base import ReceiverCounters
from agent.owned_partition import OwnedPartition
from agent.shard.counters import ShardCounters
from agent.shard.totals import NO_VANS, ShardTotals
from agent.units import StoreState
from agent.writer import WriterCounters

_SHARD_COUNTS = (
    "messages",
    "accepted",
    "duplicates",
    "late",
    "stale",
    "implausible",
    "internal_errors",
)
_WRITER_COUNTS = ("points", "rejected", "writes", "write_s", "retries_unavailable", "retries_misconfigured")


class MembershipState(Protocol):
    """What is asked of the group that shares the log."""

    joined: bool
    problem: str | None


class PartitionsSum:
    """Stands for the log and the worker of all partitions that this process owns."""

    def __init__(self, owned: Mapping[int, OwnedPartition]) -> None:
        self.status = LogStatus()
        self.ahead = False
        self.rewinds = 0
        self._owned = owned

    @property
    def backlog(self) -> int:
        """Messages of our partitions that are not worked through."""
        return sum(each.worker.backlog for each in self._owned.values())

    def messages_from(self, offset: int) -> int:
        """Messages whose rows the store has not confirmed. Each partition has offsets of its own."""
        del offset
        return sum(each.log.messages_from(each.units.store.confirmed_offset) for each in self._owned.values())


class ProcessingVitals(Vitals):
    """Counts go on when a partition goes to another agent: what was counted here stays counted."""

    def __init__(
        self,
        owned: Mapping[int, OwnedPartition],
        *,
        connection: ReceiverCounters,
        group: Callable[[], MembershipState],
    ) -> None:
        self._owned = owned
        self._group = group
        self._sum = PartitionsSum(owned)
        self._shards: list[ShardCounters] = []
        self._writers: list[WriterCounters] = []
        self._logs: list[LogStatus] = []
        self.unreadable: dict[int, str] = {}
        """Partitions whose states could not be read, with the reason. One that is restored by now is read again."""
        super().__init__(
            receiver=connection,
            intake=IntakeCounters(),
            refused={},
            log=self._sum,
            worker=self._sum,
            store=StoreState(),
            writer=WriterCounters(),
            shard=ShardCounters(),
            vans=(),
            totals=self._totals,
            findings=self._findings,
            receives=False,
        )

    def add(self, partition: OwnedPartition) -> None:
        """Count this partition from now on."""
        self._shards.append(partition.shard.counters)
        self._writers.append(partition.writer.counters)
        self._logs.append(partition.log.status)

    def refresh(self) -> None:
        """Sum up what the partitions' stages say now."""
        owned = list(self._owned.values())
        for name in _SHARD_COUNTS:
            setattr(self.shard, name, sum(getattr(each, name) for each in self._shards))
        for reason in self.shard.rejected:
            self.shard.rejected[reason] = sum(each.rejected[reason] for each in self._shards)
        for name in _WRITER_COUNTS:
            setattr(self.writer, name, sum(getattr(each, name) for each in self._writers))
        self.writer.newest_ms = max((each.newest_ms for each in self._writers), default=0)
        self.vans = range(sum(len(each.shard.vans) for each in owned))
        self._refresh_store([each.units.store for each in owned])
        status = self._sum.status
        status.dead_letters = sum(each.log.status.dead_letters for each in owned)
        status.foreign_records = sum(each.foreign_records for each in self._logs)
        self._sum.ahead = any(each.worker.ahead for each in owned)
        self._sum.rewinds = sum(each.worker.rewinds for each in owned)

    def _refresh_store(self, stores: list[StoreState]) -> None:
        """The store as the partition sees it that has waited longest."""
        failing = [each for each in stores if each.failing_since_s is not None]
        worst = min(failing, key=lambda each: each.failing_since_s or 0.0, default=None)
        self.store.failing_since_s = None if worst is None else worst.failing_since_s
        self.store.misconfigured = worst is not None and worst.misconfigured
        self.store.last_error = "" if worst is None else worst.last_error
        self.store.write_started_s = min(
            (each.write_started_s for each in stores if each.write_started_s is not None), default=None
        )

    def problems(self) -> list[str]:
        """Why the agent is not ready, in words; empty when it is."""
        found = super().problems()
        group = self._group()
        if group.problem is not None:
            found.append(f"log: {group.problem}")
        elif not group.joined:
            found.append("log: Kafka has not told this agent its partitions yet")
        waiting = {number: text for number, each in self._owned.items() if (text := each.log.status.problem)}
        if waiting:
            found.append(f"log: processing waits in partitions {sorted(waiting)} ({next(iter(waiting.values()))})")
        for number, text in sorted(self.unreadable.items()):
            if number not in self._owned or not self._owned[number].restored:
                found.append(f"log: partition {number} is not processed: {text}")
        loading = sorted(
            number for number, each in self._owned.items() if not each.restored and number not in self.unreadable
        )
        if loading:
            found.append(f"log: the vans of partitions {loading} are being restored")
        return found

    def _totals(self) -> ShardTotals:
        total = NO_VANS
        for each in self._owned.values():
            total = total.plus(each.shard.totals())
        return total

    def _findings(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in self._owned.values():
            found |= each.shard.findings()
        return found
