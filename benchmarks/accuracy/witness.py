"""Recorded drives with each fault of real vans, held against what was recorded.

The drives go through the agent's decoding, van core and rows, with one fault of `simulator.faults` at a time. What is
true comes from the recording alone: battery energy is the integral of recorded voltage times current, distance that of
the recorded speed. The bounds are those of `knowable`: they follow from what a fault leaves to be known.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from agent.config import FleetFile, FleetSettings, VanEntry
from benchmarks.accuracy.in_process import Records, processor_for, records
from benchmarks.accuracy.knowable import Bounds
from benchmarks.accuracy.recorded import (
    I3_KWH,
    POWER,
    TWIZY_KWH,
    Truth,
    Van,
    i3_recordings,
    i3_vans,
    twizy_recordings,
    twizy_vans,
)
from simulator.recordings import Thinning, timeline

END_MS: Final = 1_795_368_000_000
SEED: Final = 12
PERIOD_S: Final = 10.0
"""How often vans report on the road."""
TICK_MS: Final = 60_000
COUNTERS: Final = frozenset({"energy_out_total_kwh", "energy_in_total_kwh"})
WANTED: Final = ("energy", "trip", "charge")


class Source(NamedTuple):
    """Vans of one kind, and what they do not tell."""

    name: str
    vans: Sequence[Van]
    battery_kwh: float
    hidden: frozenset[str]


class Found(NamedTuple):
    """What the agent made of all vans of a source; errors are means over the vans, by the share of the truth."""

    distance_pct: float
    energy_pct: float
    """Of the totals, used less regenerated, by the last of them."""
    trips_pct: float
    """Of the trips' energy."""
    charged_pct: float
    grid_share: float
    """Grid energy over the energy that went into the batteries."""
    idle_w: float
    """Mean power that the agent says was used at rest."""
    regenerated_pct: float
    """Regenerated energy beyond the recorded one; of the energy used, where none was recorded."""
    trips: int
    charges: int
    sums: tuple[float, float, float, float]
    """Error of the sums of distance, energy, trips' energy and charged energy, in %, with its sign."""


def sources() -> list[Source]:
    """The i3 with all it tells, the i3 without power, and the Twizy, which knows neither power nor odometer."""
    i3 = i3_vans(i3_recordings())
    return [
        Source("i3", i3, I3_KWH, COUNTERS),
        Source("i3 without power", i3, I3_KWH, COUNTERS | POWER),
        Source("Twizy", twizy_vans(twizy_recordings()), TWIZY_KWH, COUNTERS),
    ]


def replay(source: Source, fault: str | None, *, seed: int = SEED) -> Found:
    """Replay all vans of a source with this fault."""
    dialect = "ovms" if fault == "charger-whole-kw" else "native"
    hidden = source.hidden - COUNTERS if fault == "counter-zero" else source.hidden
    messages = timeline(
        [van.recording for van in source.vans],
        end_ms=END_MS,
        thinning=Thinning(period_s=PERIOD_S, hidden=hidden),
        dialect=dialect,
        faults=(fault,) if fault else (),
        seed=seed,
    )
    fleet = FleetFile(vans={van.recording.vehicle_id: VanEntry() for van in source.vans})
    settings = FleetSettings(battery_kwh=source.battery_kwh, payload_kg=300.0)
    processor = processor_for(settings, fleet, dialects=(dialect,))
    found = records(processor, messages, of=WANTED, tick_ms=TICK_MS)
    return judge({van.recording.vehicle_id: van.truth for van in source.vans}, found)


def judge(truths: dict[str, Truth], found: Records) -> Found:
    """Compare the last totals of each van with what is true of it."""
    last: dict[str, dict[str, Any]] = {point["series"].vehicle_id: point for point in found["energy"]}
    pairs = [(truth, last[vehicle_id]) for vehicle_id, truth in truths.items()]
    distance = [(point["distance_km_total"] or 0.0, truth.distance_km) for truth, point in pairs]
    energy = [(_net_kwh(point), truth.net_kwh) for truth, point in pairs]
    trips = [(_trips_kwh(found, vehicle_id), truth.net_kwh) for vehicle_id, truth in truths.items()]
    charged = [(point["charged_kwh_total"] or 0.0, truth.charged_kwh) for truth, point in pairs]
    regenerated = sum(point["regenerated_kwh_total"] or 0.0 for _, point in pairs)
    recorded = sum(truth.regenerated_kwh for truth in truths.values())
    used = sum(truth.net_kwh for truth in truths.values())
    idle_kwh = sum(point["idle_kwh_total"] or 0.0 for _, point in pairs)
    return Found(
        distance_pct=_mean_error_pct(distance),
        energy_pct=_mean_error_pct(energy),
        trips_pct=_mean_error_pct(trips),
        charged_pct=_mean_error_pct(charged),
        grid_share=sum(point["grid_kwh_total"] or 0.0 for _, point in pairs) / max(sum(c for c, _ in charged), 1e-9),
        idle_w=1000.0 * idle_kwh / sum(truth.parked_h for truth in truths.values()),
        regenerated_pct=100.0 * ((regenerated / recorded - 1.0) if recorded else regenerated / used),
        trips=len(found["trip"]),
        charges=len(found["charge"]),
        sums=(_sum_pct(distance), _sum_pct(energy), _sum_pct(trips), _sum_pct(charged)),
    )


def _net_kwh(point: dict[str, Any]) -> float:
    """Out of the battery, less what braking returned."""
    return float((point["used_kwh_total"] or 0.0) - (point["regenerated_kwh_total"] or 0.0))


def _trips_kwh(found: Records, vehicle_id: str) -> float:
    return sum(trip["energy_kwh"] or 0.0 for trip in found["trip"] if trip["series"].vehicle_id == vehicle_id)


def _mean_error_pct(pairs: Sequence[tuple[float, float]]) -> float:
    """Errors of different vans do not cancel each other."""
    return 100.0 * sum(abs(found - true) for found, true in pairs) / sum(true for _, true in pairs)


def _sum_pct(pairs: Sequence[tuple[float, float]]) -> float:
    return 100.0 * (sum(found for found, _ in pairs) / sum(true for _, true in pairs) - 1.0)
