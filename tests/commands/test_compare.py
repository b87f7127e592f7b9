"""The comparison of truth and store: pairs, sums, and what it says about a wrong file."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.commands.compare import Comparison, Truth, add_arguments, compare, match_events, read_truth, table
from agent.errors import SettingsError


class KnownHistory:
    """A store that holds what it is given."""

    def __init__(self, **points: list[dict[str, Any]]) -> None:
        self._points = points

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        found = [
            point
            for point in self._points.get(measurement, [])
            if vehicle_id in {None, point["vehicle_id"]}
            and (start_ms is None or point["time_ms"] >= start_ms)
            and (end_ms is None or point["time_ms"] < end_ms)
        ]
        yield from found[-1:] if latest else found

    def close(self) -> None:
        pass


TOTAL = {
    "kind": "total",
    "vehicle_id": "van-001",
    "start_ms": 0,
    "end_ms": 7_200_000,
    "distance_km": 20.0,
    "net_kwh": 5.0,
    "regenerated_kwh": 1.0,
    "charged_kwh": 10.0,
    "grid_kwh": 11.2,
    "idle_kwh": 0.1,
}
TRIP = {
    "kind": "trip",
    "vehicle_id": "van-001",
    "start_ms": 600_000,
    "end_ms": 3_600_000,
    "distance_km": 20.0,
    "energy_kwh": 4.9,
}


@pytest.fixture
def truth_file(tmp_path: Path) -> Path:
    path = tmp_path / "truth.jsonl"
    lines = [{"kind": "definitions", "start_ms": 0}, TRIP, {**TOTAL, "distance_km": 3.0, "end_ms": 600_000}, TOTAL]
    path.write_bytes(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    return path


def test_the_last_totals_and_the_newest_point_are_compared(truth_file: Path) -> None:
    energy = {"vehicle_id": "van-001", "used_kwh_total": 6.1, "regenerated_kwh_total": 1.0, "charged_kwh_total": 10.1}
    history = KnownHistory(
        energy=[
            {**energy, "time_ms": 7_190_000, "distance_km_total": 19.8},
            {**energy, "time_ms": 7_300_000, "distance_km_total": 99.0},
        ],
        trip=[
            {"vehicle_id": "van-001", "time_ms": 3_605_000, "start_ms": 610_000, "distance_km": 19.9, "energy_kwh": 5.0}
        ],
    )
    rows = {row.what.strip(): row for row in compare(read_truth(truth_file), history, ["van-001"])}
    assert (rows["distance, km"].truth, rows["distance, km"].agent) == (20.0, 19.8)
    assert rows["energy used, net, kWh"].agent == pytest.approx(5.1)
    assert (rows["trips"].truth, rows["trips"].agent) == (1, 1)
    assert rows["distance_km, mean error each, %"].agent == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("title", "found", "expected"),
    [
        ("the same", [(1000, 2000)], (1, 0, 0)),
        ("a little late", [(1100, 2900)], (1, 0, 0)),
        ("cut in two", [(1000, 1400), (1500, 2000)], (1, 0, 1)),
        ("none", [], (0, 1, 0)),
        ("another day", [(90_000_000, 91_000_000)], (0, 1, 1)),
    ],
)
def test_events_are_matched_by_time(title: str, found: list[tuple[int, int]], expected: tuple[int, int, int]) -> None:
    true = [{"vehicle_id": "a", "start_ms": 1000, "end_ms": 2000}]
    points = [{"vehicle_id": "a", "start_ms": start, "time_ms": end} for start, end in found]
    pairs, missed, invented = match_events(true, points)
    assert (len(pairs), missed, invented) == expected, title


@pytest.mark.parametrize(
    ("truth", "agent", "said"), [(10.0, 10.1, "+1.00 %"), (10.0, 9.0, "-10.00 %"), (0.0, 0.0, ""), (0.0, 1.0, "–")]
)
def test_differences(truth: float, agent: float, said: str) -> None:
    row = Comparison("distance", truth, agent)
    assert row.difference == said
    assert said in table("van-001", [row])


@pytest.mark.parametrize("content", [b"", b"hello", b'{"kind":"definitions","start_ms":0}\n', b'{"kind":"dream"}\n'])
def test_files_that_tell_no_truth(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "truth.jsonl"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"truth\.jsonl"):
        read_truth(path)


def test_the_options() -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    assert parser.parse_args(["file", "--vehicle", "van-001", "--by-vehicle"]).by_vehicle


def test_carbon_that_was_charged_is_used_or_left() -> None:
    """10 kWh of grid energy at 400 g/kWh bring 4 kg; 9 kWh go in, 8.73 can be taken out, 4 kWh are used.

    The pack held 20 kWh at 380 g/kWh: (20 * 380 + 4000) / 28.73 = 403.76 g/kWh.
    """
    content = (20 * 380 + 4000) / 28.73
    battery = {"vehicle_id": "van-001", "time_ms": 1, "soc_pct": 40.0}
    energy = {"vehicle_id": "van-001", "usable_capacity_kwh": 50.0, "regenerated_kwh_total": 0.0}
    emissions = {"vehicle_id": "van-001"}
    history = KnownHistory(
        battery=[battery, {**battery, "time_ms": 9, "soc_pct": 49.46}],
        energy=[
            {**energy, "time_ms": 1, "used_kwh_total": 0.0, "charged_kwh_total": 0.0},
            {**energy, "time_ms": 9, "used_kwh_total": 4.0, "charged_kwh_total": 9.0},
        ],
        emissions=[
            {**emissions, "time_ms": 1, "co2e_g_total": 0.0, "battery_g_per_kwh": 380.0},
            {**emissions, "time_ms": 9, "co2e_g_total": 4 * content, "battery_g_per_kwh": content},
        ],
        charge_slice=[
            {"vehicle_id": "van-001", "time_ms": 5, "direct_g": 3000.0, "upstream_g": 600.0, "losses_g": 400.0}
        ],
    )
    row = compare(Truth(0, 10, {"van-001": TOTAL}, {"trip": [], "stop": [], "charge": []}), history, ["van-001"])[-1]
    assert row.what == "carbon: charged / used and left, kg"
    assert row.truth == pytest.approx(4.0)
    assert row.agent == pytest.approx(4.0)
