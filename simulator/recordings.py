"""Recorded drives as messages: they are read, put in sequence, and shifted in time so that they end now.

Formats: `twizy` (RSK Twizy EV Dataset), `i3` (Battery and Heating Data in Real Driving Cycles, TU Munich), `native`
(JSON lines: native payloads with their `vehicle_id`, or objects with `topic` and `payload`) and `journal`.
"""

import csv
import datetime
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from simulator.dialects import make_encoder
from simulator.journals import JournalUnreadable, read_journal
from simulator.recorded_vans import Timed, with_faults
from simulator.streets import METRES_PER_DEGREE

FORMATS: Final = ("twizy", "i3", "native", "journal")

REST_BEFORE_S: Final = 120
REST_AFTER_S: Final = 600
REST_PERIOD_S: Final = 30
LONGEST_GAP_S: Final = 12 * 3600
"""A longer pause between two drives of a van becomes `SHORT_GAP_S`."""
SHORT_GAP_S: Final = 2 * 3600

I3_LATITUDE_DEG: Final = 48.2
"""The i3 drives have no position. Their positions follow this parallel eastwards at the recorded speed."""
I3_LONGITUDE_DEG: Final = 11.0
I3_ODOMETER_KM: Final = 10_000.0

NativeFields = dict[str, Any]
"""One native payload without its time, which is stored separately."""


class RecordingError(Exception):
    """A file cannot be read as a recording. The text states the reason."""


@dataclass
class Recording:
    """One recorded drive: rows in the order of time. `start_ms` is its beginning by its own clock."""

    path: Path
    vehicle_id: str
    start_ms: int
    rows: list[tuple[int, NativeFields]]
    rests: bool = True
    """Whether unrecorded rests before and after the drive are added."""
    laid_out: bool = False
    """Whether position and odometer were computed. They then continue from the end of the previous drive."""

    @property
    def duration_ms(self) -> int:
        """Time from the first row to the last."""
        return self.rows[-1][0] - self.rows[0][0] if self.rows else 0


@dataclass(frozen=True)
class Thinning:
    """The data to remove from a recording, so that an estimate can be compared with it."""

    period_s: float | None = None
    soc_step_pct: float | None = None
    hidden: frozenset[str] = frozenset()

    def rows(self, rows: list[tuple[int, NativeFields]]) -> Iterator[tuple[int, NativeFields]]:
        """The remaining rows: the first, one per period, the last, and the last with a state of charge."""
        due_ms = -math.inf
        last = len(rows) - 1
        last_soc = max((i for i, (_, row) in enumerate(rows) if row.get("soc_pct") is not None), default=last)
        for i, (time_ms, row) in enumerate(rows):
            if self.period_s is not None and i not in (last, last_soc):
                if time_ms < due_ms:
                    continue
                due_ms = time_ms + self.period_s * 1000.0
            yield time_ms, self._row(row)

    def _row(self, row: NativeFields) -> NativeFields:
        if self.hidden:
            row = {name: value for name, value in row.items() if name not in self.hidden}
        if self.soc_step_pct is not None and isinstance(row.get("soc_pct"), float):
            steps = math.floor(row["soc_pct"] / self.soc_step_pct + 0.5)
            row = {**row, "soc_pct": round(steps * self.soc_step_pct, 6)}
        return row


def load(path: Path, *, format_name: str | None = None, vehicle_id: str | None = None) -> list[Recording]:
    """Read one file. A file with several vans gives several recordings. Raises `RecordingError`."""
    try:
        name = format_name or _recognise(path)
        recordings = _READERS[name](path)
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror or error}") from error
    except (KeyError, ValueError, csv.Error, msgspec.DecodeError, JournalUnreadable) as error:
        raise RecordingError(f"{path}: {error}") from error
    recordings = [recording for recording in recordings if recording.rows]
    if not recordings:
        raise RecordingError(f"{path}: no readings in it")
    if vehicle_id is not None:
        for recording in recordings:
            recording.vehicle_id = vehicle_id
    return recordings


def timeline(
    recordings: Iterable[Recording],
    *,
    end_ms: int,
    thinning: Thinning | None = None,
    prefix: str = "vans",
    dialect: str = "native",
    faults: Sequence[str] = (),
    seed: int = 1,
) -> list[tuple[int, tuple[str, bytes]]]:
    """All messages with their sending times, in the order of time. The last message of every van is at `end_ms`.

    Drives of one van follow each other in the order of their dates. Pauses of up to 12 hours keep their length.
    `faults` are those of `simulator.faults`; the same seed gives the same faults. Raises ValueError for an unknown
    fault.
    """
    by_van: dict[str, list[Recording]] = {}
    for recording in recordings:
        by_van.setdefault(recording.vehicle_id, []).append(recording)
    readings: list[Timed] = []
    for vehicle_id, drives in by_van.items():
        rows = _one_after_the_other(sorted(drives, key=lambda drive: drive.start_ms), thinning or Thinning())
        shift_ms = end_ms - rows[-1][0]
        for time_ms, row in rows:
            at_ms = time_ms + shift_ms
            kind = row.get("kind") or _kind(row)
            readings.append((at_ms, {"vehicle_id": vehicle_id, "time": at_ms, **row, "kind": kind}))
    readings.sort(key=lambda reading: reading[0])
    encode = make_encoder(dialect, prefix=prefix).encode
    sent = with_faults(readings, faults, seed=seed) if faults else readings
    return [(time_ms, message) for time_ms, reading in sent for message in encode([reading])]


def _one_after_the_other(drives: list[Recording], thinning: Thinning) -> list[tuple[int, NativeFields]]:
    """The rows of all drives on one time axis that begins at 0."""
    line: list[tuple[int, NativeFields]] = []
    end_ms = 0
    previous: Recording | None = None
    for drive in drives:
        if previous is not None:
            gap_ms = drive.start_ms - (previous.start_ms + previous.duration_ms)
            shortest_ms = (REST_BEFORE_S + REST_AFTER_S + 300) * 1000
            if not shortest_ms <= gap_ms <= LONGEST_GAP_S * 1000:
                gap_ms = SHORT_GAP_S * 1000
            end_ms += gap_ms if previous.rests or drive.rests else max(gap_ms, 0)
        rows = list(thinning.rows(drive.rows))
        if drive.laid_out:
            rows = _moved_on(rows, line[-1][1] if line else None)
        shift_ms = end_ms - rows[0][0]
        if drive.rests:
            line += [(end_ms - s * 1000, _at_rest(rows[0][1])) for s in range(REST_BEFORE_S, 0, -REST_PERIOD_S)]
        line += [(time_ms + shift_ms, row) for time_ms, row in rows]
        end_ms = rows[-1][0] + shift_ms
        if drive.rests:
            after = range(REST_PERIOD_S, REST_AFTER_S + 1, REST_PERIOD_S)
            line += [(end_ms + s * 1000, _at_rest(rows[-1][1])) for s in after]
        previous = drive
    return line


def _moved_on(rows: list[tuple[int, NativeFields]], before: NativeFields | None) -> list[tuple[int, NativeFields]]:
    """The same drive, shifted to the end of the previous one."""
    if before is None:
        return rows
    moved = list(rows)
    for name in ("odometer_km", "longitude_deg"):
        if name in before and name in rows[0][1]:
            offset = before[name] - rows[0][1][name]
            moved = [(time_ms, {**row, name: round(row[name] + offset, 7)}) for time_ms, row in moved]
    return moved


def _at_rest(row: NativeFields) -> NativeFields:
    """The same row without speed and power."""
    still: NativeFields = {name: 0.0 for name in ("speed_kmh", "battery_power_kw", "current_a") if name in row}
    return {**row, **still}


def _kind(row: NativeFields) -> str:
    position = "latitude_deg" in row and "longitude_deg" in row
    if "soc_pct" in row:
        return "telemetry" if position else "soc"
    return "location" if position else "load"


def _recognise(path: Path) -> str:
    """The format, recognised by the beginning of the file."""
    with path.open("rb") as file:
        head = file.read(200)
    if head.startswith(b"SQLite format 3"):
        return "journal"
    if head.startswith(b"Date,Time,Soc,"):
        return "twizy"
    if head.startswith(b"time_s,speed_kmh,"):
        return "i3"
    if head.lstrip().startswith(b"{"):
        return "native"
    raise RecordingError(f"{path}: not a known recording; give --format {'|'.join(FORMATS)}")


def _table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file. Missing cells are empty."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, restval=""))


def _read_twizy(path: Path) -> list[Recording]:
    """Read a Twizy file. Some of its dates are corrupt, so the most frequent date is used for all rows."""
    table = _table(path)
    if not table:
        return []
    month, day, year = (int(part) for part in Counter(row["Date"] for row in table).most_common(1)[0][0].split("/"))
    midnight = datetime.datetime(year, month, day, tzinfo=datetime.UTC)
    rows: list[tuple[int, NativeFields]] = []
    day_ms = 0
    before_ms = -1
    for row in table:
        hours, minutes, seconds = (int(part) for part in row["Time"].split(":"))
        at_ms = ((hours * 60 + minutes) * 60 + seconds) * 1000
        if at_ms + day_ms < before_ms - 43_200_000:
            day_ms += 86_400_000
        before_ms = at_ms + day_ms
        rows.append(
            (
                before_ms,
                {
                    "soc_pct": float(row["Soc"]),
                    "latitude_deg": float(row["LAT"]),
                    "longitude_deg": float(row["LON"]),
                    "altitude_m": float(row["ALT"]),
                    "speed_kmh": float(row["Speed"]),
                    "ambient_temp_c": float(row["Temperature"]),
                },
            )
        )
    start_ms = int(midnight.timestamp() * 1000) + rows[0][0]
    return [Recording(path, f"twizy-{path.stem.split('_')[0].lower()}", start_ms, rows)]


_I3_FIELDS: Final = {
    "speed_kmh": "speed_kmh",
    "elevation_m": "altitude_m",
    "voltage_v": "voltage_v",
    "current_a": "current_a",
    "power_kw": "battery_power_kw",
    "battery_temp_c": "battery_temp_c",
    "soc_pct": "soc_pct",
    "ambient_c": "ambient_temp_c",
}


def _read_i3(path: Path) -> list[Recording]:
    """Read an i3 file. Positions follow a parallel. The recordings have no date, so their names give the order."""
    table = _table(path)
    metres = 0.0
    before_s: float | None = None
    rows: list[tuple[int, NativeFields]] = []
    degrees_per_metre = 1.0 / (METRES_PER_DEGREE * math.cos(math.radians(I3_LATITUDE_DEG)))
    for row in table:
        fields = {ours: float(row[theirs]) for theirs, ours in _I3_FIELDS.items() if row[theirs]}
        at_s = float(row["time_s"])
        if before_s is not None:
            metres += fields.get("speed_kmh", 0.0) / 3.6 * (at_s - before_s)
        before_s = at_s
        fields["latitude_deg"] = I3_LATITUDE_DEG
        fields["longitude_deg"] = round(I3_LONGITUDE_DEG + metres * degrees_per_metre, 7)
        fields["odometer_km"] = round(I3_ODOMETER_KM + metres / 1000.0, 4)
        rows.append((round(at_s * 1000), fields))
    number = re.search(r"([AB])(\d+)$", path.stem)
    order = (ord(number[1]) - 65) * 1000 + int(number[2]) if number else 0
    return [Recording(path, "i3", order * 7 * 86_400_000, rows, laid_out=True)]


def _read_native(path: Path) -> list[Recording]:
    with path.open("rb") as file:
        lines = [msgspec.json.decode(line, type=dict[str, Any]) for line in file if line.strip()]
    return _from_payloads(path, ((line.pop("topic", None), line.get("payload", line)) for line in lines))


def _read_journal(path: Path) -> list[Recording]:
    def payloads() -> Iterator[tuple[str | None, Any]]:
        for topic, payload in read_journal(path):
            try:
                yield topic, msgspec.json.decode(payload)
            except msgspec.DecodeError:
                continue

    return _from_payloads(path, payloads())


def _from_payloads(path: Path, payloads: Iterable[tuple[str | None, Any]]) -> list[Recording]:
    """Native payloads by van. Other payloads are left out."""
    vans: dict[str, list[tuple[int, NativeFields]]] = {}
    for topic, payload in payloads:
        levels = topic.split("/") if topic else []
        for element in payload if isinstance(payload, list) else [payload]:
            if not isinstance(element, dict):
                continue
            row = dict(element)
            time_ms = _time_ms(row.pop("time", None))
            vehicle_id = row.pop("vehicle_id", None) or (levels[-2] if len(levels) > 2 else None)
            if len(levels) > 2:
                row["kind"] = levels[-1]
            if time_ms is not None and isinstance(vehicle_id, str):
                vans.setdefault(vehicle_id, []).append((time_ms, row))
    recordings = []
    for vehicle_id, rows in vans.items():
        rows.sort(key=lambda row: row[0])
        recordings.append(Recording(path, vehicle_id, rows[0][0], rows, rests=False))
    return recordings


def _time_ms(value: Any) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        try:
            moment = datetime.datetime.fromisoformat(value)
        except ValueError:
            return None
        return round(moment.timestamp() * 1000) if moment.tzinfo else None
    return None


_READERS: Final[dict[str, Callable[[Path], list[Recording]]]] = {
    "twizy": _read_twizy,
    "i3": _read_i3,
    "native": _read_native,
    "journal": _read_journal,
}
