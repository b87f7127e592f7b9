"""Recorded drives, their true values, and sequences of recorded drives with nights and charges in between.

Only the drives are recorded. This module adds the time between them: the van stands, charges at constant power up to
the state of charge at which the next recorded drive begins, sleeps, is silent, and wakes up.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NamedTuple

from simulator.recordings import NativeFields, Recording, load

DATA: Final = Path(__file__).parents[2].parent / "shared" / "data"
I3_KWH: Final = 22.2
"""Usable energy of the i3's pack between 0 and 100 % of true charge, at the middle of its curve."""
TWIZY_KWH: Final = 6.1
POWER: Final = frozenset({"battery_power_kw", "voltage_v", "current_a"})

CURVE_PER_PCT: Final = 0.0019
"""kWh per % increase by this share for each % above 55 (58 drives of a BMW i3)."""
STORED_SHARE: Final = 0.97
"""Share of the charged energy that can be used (round trip of FASTSim)."""
YOUNG_KM: Final = 500.0
"""What the odometer of the i3 shows at first: little enough for a silence of hours to make it look driven."""
REST_S: Final = 600
REST_PERIOD_S: Final = 30
CHARGE_PERIOD_S: Final = 60
ASLEEP_S: Final = 5 * 3600
ASLEEP_PERIOD_S: Final = 300
NIGHT_S: Final = 6 * 3600
LEAST_RISE_PCT: Final = 0.3
"""A smaller rise causes no charge. The next drive then begins at the state of charge of the previous end."""


class DriveTruth(NamedTuple):
    """True values of one van, from its recorded drives. `charged_kwh` and `parked_h` come from the added time."""

    distance_km: float = 0.0
    net_kwh: float = 0.0
    """Energy out of the battery on drives, minus the energy that came back."""
    regenerated_kwh: float = 0.0
    charged_kwh: float = 0.0
    parked_h: float = 0.0
    drives: int = 0
    charges: int = 0


class RecordedVan(NamedTuple):
    """A van with some of the recorded drives."""

    recording: Recording
    truth: DriveTruth


def i3_recordings() -> list[Recording]:
    """All drives of the BMW i3."""
    return [recording for file in sorted((DATA / "i3").glob("Trip*.csv")) for recording in load(file)]


def twizy_recordings() -> list[Recording]:
    """All drives of the Renault Twizy."""
    return [recording for file in sorted((DATA / "twizy").glob("*.csv")) for recording in load(file)]


def distance_km(recording: Recording) -> float:
    """Distance: the recorded speed, integrated by trapezoids."""
    return _integral(recording, lambda row: row.get("speed_kmh"))


def energy_kwh(recording: Recording) -> tuple[float, float]:
    """Recorded voltage times current, integrated by trapezoids: net energy used, and energy returned by braking."""
    net = -_integral(recording, _power_kw)
    return net, _integral(recording, lambda row: None if (power := _power_kw(row)) is None else max(power, 0.0))


def _power_kw(row: NativeFields) -> float | None:
    if row.get("voltage_v") is None or row.get("current_a") is None:
        return None
    return float(row["voltage_v"] * row["current_a"] / 1000.0)


def _integral(recording: Recording, value: Callable[[NativeFields], float | None]) -> float:
    """The integral over hours. Missing values are interpolated."""
    points = [(time_ms, found) for time_ms, row in recording.rows if (found := value(row)) is not None]
    return sum((after[1] + before[1]) / 2 * (after[0] - before[0]) / 3_600_000 for before, after in pairwise(points))


def fallen_kwh(recording: Recording, battery_kwh: float) -> float:
    """Energy from the recorded state of charge (a share of the battery), for drives without recorded power."""
    shown = [row["soc_pct"] for _, row in recording.rows if row.get("soc_pct") is not None]
    return float((shown[0] - shown[-1]) / 100.0 * battery_kwh)


def i3_vans(recordings: Sequence[Recording], *, charge_kw: float = 6.6, last_night: bool = True) -> list[RecordedVan]:
    """Assign each drive to the first van whose battery is not fuller than at the beginning of the recorded drive.

    `charge_kw` is the charging power at night. With `last_night`, a night with a full charge follows the last drive.
    """
    chains: list[list[Recording]] = []
    for recording in recordings:
        start_pct = recording.rows[0][1]["soc_pct"]
        chain = next((chain for chain in chains if _last(chain[-1], "soc_pct") <= start_pct), None)
        if chain is None:
            chains.append([recording])
        else:
            chain.append(recording)
    vans = []
    for number, chain in enumerate(chains):
        laid = _Chain(I3_KWH, charge_kw)
        for recording in chain:
            net, back = energy_kwh(recording)
            laid.drive(recording, DriveTruth(distance_km=distance_km(recording), net_kwh=net, regenerated_kwh=back))
        vans.append(laid.van(f"i3-{number}", last_night=last_night))
    return vans


def twizy_vans(
    recordings: Sequence[Recording], *, charge_kw: float = 2.0, last_night: bool = True
) -> list[RecordedVan]:
    """One van per drive, because one drive does not end where the next begins. Otherwise the same as `i3_vans`."""
    vans = []
    for number, recording in enumerate(recordings):
        laid = _Chain(TWIZY_KWH, charge_kw)
        laid.drive(recording, DriveTruth(distance_km=distance_km(recording), net_kwh=fallen_kwh(recording, TWIZY_KWH)))
        vans.append(laid.van(f"twizy-{number}", last_night=last_night))
    return vans


class _Chain:
    """A sequence of recorded drives of one van, with the time between them."""

    def __init__(self, battery_kwh: float, charge_kw: float) -> None:
        self._battery_kwh = battery_kwh
        self._charge_kw = charge_kw
        self._rows: list[tuple[int, NativeFields]] = []
        self._now_s = 0
        self._out_kwh = self._in_kwh = 0.0
        self._truth = DriveTruth()

    def drive(self, recording: Recording, truth: DriveTruth) -> None:
        """Add the next drive, after a night in which the van is charged up to the beginning of that drive."""
        first = self._moved_on(recording.rows[0][1])
        if self._rows:
            self._night(first["soc_pct"])
        self._stand(first, 120, REST_PERIOD_S)
        begin_ms, start_s = recording.rows[0][0], self._now_s + 1
        made_up = ("odometer_km", "longitude_deg") if recording.laid_out else ()
        offsets = {name: first[name] - recording.rows[0][1][name] for name in made_up}
        before_ms = begin_ms
        for time_ms, row in recording.rows:
            power = _power_kw(row) or 0.0
            hours = (time_ms - before_ms) / 3_600_000
            before_ms = time_ms
            self._count(power * hours)
            moved = {name: round(row[name] + offset, 7) for name, offset in offsets.items()}
            self._add((time_ms - begin_ms) / 1000.0 + start_s, {**row, **moved})
        self._now_s = start_s + round((recording.rows[-1][0] - begin_ms) / 1000.0)
        done = self._truth
        self._truth = done._replace(
            distance_km=done.distance_km + truth.distance_km,
            net_kwh=done.net_kwh + truth.net_kwh,
            regenerated_kwh=done.regenerated_kwh + truth.regenerated_kwh,
            drives=done.drives + 1,
        )

    def van(self, vehicle_id: str, *, last_night: bool) -> RecordedVan:
        """The van at rest, after a last night or directly after its last drive."""
        if last_night:
            self._night(100.0)
        self._stand(self._rows[-1][1], REST_S, REST_PERIOD_S)
        recording = Recording(Path(vehicle_id), vehicle_id, 0, self._rows, rests=False)
        return RecordedVan(recording, self._truth)

    def _moved_on(self, row: NativeFields) -> NativeFields:
        """Let a drive without recorded positions begin at the end of the previous one."""
        if "odometer_km" not in row:
            return row
        if not self._rows:
            return {**row, "odometer_km": YOUNG_KM}
        last = self._rows[-1][1]
        return {**row, "odometer_km": last["odometer_km"], "longitude_deg": last["longitude_deg"]}

    def _night(self, to_pct: float) -> None:
        """Add a night: the van stands, charges, sleeps and is silent."""
        start_s = self._now_s
        last = {**self._rows[-1][1], "soc_pct": _last_of(self._rows, "soc_pct")}
        self._stand(last, REST_S, REST_PERIOD_S)
        if to_pct >= last["soc_pct"] + LEAST_RISE_PCT:
            self._charge(last, to_pct)
            last = self._rows[-1][1]
        self._stand(last, ASLEEP_S, ASLEEP_PERIOD_S)
        self._now_s += NIGHT_S
        self._truth = self._truth._replace(parked_h=self._truth.parked_h + (self._now_s - start_s) / 3600.0)

    def _stand(self, row: NativeFields, seconds: int, period_s: int) -> None:
        still: NativeFields = {name: 0.0 for name in ("speed_kmh", "battery_power_kw", "current_a") if name in row}
        for _ in range(seconds // period_s):
            self._now_s += period_s
            self._add(self._now_s, {**row, **still})

    def _charge(self, row: NativeFields, to_pct: float) -> None:
        """Charge at constant power. The voltage is kept constant, because only its product with the current matters."""
        soc_pct = row["soc_pct"]
        self._truth = self._truth._replace(charges=self._truth.charges + 1)
        hours = CHARGE_PERIOD_S / 3600.0
        while soc_pct < to_pct:
            kwh_per_pct = self._battery_kwh / 100.0 * (1.0 + CURVE_PER_PCT * (soc_pct - 55.0))
            rise_pct = self._charge_kw * hours * STORED_SHARE / kwh_per_pct
            share = min(1.0, (to_pct - soc_pct) / rise_pct)
            soc_pct += share * rise_pct
            kwh = share * self._charge_kw * hours
            self._count(kwh)
            self._truth = self._truth._replace(charged_kwh=self._truth.charged_kwh + kwh)
            self._now_s += CHARGE_PERIOD_S
            powered: NativeFields = {}
            if "battery_power_kw" in row:
                volt = row["voltage_v"]
                powered |= {"battery_power_kw": self._charge_kw, "current_a": self._charge_kw * 1000.0 / volt}
            shown = round(min(soc_pct, to_pct), 1 if "battery_power_kw" in row else 2)
            self._add(self._now_s, {**row, "speed_kmh": 0.0, **powered, "soc_pct": shown}, charging=True)

    def _count(self, kwh: float) -> None:
        """What a lifetime counter would have counted."""
        self._out_kwh += max(-kwh, 0.0)
        self._in_kwh += max(kwh, 0.0)

    def _add(self, time_s: float, row: NativeFields, *, charging: bool = False) -> None:
        told: NativeFields = {"charging": charging, "plugged_in": charging}
        if "voltage_v" in row:
            told["energy_out_total_kwh"] = round(self._out_kwh, 3)
            told["energy_in_total_kwh"] = round(self._in_kwh, 3)
        self._rows.append((round(time_s * 1000), {**row, **told}))


def _last(recording: Recording, name: str) -> Any:
    return _last_of(recording.rows, name)


def _last_of(rows: Iterable[tuple[int, NativeFields]], name: str) -> Any:
    return next(row[name] for _, row in reversed(list(rows)) if row.get(name) is not None)
