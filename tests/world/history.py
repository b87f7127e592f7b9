"""Run a life through the pipeline as the agent does: decode, step, rows and SQLite, with ticks in between."""

import asyncio
from collections.abc import Callable, Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from agent.config import Settings, load
from agent.journal import batches
from agent.messages import Batch, Message, MessageKind
from agent.points.measurements import MEASUREMENTS
from agent.shard.opening import decoder_of, roster_of
from agent.shard.output import ShardOutput
from agent.shard.shard import Shard
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from tests.world import senders
from tests.world.senders import START_MS

TICK_MS: Final = 10_000
TICKS_ON_S: Final = 3600
"""How long the agent runs on after the last message."""

_UNPACK: Final = msgspec.msgpack.Decoder(list[Message]).decode


class Figure(NamedTuple):
    """One number out of the history."""

    measurement: str
    aggregate: Callable[[list[Any]], Any]
    field: str = ""
    where: tuple[str, Any] | None = None
    after_s: float | None = None
    until_s: float | None = None


def first(values: list[Any]) -> Any:
    return values[0] if values else None


def last(values: list[Any]) -> Any:
    return values[-1] if values else None


def largest(values: list[Any]) -> Any:
    return max(values, default=None)


def smallest(values: list[Any]) -> Any:
    return min(values, default=None)


FIGURES: Final = {
    "trips": Figure("trip", len),
    "trip_km": Figure("trip", sum, "distance_km"),
    "shortest_trip_km": Figure("trip", smallest, "distance_km"),
    "longest_trip_s": Figure("trip", largest, "duration_s"),
    "trip_kwh": Figure("trip", sum, "energy_kwh"),
    "lowest_trip_kwh": Figure("trip", smallest, "energy_kwh"),
    "trip_regenerated_kwh": Figure("trip", sum, "regenerated_kwh"),
    "charges": Figure("charge", len),
    "charge_kwh": Figure("charge", sum, "energy_kwh"),
    "charge_grid_kwh": Figure("charge", sum, "grid_kwh"),
    "charge_co2e_g": Figure("charge", sum, "co2e_g"),
    "charge_kind": Figure("charge", last, "kind"),
    "stops": Figure("stop", len),
    "distance_km": Figure("energy", last, "distance_km_total"),
    "used_kwh": Figure("energy", last, "used_kwh_total"),
    "regenerated_kwh": Figure("energy", last, "regenerated_kwh_total"),
    "charged_kwh": Figure("energy", last, "charged_kwh_total"),
    "grid_kwh": Figure("energy", last, "grid_kwh_total"),
    "idle_kwh": Figure("energy", last, "idle_kwh_total"),
    "avoided_g": Figure("emissions", last, "avoided_co2e_g_total"),
}

RAW: Final = ("battery", "location")
"""Measurements that no scenario checks: the readings themselves."""
TOTALS: Final = ("used_kwh_total", "charged_kwh_total", "grid_kwh_total", "distance_km_total")


class History:
    """The content of the store after a life, and the counters of the agent."""

    def __init__(self, points: dict[str, list[dict[str, Any]]], shard: Shard, letters: int) -> None:
        self._points = points
        self.counters = shard.counters
        self.letters = letters

    def rows(self, measurement: str) -> list[dict[str, Any]]:
        """The points of one measurement, in order of time."""
        return self._points[measurement]

    def figure(self, asked: str | Figure) -> Any:
        """A number by its name in `FIGURES`, `alert KIND` for how many were raised, `letters`, or another `Figure`."""
        if asked == "letters":
            return self.letters
        if isinstance(asked, str) and asked.startswith("alert "):
            kind = asked.removeprefix("alert ")
            return sum(row["kind"] == kind and row["state"] == "raised" for row in self.rows("alert"))
        wanted = FIGURES[asked] if isinstance(asked, str) else asked
        rows = self.rows(wanted.measurement)
        if wanted.after_s is not None:
            rows = [row for row in rows if row["time_ms"] >= START_MS + wanted.after_s * 1000]
        if wanted.until_s is not None:
            rows = [row for row in rows if row["time_ms"] <= START_MS + wanted.until_s * 1000]
        if wanted.where is not None:
            name, value = wanted.where
            rows = [row for row in rows if row.get(name) == value]
        if not wanted.field:
            return wanted.aggregate(rows)
        return wanted.aggregate([row[wanted.field] for row in rows if wanted.field in row])

    def breaches(self, *, battery_kwh: float) -> list[str]:
        """What is wrong in any life, whatever the van sent: falling totals, energy from nowhere, internal errors."""
        found = []
        if self.counters.internal_errors:
            found.append(f"{self.counters.internal_errors} errors of the program")
        energy = self.rows("energy")
        for name in TOTALS:
            found += [
                f"{name} falls from {before[name]:.3f} to {after[name]:.3f}"
                for before, after in pairwise(energy)
                if after[name] < before[name] - 1e-6
            ][:1]
        for charge in self.rows("charge"):
            if charge["grid_kwh"] < charge["energy_kwh"]:
                found.append(f"{charge['energy_kwh']:.2f} kWh charged from {charge['grid_kwh']:.2f} kWh of the grid")
        if energy:
            end = energy[-1]
            if end["idle_kwh_total"] > end["used_kwh_total"] + 0.05:
                found.append(f"{end['idle_kwh_total']:.2f} kWh idle of {end['used_kwh_total']:.2f} kWh used")
            net_kwh = end["used_kwh_total"] - (end.get("regenerated_kwh_total") or 0.0) - end["charged_kwh_total"]
            if abs(net_kwh) > battery_kwh * 1.1:
                found.append(f"{net_kwh:.1f} kWh net out of a battery of {battery_kwh:.0f} kWh")
        return found


def live(messages: Iterable[senders.Message], where: Path, *, toml: str = "") -> History:
    """Give the messages to an agent with these settings, one by one in order of arrival, with its ticks in between."""
    settings_file = where / "vanpulse.toml"
    settings_file.write_text(toml)
    settings = load(settings_file)
    shard = _shard(settings)
    shard.restore([])
    taker = _Taker(shard)
    for message in sorted(messages, key=lambda each: each.arrival_s):
        taker.arrive(message)
    taker.let_pass(taker.now_ms + TICKS_ON_S * 1000)
    points = asyncio.run(_stored(taker.out, where / "history.db"))
    return History(points, shard, len(taker.out.dead_letters))


def _shard(settings: Settings) -> Shard:
    roster = roster_of(settings)
    return Shard(decoder_of(settings, roster), roster)


class _Taker:
    """Hands messages and ticks to the shard in the form in which the journal keeps them."""

    def __init__(self, shard: Shard) -> None:
        self.out = ShardOutput()
        self._shard = shard
        self._offset = 0
        self._next_tick_ms = 0
        self.now_ms = START_MS

    def arrive(self, message: senders.Message) -> None:
        arrival_ms = START_MS + round(message.arrival_s * 1000)
        self.let_pass(arrival_ms)
        self.now_ms = arrival_ms
        self._take(Message(message.topic, message.payload.encode(), retained=message.from_store))

    def let_pass(self, until_ms: int) -> None:
        if not self._next_tick_ms:
            self._next_tick_ms = until_ms // TICK_MS * TICK_MS + TICK_MS
        while self._next_tick_ms <= until_ms:
            self.now_ms = self._next_tick_ms
            self._take(Message("", b"%d" % self.now_ms, qos=0, kind=MessageKind.TICK))
            self._next_tick_ms += TICK_MS

    def _take(self, message: Message) -> None:
        messages = _UNPACK(batches.pack([message]))
        self.out.add(self._shard.process(Batch(self._offset, self.now_ms, START_MS - 600_000, messages)))
        self._offset += 1


async def _stored(out: ShardOutput, path: Path) -> dict[str, list[dict[str, Any]]]:
    store = SqliteStore(path)
    await store.open()
    try:
        assert await store.write(out.rows) == []
    finally:
        await store.close()
    history = SqliteHistory(path)
    try:
        return {
            measurement: list(history.select(measurement)) for measurement in MEASUREMENTS if measurement not in RAW
        }
    finally:
        history.close()
