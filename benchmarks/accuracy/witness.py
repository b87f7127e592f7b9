"""Compares recorded drives, replayed with each fault of real vans, with the recording.

The drives go through the agent's decoding, van core and rows, with one fault of `simulator.faults` at a time. True
values come from the recording only: battery energy is the integral of recorded voltage times current, and distance is
the integral of recorded speed. The bounds are in `knowable`. They follow from the information that a fault leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from agent.config import FleetFile, FleetSettings, VanEntry
from benchmarks.accuracy.in_process import Records, Timed, records, shard_for
from benchmarks.accuracy.knowable import GRID_SHARE, IDLE_W, RETURNED_PCT, Bounds, bounds
from benchmarks.accuracy.recorded import I3_KWH, POWER, TWIZY_KWH, DriveTruth, RecordedVan, i3_vans, twizy_vans
from simulator.faults import NAMES
from simulator.recordings import Recording, Thinning, timeline

END_MS: Final = 1_795_368_000_000
SEED: Final = 12
PERIOD_S: Final = 10.0
"""Period of readings while driving."""
TICK_MS: Final = 60_000
SLOW_CHARGE_KW: Final = 1.5
"""Battery power at 1.7 kW grid power, where a charger that reports whole kW has its largest error."""
COUNTERS: Final = frozenset({"energy_out_total_kwh", "energy_in_total_kwh"})
WANTED: Final = ("energy", "trip", "charge")


class Setting(NamedTuple):
    """How a set of drives is prepared and sent, except for the fault."""

    hidden: frozenset[str]
    dialect: str = "native"
    last_night: bool = True
    charge_kw: float | None = None


class DriveSet:
    """Drives of one kind of van, and the fields that these vans do not send."""

    def __init__(
        self,
        name: str,
        recordings: Sequence[Recording],
        make_vans: Callable[..., list[RecordedVan]],
        *,
        battery_kwh: float,
        hidden: frozenset[str],
    ) -> None:
        self.name = name
        self.battery_kwh = battery_kwh
        self._recordings = recordings
        self._make_vans = make_vans
        self._hidden = hidden
        self._vans: dict[tuple[bool, float | None], list[RecordedVan]] = {}
        self._plain: dict[Setting, list[Timed]] = {}

    def setting(self, fault: str | None) -> Setting:
        """The setting that a fault needs, such as counters that can be wrong or a charger that reports its power."""
        if fault == "counter-zero":
            return Setting(self._hidden - COUNTERS)
        if fault == "charger-whole-kw":
            return Setting(self._hidden, dialect="ovms", charge_kw=SLOW_CHARGE_KW)
        return Setting(self._hidden, last_night=fault != "offline-charge")

    def vans(self, setting: Setting) -> list[RecordedVan]:
        """The vans with their true values."""
        key = (setting.last_night, setting.charge_kw)
        if key not in self._vans:
            charge = {} if setting.charge_kw is None else {"charge_kw": setting.charge_kw}
            self._vans[key] = self._make_vans(self._recordings, last_night=setting.last_night, **charge)
        return self._vans[key]

    def messages(self, setting: Setting, fault: str | None, *, seed: int) -> list[Timed]:
        """All messages with this fault; an empty list if it changes nothing."""
        if setting not in self._plain:
            self._plain[setting] = self._timeline(setting, (), seed)
        plain = self._plain[setting]
        if fault is None:
            return plain
        sent = self._timeline(setting, (fault,), seed)
        return [] if sent == plain else sent

    def _timeline(self, setting: Setting, faults: tuple[str, ...], seed: int) -> list[Timed]:
        return timeline(
            [van.recording for van in self.vans(setting)],
            end_ms=END_MS,
            thinning=Thinning(period_s=PERIOD_S, hidden=setting.hidden),
            dialect=setting.dialect,
            faults=faults,
            seed=seed,
        )


class Found(NamedTuple):
    """Results of the agent for all vans of a set. Errors of different vans do not cancel each other."""

    distance_pct: float
    energy_pct: float
    """Error of the totals: used minus regenerated."""
    trips_pct: float
    """Error of the energy of trips."""
    charged_pct: float | None
    grid_share: float | None
    """Grid energy over the energy into the batteries."""
    idle_w: float | None
    """Mean power at night."""
    returned_pct: float
    """Regenerated energy in % of the net energy used."""
    trips: int
    charges: int


class FaultResult(NamedTuple):
    """The result for one fault and one set of drives: computed values, true values and violated bounds."""

    fault: str | None
    source: str
    found: Found
    bounds: Bounds
    truth: DriveTruth
    wrong: frozenset[str]
    """Fields of `Found` that exceed their bounds."""


def sources(i3: Sequence[Recording], twizy: Sequence[Recording]) -> list[DriveSet]:
    """The i3 with all values, the i3 without power, and the Twizy, which has neither power nor odometer."""
    return [
        DriveSet("i3", i3, i3_vans, battery_kwh=I3_KWH, hidden=COUNTERS),
        DriveSet("i3 without power", i3, i3_vans, battery_kwh=I3_KWH, hidden=COUNTERS | POWER),
        DriveSet("Twizy", twizy, twizy_vans, battery_kwh=TWIZY_KWH, hidden=frozenset()),
    ]


def judge(sources: Sequence[DriveSet], faults: Sequence[str | None] = (None, *NAMES)) -> list[FaultResult]:
    """A result for each fault and set of drives, except for sets in which the fault changes nothing."""
    rows = [replay(source, fault) for fault in faults for source in sources]
    return [row for row in rows if row is not None]


def replay(source: DriveSet, fault: str | None, *, seed: int = SEED) -> FaultResult | None:
    """Replay all drives of a set with this fault. Returns None if it changes no message."""
    setting = source.setting(fault)
    sent = source.messages(setting, fault, seed=seed)
    if not sent:
        return None
    vans = source.vans(setting)
    fleet = FleetFile(vans={van.recording.vehicle_id: VanEntry() for van in vans})
    settings = FleetSettings(battery_kwh=source.battery_kwh, payload_kg=300.0)
    shard = shard_for(settings, fleet, dialects=(setting.dialect,))
    truths = {van.recording.vehicle_id: van.truth for van in vans}
    found = compare(truths, records(shard, sent, of=WANTED, tick_ms=TICK_MS))
    truth = DriveTruth(*(sum(values) for values in zip(*truths.values(), strict=True)))
    limits = bounds(source.name, fault)
    return FaultResult(fault, source.name, found, limits, truth, wrong(found, limits, truth))


def compare(truths: Mapping[str, DriveTruth], found: Records) -> Found:
    """Compare the last totals, the trips and the charges of each van with its true values."""
    last: dict[str, dict[str, Any]] = {point["series"].vehicle_id: point for point in found["energy"]}

    def total(vehicle_id: str, name: str) -> float:
        return float(last.get(vehicle_id, {}).get(f"{name}_total") or 0.0)

    def net_kwh(vehicle_id: str) -> float:
        return total(vehicle_id, "used_kwh") - total(vehicle_id, "regenerated_kwh")

    def trips_kwh(vehicle_id: str) -> float:
        return sum(trip["energy_kwh"] or 0.0 for trip in found["trip"] if trip["series"].vehicle_id == vehicle_id)

    def error_pct(value: Callable[[str], float], true: Callable[[DriveTruth], float]) -> float:
        off = sum(abs(value(vehicle_id) - true(truth)) for vehicle_id, truth in truths.items())
        return 100.0 * off / (sum(true(truth) for truth in truths.values()) or 1.0)

    def all_vans(name: str) -> float:
        return sum(total(vehicle_id, name) for vehicle_id in truths)

    charged_kwh = all_vans("charged_kwh")
    parked_h = sum(truth.parked_h for truth in truths.values())
    has_charged = any(truth.charges for truth in truths.values())
    charged_pct = error_pct(lambda van: total(van, "charged_kwh"), lambda truth: truth.charged_kwh)
    return Found(
        distance_pct=error_pct(lambda van: total(van, "distance_km"), lambda truth: truth.distance_km),
        energy_pct=error_pct(net_kwh, lambda truth: truth.net_kwh),
        trips_pct=error_pct(trips_kwh, lambda truth: truth.net_kwh),
        charged_pct=charged_pct if has_charged else None,
        grid_share=all_vans("grid_kwh") / charged_kwh if charged_kwh else None,
        idle_w=1000.0 * all_vans("idle_kwh") / parked_h if parked_h else None,
        returned_pct=100.0 * all_vans("regenerated_kwh") / sum(truth.net_kwh for truth in truths.values()),
        trips=len(found["trip"]),
        charges=len(found["charge"]),
    )


def wrong(found: Found, limits: Bounds, truth: DriveTruth) -> frozenset[str]:
    """The names of values that exceed their bounds."""
    held = {
        "distance_pct": found.distance_pct <= limits.distance_pct,
        "energy_pct": found.energy_pct <= limits.energy_pct,
        "trips_pct": found.trips_pct <= limits.trips_pct,
        "charged_pct": found.charged_pct is None or found.charged_pct <= limits.charged_pct,
        "grid_share": found.grid_share is None or GRID_SHARE[0] <= found.grid_share <= GRID_SHARE[1],
        "idle_w": found.idle_w is None or found.idle_w <= IDLE_W,
        "returned_pct": found.returned_pct <= RETURNED_PCT,
        "trips": found.trips == truth.drives,
        "charges": found.charges <= truth.charges,
    }
    return frozenset(name for name, is_held in held.items() if not is_held)


def table(rows: Sequence[FaultResult]) -> list[str]:
    """The rows as lines. Brackets contain the allowed or true value; ! marks a value that exceeds its bound."""
    lines = [HEADER, "|" + "-" * (len(HEADER) - 2) + "|"]
    for row in rows:
        found, limits, truth = row.found, row.bounds, row.truth
        cells = {
            "distance_pct": f"{found.distance_pct:.1f} ({limits.distance_pct:g})",
            "energy_pct": f"{found.energy_pct:.1f} ({limits.energy_pct:g})",
            "trips_pct": f"{found.trips_pct:.1f} ({limits.trips_pct:g})",
            "charged_pct": "-" if found.charged_pct is None else f"{found.charged_pct:.1f} ({limits.charged_pct:g})",
            "grid_share": "-" if found.grid_share is None else f"{found.grid_share:.2f}",
            "returned_pct": f"{found.returned_pct:.0f}",
            "idle_w": "-" if found.idle_w is None else f"{found.idle_w:.0f}",
            "trips": f"{found.trips} ({truth.drives})",
            "charges": f"{found.charges} ({truth.charges})",
        }
        marked = [text + ("!" if name in row.wrong else "") for name, text in cells.items()]
        lines.append(_line(row.fault or "no fault", row.source, *marked, "NO" if row.wrong else "ok"))
    return lines


def _line(*cells: str) -> str:
    widths = (20, 16, 11, 11, 11, 10, 6, 8, 6, 9, 9, 2)
    return "| " + " | ".join(f"{cell:{width}}" for cell, width in zip(cells, widths, strict=True)) + " |"


HEADER: Final = _line(
    "fault",
    "vans",
    "distance %",
    "energy %",
    "trips %",
    "charged %",
    "grid",
    "return %",
    "idle W",
    "trips",
    "charges",
    "",
)
