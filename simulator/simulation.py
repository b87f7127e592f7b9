"""A simulated fleet as a stream of messages: first the past without waiting, then live by the clock."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from simulator.dialects import make_encoder
from simulator.faults import Faults
from simulator.fleet import Fleet
from simulator.fleet_file import fleet_file
from simulator.reports import Reading, Reporter

Outgoing = tuple[str, bytes]

DEFAULT_CLOCK: Final = "14:30"
"""The local time at all depots at the start, on a working day, so that vans drive at any hour of the day."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to simulate. `live_s` is the present in seconds since the epoch. The simulation begins `hours` before it."""

    vans: int = 25
    seed: int = 1
    hours: float = 0.0
    live_s: int
    rate_hz: float | None = None
    clock: str = DEFAULT_CLOCK
    prefix: str = "vans"
    dialect: str = "native"
    faults: tuple[str, ...] = ()
    buffer: int = 1
    """The past is sent as arrays of up to this many readings, as by a van that was out of reach."""
    share: tuple[int, int] = (1, 1)
    """(i, n): only the i-th of n parts of the fleet sends, from 1. Together the parts send what the fleet sends."""


class Simulation:
    """A fleet, its reports and their encoding."""

    def __init__(self, plan: Plan) -> None:
        """Raises ValueError for an unknown fault or an invalid clock."""
        self.plan = plan
        self.fleet = Fleet(
            vans=plan.vans,
            seed=plan.seed,
            start_s=plan.live_s - round(plan.hours * 3600),
            clock=plan.clock,
            live_s=plan.live_s,
        )
        self._reporter = Reporter(self.fleet, rate_hz=plan.rate_hz, everything=plan.dialect != "native")
        self.encoder = make_encoder(plan.dialect, prefix=plan.prefix)
        self.faults = Faults(list(plan.faults), self.fleet) if plan.faults else None
        part, parts = plan.share
        self._senders = frozenset(self.fleet.ids[part - 1 :: parts])

    def second(self) -> list[Outgoing]:
        """Advance by one second and return the messages of the vans."""
        self.fleet.step()
        readings = self._reporter.readings()
        if self.faults is not None:
            readings = self.faults.apply(readings)
        return self.encoder.encode(self._own(readings))

    def last(self) -> list[Outgoing]:
        """The messages that vans still hold back at the end of the simulation."""
        return self.encoder.encode(self._own(self.faults.remaining())) if self.faults is not None else []

    def _own(self, readings: list[Reading]) -> list[Reading]:
        """The readings of the vans that send here."""
        if len(self._senders) == len(self.fleet.ids):
            return readings
        return [reading for reading in readings if reading["vehicle_id"] in self._senders]

    def history(self) -> Iterator[tuple[int, list[Outgoing]]]:
        """Every second of the past: (time in seconds since the epoch, messages)."""
        while self.fleet.time_s < self.plan.live_s:
            messages = self.second()
            yield self.fleet.time_s, messages

    def _past(self) -> Iterator[Outgoing]:
        messages = (message for _, second in self.history() for message in second)
        return buffered(messages, self.plan.buffer) if self.plan.buffer > 1 else messages

    async def stream(self, *, speedup: float = 1.0, seconds: float | None = None) -> AsyncIterator[list[Outgoing]]:
        """The past without waiting, then each live batch at its time. Ends after `seconds` of live time."""
        began = time.monotonic()
        batch: list[Outgoing] = []
        for message in self._past():
            batch.append(message)
            if len(batch) >= 500:
                yield batch
                batch = []
        if batch:
            yield batch
        started = time.monotonic()
        first_s = self.fleet.time_s
        while seconds is None or time.monotonic() - started < seconds:
            # First catch up with the time that passed while the past was sent.
            wait_s = began + (self.fleet.time_s + 1 - first_s) / speedup - time.monotonic()
            if wait_s > 0:
                if seconds is not None:
                    wait_s = min(wait_s, max(started + seconds - time.monotonic(), 0.0))
                await asyncio.sleep(wait_s)
                if seconds is not None and time.monotonic() - started >= seconds:
                    return
            messages = self.second()
            if messages:
                yield messages

    def write_fleet_file(self, path: Path) -> None:
        """Write the fleet file that describes these vans to the agent."""
        path.write_text(fleet_file(self.fleet), encoding="utf-8")


def buffered(messages: Iterable[Outgoing], limit: int) -> Iterator[Outgoing]:
    """The same native readings, with consecutive readings of a van and kind joined into arrays of up to `limit`.

    Readings of one van and kind keep their order. Kinds of a van differ by at most one array. Vans do not wait for each
    other.
    """
    waiting: dict[str, dict[str, list[bytes]]] = {}
    for topic, payload in messages:
        van = topic.rpartition("/")[0]
        kinds = waiting.setdefault(van, {})
        kinds.setdefault(topic, []).append(payload)
        if len(kinds[topic]) >= limit:
            yield from _arrays(waiting.pop(van))
    for kinds in waiting.values():
        yield from _arrays(kinds)


def _arrays(kinds: dict[str, list[bytes]]) -> Iterator[Outgoing]:
    for topic, payloads in kinds.items():
        yield topic, b"[" + b",".join(payloads) + b"]"
