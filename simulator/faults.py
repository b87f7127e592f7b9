"""What goes wrong in real vans, each by its name, put into the readings of simulated ones.

Three kinds. *Distortions* change values of a reading as a van with that fault would send them; the reading stays a
good one. *Extras* are messages more: wrong ones, foreign ones, old ones; each lies between two good readings in time,
so that whoever drops it loses nothing. *Delays* hold readings back: for minutes, to be sent later as an array, or for
good, while a van is offline at its depot. No fault takes the place of a good reading.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from simulator.chance import one, unit
from simulator.fleet import Fleet, Mode
from simulator.hostile import HOSTILE_PAYLOADS
from simulator.reports import Reading

PURPOSE: Final = 500
"""Draws for faults; the number of the fault is added."""
HALF_HOUR_S: Final = 1800
BEFORE_MS: Final = 100
"""An extra comes this long before the good reading it goes with."""
DELIVERIES: Final = ("load", "drop")
"""Kinds that no sensor sends: they are not distorted."""
SLEPT_MS: Final = 120_000
FIX_HELD_MS: Final = 15_000
ECHO_S: Final = 30
SHARE_OF_ALL: Final = 0.3
"""With `all`, each fault strikes this share of the vans; alone it strikes every van."""

WHEN: Final = {
    "soc-steps": "the state of charge comes in whole percents",
    "wake-up-zero": "a van that wakes up says 0 % first",
    "sentinels": "255 and 65535 where a value is not known",
    "repeated-fixes": "the same position for up to 15 s while the van drives on",
    "teleports": "a position far away, and one off the earth, between good ones",
    "zero-position": "0, 0; and latitude 0 with the right longitude",
    "drift": "the position of a parked van wanders",
    "late-batches": "silent for minutes, then everything at once, in an array",
    "duplicates": "a message again: at once, or half a minute later",
    "clock-skew": "a clock that is up to 90 s wrong",
    "local-time": "a time with a two-digit year and without a zone",
    "odometer-reset": "the odometer begins again at 0",
    "odometer-whole": "the odometer comes in whole kilometres",
    "swapped-sign": "power and current with the wrong sign",
    "frozen-power": "power stays at its last charging value while the van drives",
    "flag-while-driving": "the charging flag is set while the van drives",
    "full-early": "100 % is shown from 99.35 % on",
    "offline-charge": "silent from the return to the depot to the next departure, and charged then",
    "stale": "an old reading again, as a retained message would bring it",
    "hostile": "payloads that are no reading: cut, mistyped, out of range, foreign, huge",
}
"""Every fault by name, and what is seen."""
NAMES: Final = tuple(WHEN)


class Faults:
    """Puts faults into readings, second by second. Counts what it did."""

    def __init__(self, names: list[str], fleet: Fleet) -> None:
        """`names` are those of `WHEN`, or "all"; a wrong one is a ValueError."""
        everything = names == ["all"]
        chosen = NAMES if everything else tuple(names)
        unknown = [name for name in chosen if name not in WHEN]
        if unknown:
            raise ValueError(f"unknown fault {', '.join(unknown)}; known are all, {', '.join(NAMES)}")
        self._fleet = fleet
        self._keys: list[int] = fleet.keys.tolist()
        self._vans = {vehicle_id: van for van, vehicle_id in enumerate(fleet.ids)}
        share = SHARE_OF_ALL if everything else 1.0
        struck = {name: unit(fleet.keys, PURPOSE + NAMES.index(name)) < share for name in chosen}
        self._struck: dict[str, list[bool]] = {name: vans.tolist() for name, vans in struck.items()}
        if "swapped-sign" in self._struck and "frozen-power" in self._struck:
            both = self._struck["frozen-power"]
            self._struck["frozen-power"] = [
                frozen and not swapped for frozen, swapped in zip(both, self._struck["swapped-sign"], strict=True)
            ]
        self._skew_ms = np.round(1000.0 * (180.0 * unit(fleet.keys, PURPOSE + 90) - 90.0)).astype(np.int64)
        self._last_ms: dict[tuple[int, str], int] = {}
        self._fixes: dict[int, Reading] = {}
        self._powers: dict[int, tuple[float, float]] = {}
        self._held: dict[int, list[Reading]] = {}
        self._echoes: list[tuple[int, Reading]] = []
        self._kept: dict[int, tuple[int, Reading]] = {}
        self.good = 0
        """Readings that a correct receiver takes."""
        self.extras = 0
        """Messages that it refuses or counts as repeated."""
        self.silenced = 0
        """Readings that were never sent."""
        self._distortions: tuple[tuple[str, Callable[[int, Reading], None]], ...] = (
            ("soc-steps", _soc_steps),
            ("full-early", _full_early),
            ("repeated-fixes", self._repeated_fix),
            ("drift", self._drift),
            ("odometer-reset", self._odometer_reset),
            ("odometer-whole", _odometer_whole),
            ("frozen-power", self._frozen_power),
            ("swapped-sign", _swapped_sign),
            ("flag-while-driving", _flag_while_driving),
        )

    def apply(self, readings: list[Reading]) -> list[Reading]:
        """What is sent in this second instead of these readings."""
        sent: list[Reading] = []
        for reading in readings:
            van = self._vans[reading["vehicle_id"]]
            if self._offline(van):
                self.silenced += 1
                continue
            if reading["kind"] not in DELIVERIES:
                for name, distort in self._distortions:
                    if self._strikes(name, van):
                        distort(van, reading)
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
        now_s = self._fleet.time_s
        while self._echoes and self._echoes[0][0] <= now_s:
            sent.append(self._echoes.pop(0)[1])
            self.extras += 1
        return sent

    def remaining(self) -> list[Reading]:
        """What is still held back, when the simulation ends."""
        return [batch for van in sorted(self._held) for batch in self._released(van)]

    def _strikes(self, name: str, van: int) -> bool:
        struck = self._struck.get(name)
        return struck is not None and struck[van]

    def _chance(self, van: int, purpose: int, count: int) -> float:
        return one(self._keys[van], PURPOSE + 100 + purpose, count)

    # ── distortions that remember something ───────────────────────────────────────────────────────────────────────

    def _repeated_fix(self, van: int, reading: Reading) -> None:
        if "latitude_deg" not in reading:
            return
        fix = self._fixes.get(van)
        if fix is None or reading["time"] - fix["time"] >= FIX_HELD_MS:
            self._fixes[van] = {name: reading[name] for name in ("time", "latitude_deg", "longitude_deg", "altitude_m")}
            return
        reading.update({name: fix[name] for name in ("latitude_deg", "longitude_deg", "altitude_m")})

    def _drift(self, van: int, reading: Reading) -> None:
        if "latitude_deg" not in reading or reading["speed_kmh"] > 0.0 or self._strikes("repeated-fixes", van):
            return
        angle = reading["time"] / 1000.0 / 140.0 + van
        reading["latitude_deg"] = round(reading["latitude_deg"] + 0.00014 * float(np.sin(angle)), 6)
        reading["longitude_deg"] = round(reading["longitude_deg"] + 0.00017 * float(np.cos(1.3 * angle)), 6)

    def _odometer_reset(self, van: int, reading: Reading) -> None:
        """From one of the first half hours of driving on, counted from there."""
        if "odometer_km" not in reading:
            return
        origin = self._powers.get(-1 - van)
        if origin is None:
            if reading["speed_kmh"] <= 0.0 or self._chance(van, 1, self._fleet.time_s // 60) > 0.03:
                return
            self._powers[-1 - van] = origin = (reading["odometer_km"], 0.0)
        reading["odometer_km"] = round(max(reading["odometer_km"] - origin[0], 0.0), 2)

    def _frozen_power(self, van: int, reading: Reading) -> None:
        if "battery_power_kw" not in reading:
            return
        if self._fleet.charging[van]:
            self._powers[van] = (reading["battery_power_kw"], reading.get("current_a", 0.0))
        elif van in self._powers:
            power, current = self._powers[van]
            reading["battery_power_kw"] = power
            if "current_a" in reading:
                reading["current_a"] = current

    # ── delays ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _offline(self, van: int) -> bool:
        fleet = self._fleet
        if not self._strikes("offline-charge", van) or fleet.mode[van] != Mode.PARKED:
            return False
        return self._chance(van, 2, int(fleet.day[van])) < 0.7

    def _holding(self, van: int) -> bool:
        """In the first minutes of every third half hour, while the van is out."""
        if not self._strikes("late-batches", van) or self._fleet.mode[van] == Mode.PARKED:
            return False
        window, second = divmod(self._fleet.time_s, HALF_HOUR_S)
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
        """Wrong messages that come just before a good one."""
        kind = reading["kind"]
        if kind in DELIVERIES:
            return []
        now_s = self._fleet.time_s
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
        """The same again, at once or later; or something old."""
        extras: list[Reading] = []
        if self._strikes("duplicates", van):
            draw = self._chance(van, 11, self._fleet.time_s)
            if draw < 0.02:
                extras.append(dict(reading))
            elif draw < 0.03:
                self._echoes.append((self._fleet.time_s + ECHO_S, dict(reading)))
        if self._strikes("stale", van):
            kept = self._kept.get(van)
            if kept is None:
                self._kept[van] = (self._fleet.time_s, dict(reading))
            elif self._fleet.time_s - kept[0] > HALF_HOUR_S:
                extras.append(dict(kept[1]))
                del self._kept[van]
        self.extras += len(extras)
        return extras


def _extra(reading: Reading, kind: str, **values: Any) -> Reading:
    return {"vehicle_id": reading["vehicle_id"], "kind": kind, "time": reading["time"] - BEFORE_MS, **values}


def _soc_steps(van: int, reading: Reading) -> None:
    if "soc_pct" in reading:
        reading["soc_pct"] = float(round(reading["soc_pct"]))


def _full_early(van: int, reading: Reading) -> None:
    if reading.get("soc_pct", 0.0) >= 99.35:
        reading["soc_pct"] = 100.0


def _odometer_whole(van: int, reading: Reading) -> None:
    if "odometer_km" in reading:
        reading["odometer_km"] = float(int(reading["odometer_km"]))


def _swapped_sign(van: int, reading: Reading) -> None:
    for name in ("battery_power_kw", "current_a"):
        if name in reading:
            reading[name] = -reading[name]


def _flag_while_driving(van: int, reading: Reading) -> None:
    if reading.get("speed_kmh", 0.0) > 0.0 and "charging" in reading:
        reading["charging"] = True
