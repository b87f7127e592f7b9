"""The truth file: its events add up to its totals and follow their definitions."""

from collections import defaultdict
from itertools import pairwise
from typing import Any

import pytest

from tests.simulator.conftest import Day


@pytest.fixture(scope="module")
def lines(day: Day) -> list[dict[str, Any]]:
    return day.truth


def by_kind(lines: list[dict[str, Any]], kind: str) -> dict[str, list[dict[str, Any]]]:
    vans: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in lines:
        if line["kind"] == kind:
            vans[line["vehicle_id"]].append(line)
    return vans


def test_it_begins_with_the_definitions(lines: list[dict[str, Any]]) -> None:
    assert lines[0]["kind"] == "definitions"
    assert (lines[0]["parked_after_s"], lines[0]["stop_after_s"]) == (300, 60)


def test_trips_make_up_distance_and_energy(lines: list[dict[str, Any]]) -> None:
    trips, totals = by_kind(lines, "trip"), by_kind(lines, "total")
    assert len(totals) == 7
    for vehicle_id, states in totals.items():
        last = states[-1]
        assert last["trips"] == len(trips[vehicle_id])
        assert sum(trip["distance_km"] for trip in trips[vehicle_id]) == pytest.approx(last["distance_km"], abs=0.01)
        on_trips = sum(trip["energy_kwh"] for trip in trips[vehicle_id])
        assert on_trips + last["idle_kwh"] == pytest.approx(last["net_kwh"], abs=0.02)


def test_trips_and_stops_follow_their_definitions(lines: list[dict[str, Any]]) -> None:
    trips, stops = by_kind(lines, "trip"), by_kind(lines, "stop")
    assert sum(len(some) for some in stops.values()) > 100
    for vehicle_id, some in trips.items():
        for before, after in pairwise(some):
            assert after["start_ms"] - before["end_ms"] >= 299_000
        for stop in stops[vehicle_id]:
            assert 60 <= stop["dwell_s"] <= 300
            assert sum(trip["start_ms"] <= stop["start_ms"] < trip["end_ms"] for trip in some) == 1
        for trip in some:
            inside = [stop for stop in stops[vehicle_id] if trip["start_ms"] <= stop["start_ms"] < trip["end_ms"]]
            assert trip["stops"] == len(inside)


def test_charges_make_up_what_was_charged(lines: list[dict[str, Any]]) -> None:
    charges, totals = by_kind(lines, "charge"), by_kind(lines, "total")
    assert sum(len(some) for some in charges.values()) >= 3
    for vehicle_id, some in charges.items():
        last = totals[vehicle_id][-1]
        assert sum(charge["energy_kwh"] for charge in some) <= last["charged_kwh"] + 0.01
        for charge in some:
            assert 0.80 < charge["energy_kwh"] / charge["grid_kwh"] < 0.95
            assert charge["soc_end_pct"] > charge["soc_start_pct"]
            assert 0.0 < charge["max_power_kw"] < 12.0 or charge["current"] == "dc"


def test_totals_only_grow(lines: list[dict[str, Any]]) -> None:
    for states in by_kind(lines, "total").values():
        for name in ("distance_km", "charged_kwh", "grid_kwh", "trips", "stops", "charges"):
            values = [state[name] for state in states]
            assert values == sorted(values), name
