"""Compares estimators with recorded true values that are hidden from them, and with the simulator's true values."""

import asyncio
import csv
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from agent.commands.compare import compare, read_truth
from agent.config import FleetSettings, load_fleet
from agent.shard.shard import Shard
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory
from benchmarks.accuracy.in_process import feed, records, shard_for
from benchmarks.accuracy.recorded import DATA, I3_KWH, POWER, TWIZY_KWH, distance_km, i3_recordings, twizy_recordings
from simulator.recordings import Recording, Thinning, timeline
from simulator.simulation import Plan, Simulation
from simulator.truth import TruthWriter

ONLY_POSITION = POWER | {"speed_kmh", "odometer_km"}
DRIVES_A_DAY = 5


class EstimatorResult(NamedTuple):
    """One row of the table."""

    what: str
    value: str
    bound: str
    held: bool


def judge(*, recorded: bool, vans: int) -> list[EstimatorResult]:
    """All rows. Rows of the recorded drives exist only if the recordings do."""
    results: list[EstimatorResult] = []
    if recorded:
        i3(results)
        twizy(results)
    fleet(results, vans=vans, hours=24.0)
    return results


def i3_drives() -> list[tuple[Recording, float]]:
    """All drives with their true energy in kWh."""
    with (DATA / "i3" / "truth.csv").open() as file:
        truth = {row["trip"]: float(row["energy_used_kwh"]) for row in csv.DictReader(file)}
    return [(recording, truth[recording.path.stem]) for recording in i3_recordings()]


class Drives:
    """Errors of the single i3 drives with one kind of thinning, and the stated uncertainties."""

    def __init__(self, drives: Sequence[tuple[Recording, float]], thinning: Thinning) -> None:
        self.errors: list[float] = []
        self.inside: list[bool] = []
        self.charges = 0
        self.sum_kwh = self.true_kwh = 0.0
        for recording, true_kwh in drives:
            shard = shard_for(FleetSettings(battery_kwh=I3_KWH, payload_kg=300.0))
            found = records(shard, timeline([recording], end_ms=now_ms(), thinning=thinning))
            energy = sum(trip["energy_kwh"] or 0.0 for trip in found["trip"])
            margin = sum((trip["uncertainty_kwh"] or 0.0) ** 2 for trip in found["trip"]) ** 0.5
            self.errors.append(energy / true_kwh - 1)
            self.inside.append(abs(energy - true_kwh) <= margin)
            self.charges += len(found["charge"])
            self.sum_kwh += energy
            self.true_kwh += true_kwh

    @property
    def mape_pct(self) -> float:
        """Mean absolute error of a drive."""
        return fmean(abs(error) for error in self.errors) * 100

    @property
    def sum_pct(self) -> float:
        """Error of the sum of all drives."""
        return (self.sum_kwh / self.true_kwh - 1) * 100


def i3(results: list[EstimatorResult]) -> None:
    """Compare energy with the integral of measured power."""
    drives = i3_drives()
    coarse = Drives(drives, Thinning(period_s=30, soc_step_pct=1.0, hidden=POWER))
    fine = Drives(drives, Thinning(period_s=30, soc_step_pct=0.5, hidden=POWER))
    dense = Drives(drives, Thinning(period_s=2, soc_step_pct=1.0))
    sparse = Drives(drives, Thinning(period_s=10, soc_step_pct=1.0))
    add(results, "i3, SoC at 1 %, one message in 30 s: trip energy, MAPE", coarse.mape_pct, 4.5)
    add(results, "i3, SoC at 0.5 %, one message in 30 s: trip energy, MAPE", fine.mape_pct, 2.5)
    days = day_errors_pct(drives)
    what = f"i3, SoC at 1 %, {DRIVES_A_DAY} drives chained to a day: day energy, mean of {len(days)} days"
    add(results, what, fmean(days), 3.0)
    results.append(EstimatorResult("i3, the same: worst day", f"{max(days):.2f} %", "", held=True))
    add(results, "i3, SoC at 1 %, momentary power each 2 s: trip energy, MAPE", dense.mape_pct, 1.5)
    add(results, "i3, SoC at 1 %, momentary power each 10 s: trip energy, MAPE", sparse.mape_pct, 4.0)
    add(results, "i3, SoC at 1 %, momentary power each 10 s: sum of all", abs(sparse.sum_pct), 1.5)
    inside = [hit for run in (coarse, fine, dense, sparse) for hit in run.inside]
    share = 100 * sum(inside) / len(inside)
    text = f"{share:.0f} % of {len(inside)}"
    results.append(
        EstimatorResult("i3: the stated 90 % interval holds the truth", text, "85 to 97 %", 85 <= share <= 97)
    )
    charges = coarse.charges + fine.charges + dense.charges + sparse.charges
    results.append(EstimatorResult("i3: charges that never were", str(charges), "0", charges == 0))


def day_errors_pct(drives: Sequence[tuple[Recording, float]]) -> list[float]:
    """Sequences of five drives with rests in between, by one van that learns its capacity on the way."""
    errors = []
    for first in range(0, len(drives) - DRIVES_A_DAY + 1, DRIVES_A_DAY):
        day = drives[first : first + DRIVES_A_DAY]
        shard = shard_for(FleetSettings(battery_kwh=I3_KWH, payload_kg=300.0))
        thinning = Thinning(period_s=30, soc_step_pct=1.0, hidden=POWER)
        messages = timeline([recording for recording, _ in day], end_ms=now_ms(), thinning=thinning)
        found = records(shard, messages)
        true_kwh = sum(energy for _, energy in day)
        errors.append(100 * abs(sum(trip["energy_kwh"] for trip in found["trip"]) / true_kwh - 1))
    return errors


def twizy(results: list[EstimatorResult]) -> None:
    """Compare distance from positions with the integral of the car's own speed."""
    recordings = twizy_recordings()
    true_km = sum(distance_km(recording) for recording in recordings)
    charges = 0
    for period_s in (10.0, 30.0):
        thinning = Thinning(period_s=period_s, hidden=ONLY_POSITION)
        km = 0.0
        for recording in recordings:
            found = records(twizy_shard(), timeline([recording], end_ms=now_ms(), thinning=thinning))
            km += max(point["distance_km_total"] for point in found["energy"])
            charges += len(found["charge"])
        error = abs(km / true_km - 1) * 100
        add(results, f"Twizy, positions only, each {period_s:.0f} s: distance", error, 3.0)
    shard = twizy_shard()
    found = records(shard, timeline(recordings, end_ms=now_ms()))
    km = sum(trip["distance_km"] for trip in found["trip"] if not trip["inferred"])
    add(results, "Twizy, everything at 1 Hz: distance of trips", abs(km / true_km - 1) * 100, 3.0)
    longest = max(trip["distance_km"] for trip in found["trip"])
    results.append(EstimatorResult("Twizy: longest trip", f"{longest:.1f} km", "60 km", longest <= 60))
    rejected = shard.totals().positions_rejected
    results.append(EstimatorResult("Twizy: impossible positions refused", str(rejected), "at least 4", rejected >= 4))
    charges += sum(1 for charge in found["charge"] if not charge["inferred"])
    results.append(EstimatorResult("Twizy: charges that never were", str(charges), "0", charges == 0))


def twizy_shard() -> Shard:
    return shard_for(FleetSettings(battery_kwh=TWIZY_KWH, payload_kg=75.0))


def fleet(results: list[EstimatorResult], *, vans: int, hours: float) -> None:
    """Compare a simulated fleet with the simulator's true values, from evening to evening."""
    with tempfile.TemporaryDirectory(prefix="vanpulse-accuracy-") as name:
        directory = Path(name)
        plan = Plan(vans=vans, seed=7, hours=hours, live_s=now_ms() // 1000, clock="23:30")
        simulation = Simulation(plan)
        simulation.write_fleet_file(directory / "fleet.toml")
        settings = FleetSettings(file=directory / "fleet.toml")
        shard = shard_for(settings, load_fleet(settings))
        with TruthWriter(simulation.fleet, directory / "truth.jsonl"):
            asyncio.run(store(shard, simulation, directory / "history.db"))
        history = SqliteHistory(directory / "history.db")
        truth = read_truth(directory / "truth.jsonl")
        rows = {row.what: row for row in compare(truth, history, list(truth.totals))}
        history.close()
    for what, name, bound in (
        ("distance", "distance, km", 3.0),
        ("energy used", "energy used, net, kWh", 3.0),
        ("charge energy", "energy charged, kWh", 3.0),
    ):
        add(results, f"simulated fleet: {what}", abs(rows[name].agent / rows[name].truth - 1) * 100, bound)
    for what, bound, floor in (("trips", "exact", 1.0), ("stops", "at least 95 %", 0.95)):
        row = rows[what]
        held = row.agent == row.truth if floor == 1.0 else floor <= row.agent / row.truth <= 2 - floor
        results.append(EstimatorResult(f"simulated fleet: {what}", f"{row.agent:.0f} of {row.truth:.0f}", bound, held))
    row = rows["charges"]
    held = row.agent == row.truth
    results.append(EstimatorResult("simulated fleet: charges", f"{row.agent:.0f} of {row.truth:.0f}", "exact", held))


async def store(shard: Shard, simulation: Simulation, file: Path) -> None:
    history = SqliteStore(file)
    await history.open()
    timed = ((time_s * 1000, message) for time_s, messages in simulation.history() for message in messages)
    for rows in feed(shard, timed):
        await history.write(rows)
    await history.close()


def add(results: list[EstimatorResult], what: str, value_pct: float, bound_pct: float) -> None:
    results.append(EstimatorResult(what, f"{value_pct:.2f} %", f"{bound_pct:g} %", value_pct <= bound_pct))


def now_ms() -> int:
    return time.time_ns() // 1_000_000
