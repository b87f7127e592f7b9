"""The sleeping store: the vans that are not in use, as bytes.

A van that is awake is some twenty objects of 6 kB; asleep it is 1.1 to 1.9 kB. `docs/performance.md` has the figures.
"""

from array import array
from collections.abc import Mapping
from typing import Final

from agent.fleet.quiet import NEVER_MS
from agent.fleet.thresholds import Thresholds
from agent.shard.stored_van import StoredVan, load_van
from agent.shard.summary import VanSummary
from agent.shard.totals import NO_VANS, ShardTotals

CLOCK_SLACK_MS: Final = 60_000
"""An arrival so far ahead of the clock, or more, means that the clock was set back since."""


def silence_ms(now_ms: int, arrival_ms: int, listening_since_ms: int) -> int:
    """For how long a van has been silent while the agent was listening.

    An arrival in the future was stamped before the clock was set back. It says nothing then.
    """
    known_ms = arrival_ms if arrival_ms <= now_ms + CLOCK_SLACK_MS else 0
    return max(0, now_ms - max(known_ms, listening_since_ms))


class SleepingStore:
    """Keeps encoded vans by their numbers: `put`, `get`, `take`, and `due`, which says whom a tick has to wake.

    A tick needs three numbers of each van and no state: when the van was heard last, how long a silence leaves its
    state as it is, and its source. They are columns of their own, so a tick over 100,000 sleeping vans decodes nothing.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self.totals = NO_VANS
        """Of the vans that sleep."""
        self._thresholds = thresholds
        self._encoded: list[bytes | None] = []
        self._arrivals_ms = array("q")
        self._quiet_ms = array("q")
        self._sources = array("i")
        self._alerting: set[int] = set()

    def __contains__(self, number: int) -> bool:
        return number < len(self._encoded) and self._encoded[number] is not None

    def put(self, number: int, encoded: bytes, summary: VanSummary, source: int) -> None:
        """Keep a van; `encoded` and the rest are of the same van."""
        while len(self._encoded) <= number:
            self._encoded.append(None)
            self._arrivals_ms.append(0)
            self._quiet_ms.append(NEVER_MS)
            self._sources.append(0)
        self._encoded[number] = encoded
        self._arrivals_ms[number] = summary.arrival_ms
        self._quiet_ms[number] = summary.quiet_ms(self._thresholds)
        self._sources[number] = source
        if summary.alerting:
            self._alerting.add(number)
        self.totals = self.totals.plus(ShardTotals.of(summary))

    def encoded(self, number: int) -> bytes:
        """A van as a checkpoint holds it. Raises `KeyError` for one that does not sleep."""
        encoded = self._encoded[number] if number < len(self._encoded) else None
        if encoded is None:
            raise KeyError(number)
        return encoded

    def get(self, number: int) -> StoredVan:
        """A van, decoded; it stays in the store. Raises `KeyError` for one that does not sleep."""
        return load_van(self.encoded(number))

    def take(self, number: int) -> StoredVan:
        """A van, decoded and removed. Raises `KeyError` for one that does not sleep."""
        stored = self.get(number)
        assert stored.summary is not None, number  # noqa: S101  # `put` was called with one
        self._encoded[number] = None
        self._quiet_ms[number] = NEVER_MS
        self._alerting.discard(number)
        self.totals = self.totals.less(ShardTotals.of(stored.summary))
        return stored

    def due(self, now_ms: int, heard: Mapping[int, int]) -> list[int]:
        """The vans that a tick at this time would change. All others may sleep on.

        `heard` has the sources for which time passes, and since when each was listened to.
        """
        latest_ms = now_ms + CLOCK_SLACK_MS
        columns = enumerate(zip(self._arrivals_ms, self._quiet_ms, self._sources, strict=True))
        return [
            number
            for number, (arrival_ms, quiet_ms, source) in columns
            if source in heard
            # `silence_ms`, written out: this runs for every sleeping van at every tick.
            and quiet_ms <= max(0, now_ms - max(arrival_ms if arrival_ms <= latest_ms else 0, heard[source]))
        ]

    def alerting(self) -> set[int]:
        """The vans that have an active alert."""
        return self._alerting
