"""Faults of real vans, each with a name, applied to the readings of simulated or recorded vans.

There are three kinds of faults:

* Distortions change values of a reading as a van with that fault would send them (`distortions.py`). The reading is
  still valid.
* Extras are additional messages that are wrong, foreign or old. Each lies between two valid readings in time, so that a
  receiver that drops it loses nothing.
* Delays hold readings back: for minutes, after which they are sent as an array, or for good, while a van is offline at
  its depot.

No fault replaces a valid reading by an invalid one.
"""

from typing import Any, Final

import numpy as np

from simulator.chance import one, unit
from simulator.distortions import Distortions, ObservedVans
from simulator.hostile import HOSTILE_PAYLOADS
from simulator.reports import Reading
from simulator.van_states import Activity

PURPOSE: Final = 500
"""First number of the random draws for faults. The number of the fault is added."""
HALF_HOUR_S: Final = 1800
BEFORE_MS: Final = 100
"""The time of an extra is this long before the valid reading that follows it."""
DELIVERIES: Final = ("load", "drop")
"""Kinds that do not come from sensors of the van. They are not distorted."""
SLEPT_MS: Final = 120_000
ECHO_S: Final = 30
SHARE_OF_ALL: Final = 0.3
"""With `all`, each fault affects this share of the vans. A fault that is named affects every van."""

SYMPTOMS: Final = {
    "soc-steps": "the state of charge has a resolution of 1 %",
    "wake-up-zero": "a van that wakes up first sends a state of charge of 0 %",
    "sentinels": "255 and 65535 instead of unknown values",
    "repeated-fixes": "the same position for up to 15 s while the van drives on",
    "teleports": "a position far away and an impossible position between valid ones",
    "zero-position": "position 0, 0, or latitude 0 with the right longitude",
    "drift": "the position of a parked van drifts",
    "late-batches": "silence for minutes, then all readings at once in an array",
    "duplicates": "a message is sent twice: immediately or half a minute later",
    "clock-skew": "the clock of the van is wrong by up to 90 s",
    "local-time": "a time with a two-digit year and without a zone",
    "odometer-reset": "the odometer restarts at 0",
    "odometer-whole": "the odometer has a resolution of 1 km",
    "swapped-sign": "power and current with the wrong sign",
    "frozen-power": "power stays at its last charging value while the van drives",
    "flag-while-driving": "the charging flag is set while the van drives",
    "full-early": "a state of charge of 99.35 % and more is sent as 100 %",
    "offline-charge": "the van is silent from its return to the depot until the next departure, and charges in between",
    "stale": "an old reading is sent again, like a retained message",
    "hostile": "invalid payloads: truncated, of wrong type, out of range, foreign, huge",
    "odometer-zero-off": "the odometer is 0 while the van is off",
    "odometer-saturated": "the odometer stops at a largest value while the van drives on",
    "odometer-two-sources": "every fourth odometer value comes from a source that is 0.6 km behind",
    "soc-frozen": "the state of charge of the last rest is sent during the whole drive",
    "soc-zero-asleep": "0 % from 30 min after parking until the van wakes up",
    "flag-flicker": "the charging flag is off in one reading of twenty while the van charges",
    "speed-kept": "the last speed of the drive is sent until the next drive",
    "gps-noise": "a parked van is a few metres off, and sometimes seems to move at 8 to 14 km/h for half a minute",
    "counter-zero": "the lifetime energy counters of a new van sometimes read 0",
    "charger-whole-kw": "the charger reports its power in whole kW, rounded down; only some dialects carry it (ovms)",
    "power-unit": "battery power is ten times too high or a thousand times too low",
}
"""What a receiver sees of each fault, by the name of the fault."""
NAMES: Final = tuple(SYMPTOMS)
EXCLUSIVE: Final = (
    ("swapped-sign", "frozen-power", "power-unit"),
    ("odometer-reset", "odometer-zero-off", "odometer-saturated", "odometer-two-sources"),
    ("wake-up-zero", "soc-zero-asleep"),
    ("repeated-fixes", "drift", "gps-noise"),
    ("speed-kept", "gps-noise"),
)
"""A van has at most one fault of each group, the first that it draws. No real van shows two of them together."""


class Faults:
    """Applies faults to readings, second by second, and counts the effects."""

    def __init__(self, names: list[str], vans: ObservedVans) -> None:
        """`names` are keys of `SYMPTOMS`, or "all". Raises ValueError for an unknown name."""
        everything = names == ["all"]
        chosen = NAMES if everything else tuple(names)
        unknown = [name for name in chosen if name not in SYMPTOMS]
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}; known are all, {', '.join(NAMES)}")
        self._vans = vans
        self._keys: list[int] = vans.keys.tolist()
        self._numbers = {vehicle_id: van for van, vehicle_id in enumerate(vans.ids)}
        share = SHARE_OF_ALL if everything else 1.0
        struck = {name: unit(vans.keys, PURPOSE + NAMES.index(name)) < share for name in chosen}
        for group in EXCLUSIVE:
            taken = np.zeros(len(vans.ids), dtype=bool)
            for name in group:
                if name in struck:
                    struck[name] &= ~taken
                    taken |= struck[name]
        self._struck: dict[str, list[bool]] = {name: each.tolist() for name, each in struck.items()}
        self._distortions = Distortions(vans, self._strikes)
        self._skew_ms = np.round(1000.0 * (180.0 * unit(vans.keys, PURPOSE + 90) - 90.0)).astype(np.int64)
        self._last_ms: dict[tuple[int, str], int] = {}
        self._held: dict[int, list[Reading]] = {}
        self._echoes: list[tuple[int, Reading]] = []
        self._kept: dict[int, tuple[int, Reading]] = {}
        self.good = 0
        """Readings that a correct receiver accepts."""
        self.extras = 0
        """Messages that a correct receiver rejects or counts as duplicates."""
        self.silenced = 0
        """Readings that were never sent."""

    def apply(self, readings: list[Reading]) -> list[Reading]:
        """The messages that the vans send in this second instead of these readings."""
        sent: list[Reading] = []
        for reading in readings:
            van = self._numbers[reading["vehicle_id"]]
            if self._offline(van):
                self.silenced += 1
                continue
            if reading["kind"] != "load":
                self._distortions.apply(van, reading)
            if self._strikes("clock-skew", van):
                reading["time"] += int(self._skew_ms[van])
            self.good += 1
            if self._holding(van):
                self._held.setdefault(van, []).append(reading)
                continue
            sent += self._released(van)
            sent += self._before(van, reading)
            sent.append(reading)
            sent += self._after(van, reading)
            self._last_ms[van, reading["kind"]] = reading["time"]
        now_s = self._vans.time_s
        while self._echoes and self._echoes[0][0] <= now_s:
            sent.append(self._echoes.pop(0)[1])
            self.extras += 1
        return sent

    def remaining(self) -> list[Reading]:
        """The readings that are still held back when the simulation ends."""
        return [batch for van in sorted(self._held) for batch in self._released(van)]

    def _strikes(self, name: str, van: int) -> bool:
        struck = self._struck.get(name)
        return struck is not None and struck[van]

    def _chance(self, van: int, purpose: int, count: int) -> float:
        return one(self._keys[van], PURPOSE + 100 + purpose, count)

    # ── delays ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _offline(self, van: int) -> bool:
        vans = self._vans
        if not self._strikes("offline-charge", van) or vans.activity[van] != Activity.PARKED:
            return False
        return self._chance(van, 2, int(vans.day[van])) < 0.7

    def _holding(self, van: int) -> bool:
        """Whether readings are held back: in the first minutes of about every third half hour, unless parked."""
        if not self._strikes("late-batches", van) or self._vans.activity[van] == Activity.PARKED:
            return False
        window, second = divmod(self._vans.time_s, HALF_HOUR_S)
        return self._chance(van, 3, window) < 0.35 and second < 60 + 200 * self._chance(van, 4, window)

    def _released(self, van: int) -> list[Reading]:
        held = self._held.pop(van, [])
        batches: dict[str, Reading] = {}
        for reading in held:
            kind = reading["kind"]
            batch = batches.setdefault(kind, {"vehicle_id": reading["vehicle_id"], "kind": kind, "withheld": []})
            batch["withheld"].append(reading)
        return list(batches.values())

    # ── extras ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _before(self, van: int, reading: Reading) -> list[Reading]:
        """The wrong messages that are sent immediately before a valid reading."""
        kind = reading["kind"]
        if kind in DELIVERIES:
            return []
        now_s = self._vans.time_s
        extras: list[Reading] = []
        last_ms = self._last_ms.get((van, kind))
        slept = last_ms is not None and reading["time"] - last_ms > SLEPT_MS
        if slept and "soc_pct" in reading and self._strikes("wake-up-zero", van):
            extras.append(_extra(reading, "soc", soc_pct=0.0))
        if "soc_pct" in reading and self._strikes("sentinels", van) and self._chance(van, 5, now_s) < 0.01:
            extras.append(_extra(reading, "soc", soc_pct=255.0, voltage_v=6553.5))
        if "latitude_deg" in reading:
            extras += self._wrong_places(van, reading, now_s)
        if self._strikes("local-time", van) and self._chance(van, 8, now_s) < 0.005:
            extras.append({**_extra(reading, "soc", soc_pct=50.0), "time": "26-03-09 14:05:30"})
        if self._strikes("hostile", van) and self._chance(van, 9, now_s) < 0.03:
            number = int(self._chance(van, 10, now_s) * len(HOSTILE_PAYLOADS))
            extras.append({"vehicle_id": reading["vehicle_id"], "kind": kind, "hostile": HOSTILE_PAYLOADS[number]})
        self.extras += len(extras)
        return extras

    def _wrong_places(self, van: int, reading: Reading, now_s: int) -> list[Reading]:
        extras: list[Reading] = []
        latitude, longitude = reading["latitude_deg"], reading["longitude_deg"]
        if self._strikes("teleports", van) and self._chance(van, 6, now_s) < 0.01:
            extras.append(_extra(reading, "location", latitude_deg=latitude, longitude_deg=1555.6333))
            away = round(latitude + 0.4, 6)
            extras.append(_extra(reading, "location", latitude_deg=away, longitude_deg=longitude))
        if self._strikes("zero-position", van) and self._chance(van, 7, now_s) < 0.01:
            odd = now_s % 2 == 1
            extras.append(
                _extra(reading, "location", latitude_deg=0.0, longitude_deg=longitude if odd else 0.0),
            )
        return extras

    def _after(self, van: int, reading: Reading) -> list[Reading]:
        """Duplicates of this reading, sent immediately or later, and old readings."""
        extras: list[Reading] = []
        if self._strikes("duplicates", van):
            draw = self._chance(van, 11, self._vans.time_s)
            if draw < 0.02:
                extras.append(dict(reading))
            elif draw < 0.03:
                self._echoes.append((self._vans.time_s + ECHO_S, dict(reading)))
        if self._strikes("stale", van):
            kept = self._kept.get(van)
            if kept is None:
                self._kept[van] = (self._vans.time_s, dict(reading))
            elif self._vans.time_s - kept[0] > HALF_HOUR_S:
                extras.append(dict(kept[1]))
                del self._kept[van]
        self.extras += len(extras)
        return extras


def _extra(reading: Reading, kind: str, **values: Any) -> Reading:
    return {"vehicle_id": reading["vehicle_id"], "kind": kind, "time": reading["time"] - BEFORE_MS, **values}
