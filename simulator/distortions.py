"""Faults that change values of a reading as a van with that fault would send them. The reading is still valid."""

from collections.abc import Callable
from math import cos, sin
from typing import Any, Final, Protocol

from simulator.chance import Keys, one
from simulator.reports import Reading
from simulator.van_states import Activity

CHANCE: Final = 600
"""First number of the random draws for single events. The number of the purpose is added."""
FIX_HELD_MS: Final = 15_000
BEHIND_KM: Final = 0.6
"""By how much the second source of the odometer is behind."""
ASLEEP_S: Final = 1800
"""The control unit of a van sleeps after the van has been parked for this long."""
CHARGER_EFFICIENCY: Final = 0.89
"""Battery energy over grid energy, for a charger that reports grid power (ADAC 2022: 6 to 10 % loss at 11 kW)."""
LARGEST_KW: Final = 999.0
METRES_PER_DEGREE: Final = 111_195.0


class ByVan(Protocol):
    """A value per van, by the number of the van."""

    def __getitem__(self, van: int, /) -> Any:
        """The value of this van."""
        ...


class ObservedVans(Protocol):
    """The state of vans that faults depend on. The simulated fleet has it, and so have recorded vans."""

    @property
    def keys(self) -> Keys:
        """The key of each van for random numbers."""
        ...

    @property
    def ids(self) -> list[str]:
        """The vans' names."""
        ...

    @property
    def time_s(self) -> int:
        """The present second."""
        ...

    @property
    def activity(self) -> ByVan:
        """The `Activity` of each van."""
        ...

    @property
    def day(self) -> ByVan:
        """The number of each van's working day."""
        ...

    @property
    def charging(self) -> ByVan:
        """Whether energy flows from a charger."""
        ...


class Distortions:
    """All distortions by name. Some depend on earlier readings of the van."""

    def __init__(self, vans: ObservedVans, strikes: Callable[[str, int], bool]) -> None:
        """`strikes` says whether a van has the fault of this name."""
        self._vans = vans
        self._strikes = strikes
        self._keys: list[int] = vans.keys.tolist()
        self._fixes: dict[int, Reading] = {}
        self._kept: dict[tuple[str, int], Any] = {}
        self._parked_s: dict[int, int] = {}
        self._heard_s: dict[int, int] = {}
        self._woken: set[int] = set()
        self._by_name: tuple[tuple[str, Callable[[int, Reading], None]], ...] = (
            ("soc-steps", _soc_steps),
            ("full-early", _full_early),
            ("soc-frozen", self._soc_frozen),
            ("soc-zero-asleep", self._soc_zero_asleep),
            ("repeated-fixes", self._repeated_fix),
            ("drift", self._drift),
            ("gps-noise", self._gps_noise),
            ("speed-kept", self._speed_kept),
            ("odometer-reset", self._odometer_reset),
            ("odometer-saturated", self._odometer_saturated),
            ("odometer-two-sources", self._odometer_two_sources),
            ("odometer-whole", _odometer_whole),
            ("odometer-zero-off", self._odometer_zero_off),
            ("charger-whole-kw", self._charger_whole_kw),
            ("frozen-power", self._frozen_power),
            ("swapped-sign", _swapped_sign),
            ("power-unit", self._power_unit),
            ("counter-zero", self._counter_zero),
            ("flag-while-driving", _flag_while_driving),
            ("flag-flicker", self._flag_flicker),
        )

    def apply(self, van: int, reading: Reading) -> None:
        """Apply the faults of this van to its reading."""
        self._notice(van)
        for name, distort in self._by_name:
            if self._strikes(name, van):
                distort(van, reading)

    def _chance(self, van: int, purpose: int, count: int) -> float:
        return one(self._keys[van], CHANCE + purpose, count)

    def _parked(self, van: int) -> bool:
        return bool(self._vans.activity[van] == Activity.PARKED)

    def _notice(self, van: int) -> None:
        """Note that a van has sent a reading. After a silence this means that it has been woken up."""
        now_s = self._vans.time_s
        if not self._parked(van):
            self._parked_s.pop(van, None)
            self._woken.discard(van)
        elif now_s - self._heard_s.get(van, now_s) > ASLEEP_S:
            self._woken.add(van)
        else:
            self._parked_s.setdefault(van, now_s)
        self._heard_s[van] = now_s

    def _off_s(self, van: int) -> int | None:
        """Seconds since the van was parked; None if it is not parked or has been woken up."""
        since_s = self._parked_s.get(van)
        return None if since_s is None or van in self._woken else self._vans.time_s - since_s

    # ── state of charge ───────────────────────────────────────────────────────────────────────────────────────────

    def _soc_frozen(self, van: int, reading: Reading) -> None:
        if "soc_pct" not in reading:
            return
        if self._parked(van) or self._vans.charging[van]:
            self._kept["soc", van] = reading["soc_pct"]
        else:
            reading["soc_pct"] = self._kept.setdefault(("soc", van), reading["soc_pct"])

    def _soc_zero_asleep(self, van: int, reading: Reading) -> None:
        off_s = self._off_s(van)
        if "soc_pct" in reading and off_s is not None and off_s >= ASLEEP_S and not self._vans.charging[van]:
            reading["soc_pct"] = 0.0

    # ── position and speed ────────────────────────────────────────────────────────────────────────────────────────

    def _repeated_fix(self, van: int, reading: Reading) -> None:
        if "latitude_deg" not in reading:
            return
        fix = self._fixes.get(van)
        if fix is None or reading["time"] - fix["time"] >= FIX_HELD_MS:
            names = ("time", "latitude_deg", "longitude_deg", "altitude_m")
            self._fixes[van] = {name: reading[name] for name in names if name in reading}
            return
        reading.update({name: value for name, value in fix.items() if name != "time"})

    def _drift(self, van: int, reading: Reading) -> None:
        if "latitude_deg" not in reading or reading.get("speed_kmh", 0.0) > 0.0:
            return
        angle = reading["time"] / 1000.0 / 140.0 + van
        reading["latitude_deg"] = round(reading["latitude_deg"] + 0.00014 * sin(angle), 6)
        reading["longitude_deg"] = round(reading["longitude_deg"] + 0.00017 * cos(1.3 * angle), 6)

    def _gps_noise(self, van: int, reading: Reading) -> None:
        """A parked van is a few metres off. In some half minutes it seems to move: 25 to 44 m away, at 8 to 14 km/h."""
        if "latitude_deg" not in reading or not self._parked(van):
            return
        second = reading["time"] // 1000
        window = second // 30
        moves = self._chance(van, 20, window) < 0.03
        distance_m = 25.0 + 19.0 * self._chance(van, 21, window) if moves else 9.0 * self._chance(van, 22, second)
        angle = 6.283 * self._chance(van, 23, window if moves else second)
        latitude = reading["latitude_deg"]
        reading["latitude_deg"] = round(latitude + distance_m * sin(angle) / METRES_PER_DEGREE, 6)
        east_deg = distance_m * cos(angle) / METRES_PER_DEGREE / cos(latitude * 0.0174533)
        reading["longitude_deg"] = round(reading["longitude_deg"] + east_deg, 6)
        draw = self._chance(van, 24, second)
        reading["speed_kmh"] = round(8.0 + 6.4 * draw, 1) if moves else (0.0, 0.0, 0.9, 1.9)[int(4.0 * draw)]

    def _speed_kept(self, van: int, reading: Reading) -> None:
        if "speed_kmh" not in reading:
            return
        if self._parked(van):
            reading["speed_kmh"] = self._kept.get(("speed", van), 0.0)
        elif reading["speed_kmh"] > 0.0:
            self._kept["speed", van] = reading["speed_kmh"]

    # ── odometer ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _odometer_from(self, van: int, reading: Reading) -> float | None:
        """The odometer value from which on it is wrong. It is drawn while the van drives."""
        origin: float | None = self._kept.get(("odometer", van))
        driving = "odometer_km" in reading and reading.get("speed_kmh", 0.0) > 0.0
        if origin is None and driving and self._chance(van, 1, self._vans.time_s // 60) <= 0.03:
            origin = self._kept["odometer", van] = reading["odometer_km"]
        return origin

    def _odometer_reset(self, van: int, reading: Reading) -> None:
        origin = self._odometer_from(van, reading)
        if origin is not None and "odometer_km" in reading:
            reading["odometer_km"] = round(max(reading["odometer_km"] - origin, 0.0), 2)

    def _odometer_saturated(self, van: int, reading: Reading) -> None:
        largest = self._odometer_from(van, reading)
        if largest is not None and "odometer_km" in reading:
            reading["odometer_km"] = min(reading["odometer_km"], largest)

    def _odometer_two_sources(self, van: int, reading: Reading) -> None:
        """Every fourth value comes from a source that is behind."""
        if "odometer_km" in reading:
            count = self._kept["odometers", van] = self._kept.get(("odometers", van), 0) + 1
            if count % 4 == 0:
                reading["odometer_km"] = round(max(reading["odometer_km"] - BEHIND_KM, 0.0), 2)

    def _odometer_zero_off(self, van: int, reading: Reading) -> None:
        if "odometer_km" in reading and self._off_s(van) is not None:
            reading["odometer_km"] = 0.0

    # ── power, counters and flags ─────────────────────────────────────────────────────────────────────────────────

    def _charger_whole_kw(self, van: int, reading: Reading) -> None:
        if "battery_power_kw" in reading:
            power = max(reading["battery_power_kw"], 0.0) if self._vans.charging[van] else 0.0
            reading["charger_power_kw"] = float(int(power / CHARGER_EFFICIENCY))

    def _frozen_power(self, van: int, reading: Reading) -> None:
        if "battery_power_kw" not in reading:
            return
        names = ("battery_power_kw", "current_a")
        if self._vans.charging[van]:
            self._kept["power", van] = {name: reading[name] for name in names if name in reading}
        else:
            reading.update(self._kept.get(("power", van), {}))

    def _power_unit(self, van: int, reading: Reading) -> None:
        """Half of the vans send power in units of 100 W, the others a thousand times too low."""
        if "battery_power_kw" in reading:
            factor = 10.0 if self._chance(van, 25, 0) < 0.5 else 0.001
            power = reading["battery_power_kw"] * factor
            reading["battery_power_kw"] = round(max(-LARGEST_KW, min(LARGEST_KW, power)), 5)

    def _counter_zero(self, van: int, reading: Reading) -> None:
        """The counters of a new van, which sometimes read 0."""
        zero = self._chance(van, 26, reading["time"] // 10_000) < 0.004
        for name, young_kwh in (("energy_out_total_kwh", 180.0), ("energy_in_total_kwh", 60.0)):
            if name in reading:
                first = self._kept.setdefault((name, van), reading[name])
                reading[name] = 0.0 if zero else round(reading[name] - first + young_kwh, 3)

    def _flag_flicker(self, van: int, reading: Reading) -> None:
        if reading.get("charging") and self._chance(van, 27, reading["time"] // 1000) < 0.05:
            reading["charging"] = False


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
