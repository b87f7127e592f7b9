"""Recorded drives as a witness: a part of them with every fault, within the bounds; `make accuracy` takes all."""

import csv
from functools import cache
from pathlib import Path

import pytest

from benchmarks.accuracy import knowable, recorded, witness
from simulator.faults import NAMES, SYMPTOMS
from simulator.recordings import load
from tests.recorded_drives import DATA, needs_recorded_drives

needs_recordings = needs_recorded_drives("i3", "twizy")
# Two vans: short and long drives, one without some values. What SoC leaves open at the end of a van's life is the same
# however little it has driven, so that a van needs a few drives. One of the Twizy's has real faults of position.
I3 = ("TripA01", "TripB19", "TripB37", "TripA07", "TripB17", "TripB27", "TripB13", "TripB21", "TripA27")
TWIZY = ("T1_06_30_2021_2", "T2_04_26_2021")


@cache
def sources() -> list[witness.DriveSet]:
    i3 = [each for name in I3 for each in load(DATA / "i3" / f"{name}.csv")]
    twizy = [each for name in TWIZY for each in load(DATA / "twizy" / f"{name}.csv")]
    return witness.sources(i3, twizy)


@needs_recordings
@pytest.mark.parametrize("fault", [None, *NAMES])
def test_what_a_fault_leaves_is_known(fault: str | None) -> None:
    rows = witness.judge(sources(), [fault])
    assert rows, "the fault changes no message"
    assert not any(row.wrong for row in rows), "\n".join(witness.table(rows))


def test_it_is_said_of_every_fault_what_it_leaves() -> None:
    assert tuple(knowable.FAULTS) == (None, *NAMES)
    page = (Path(__file__).parents[2] / "docs" / "accuracy.md").read_text(encoding="utf-8")
    for name in NAMES:
        left = knowable.FAULTS[name]
        words = {"distance": left.distance_pct, "energy": left.energy_pct}
        words |= {"trips": left.trips_pct, "charged": left.charged_pct}
        words["energy of the Twizy"] = left.twizy_energy_pct
        said = ", ".join(f"{word} {percent:g} %" for word, percent in words.items() if percent)
        assert f"| `{name}` | {SYMPTOMS[name]} | {left.left} | {said} |" in page


@needs_recordings
def test_the_same_seed_gives_the_same_faults() -> None:
    source = sources()[2]
    setting = source.setting("teleports")
    first = source.messages(setting, "teleports", seed=3)
    assert first == source.messages(setting, "teleports", seed=3)
    assert first != source.messages(setting, "teleports", seed=4)


@needs_recordings
def test_truth_is_that_of_the_recordings() -> None:
    """`truth.csv` has distance and energy from the ten values a second of the original, which are not used here."""
    with (DATA / "i3" / "truth.csv").open() as file:
        given = {row["trip"]: row for row in csv.DictReader(file)}
    drives = recorded.i3_recordings()
    assert len(drives) == len(given) == 31
    for drive in drives:
        row = given[drive.path.stem]
        assert recorded.distance_km(drive) == pytest.approx(float(row["distance_km"]), rel=0.005)
    # One value a second of a current that changes faster: right on the whole, not for each drive.
    energy = sum(recorded.energy_kwh(drive)[0] for drive in drives)
    assert energy == pytest.approx(sum(float(row["energy_used_kwh"]) for row in given.values()), rel=0.005)


@needs_recordings
def test_charges_are_laid_out_between_drives() -> None:
    """TripA05 ends at 60.2 %, TripA07 begins at 63.4 % and ends at 34.2 %: two nights, the last one up to 100 %.

    Content from 60.2 to 63.4 %: 22.2 kWh x 3.2 % x (1 + 0.0019 x (61.8 - 55)) = 0.7196 kWh; from 34.2 to 100 %:
    22.2 x 65.8 % x (1 + 0.0019 x (67.1 - 55)) = 14.943 kWh. Together, over 0.97: 16.147 kWh.
    """
    drives = [each for name in ("TripA05", "TripA07") for each in load(DATA / "i3" / f"{name}.csv")]
    (van,) = recorded.i3_vans(drives)
    assert van.truth.charged_kwh == pytest.approx(16.147, rel=0.002)
    assert (van.truth.drives, van.truth.charges) == (2, 2)
    times = [time_ms for time_ms, _ in van.recording.rows]
    assert times == sorted(set(times))
    odometer = [row["odometer_km"] for _, row in van.recording.rows]
    assert odometer == sorted(odometer)
    assert odometer[-1] - odometer[0] == pytest.approx(van.truth.distance_km, rel=0.002)
