"""Corrections by hand and vans with implausible data in a report."""

import argparse
import json
import sqlite3
from contextlib import closing

import pytest

from agent.commands import report
from agent.fleet.correction_state import Amounts
from agent.fleet.records import (
    AlertRecord,
    CorrectionRecord,
)
from tests.commands.reports import (
    DIESEL,
    HOUR,
    JUNE,
    JUNE_OF_TWO_VANS,
    PERIOD,
    SETTINGS,
    as_json,
    call,
    settings_of,
)


def correction(hours, *, start, end, vehicle_id="van-1", reason="GPS in a tunnel", **amounts):
    """A slice of the stretch from `start` to `end`, hours like `hours`."""
    return CorrectionRecord(
        vehicle_id=vehicle_id,
        time_ms=JUNE + round(hours * HOUR),
        from_ms=JUNE + round(start * HOUR),
        to_ms=JUNE + round(end * HOUR),
        made_ms=JUNE + 40 * HOUR,
        reason=reason,
        made_by="ann",
        **(dict.fromkeys(Amounts.__struct_fields__, 0.0) | amounts),
    )


CORRECTED = [
    *JUNE_OF_TWO_VANS,
    # Begins before the period: 7 km of it lie before, and take nothing out of it.
    correction(-1, start=-1, end=1, distance_km=7.0, used_kwh=2.0),
    # 40 km and 9 kWh of van-1's 100 and 25, in two hours; the trip from 10 to 11 o'clock lies within.
    correction(10, start=10, end=12, distance_km=30.0, used_kwh=7.0, co2e_g=2100.0, diesel_co2e_g=30 * DIESEL),
    correction(11, start=10, end=12, distance_km=10.0, used_kwh=2.0, co2e_g=600.0, diesel_co2e_g=10 * DIESEL),
    # After the period.
    correction(60, start=60, end=61, distance_km=99.0),
]


async def test_what_was_corrected_by_hand_does_not_count_and_is_shown(tmp_path, capsys):
    found = await as_json(tmp_path, capsys, CORRECTED)
    summary = found["summary"]
    # 60 km and 16 kWh of van-1, 20 km and 5 kWh of van-2.
    assert summary["distance_km"] == pytest.approx(80.0)
    assert summary["battery_kwh"] == pytest.approx(21.0)
    assert summary["co2e_kg"] == pytest.approx(21.0 * 0.3)
    assert summary["diesel_co2e_kg"] == pytest.approx(80.0 * DIESEL / 1000)
    assert summary["trips"] == 2
    assert [trip["corrected"] for trip in found["trips"]] == [False, False, True]
    before, within = found["corrections"]
    assert (before["start"], before["distance_km"]) == ("2026-05-31T23:00:00Z", 0.0)
    assert within == {
        **dict.fromkeys(Amounts.__struct_fields__, 0.0),
        "vehicle_id": "van-1",
        "depot": "north",
        "start": "2026-06-01T10:00:00Z",
        "end": "2026-06-01T12:00:00Z",
        "reason": "GPS in a tunnel",
        "made": "2026-06-02T16:00:00Z",
        "made_by": "ann",
        "distance_km": 40.0,
        "used_kwh": 9.0,
        "co2e_g": 2700.0,
        "diesel_co2e_g": pytest.approx(40 * DIESEL),
    }


def implausible(hours, kind, state="raised", vehicle_id="van-1"):
    return AlertRecord(
        vehicle_id=vehicle_id, time_ms=JUNE + hours * HOUR, kind=kind, severity="warning", state=state, message=""
    )


DOUBTFUL = [
    *JUNE_OF_TWO_VANS,
    implausible(-1, "position_implausible"),
    implausible(1, "position_implausible"),
    implausible(2, "position_implausible", "cleared"),
    implausible(3, "position_implausible"),
    implausible(4, "odometer_implausible"),
    implausible(5, "soc_low"),
    implausible(6, "power_implausible", vehicle_id="van-2"),
    implausible(7, "soc_low", vehicle_id="van-3"),
]


async def test_vans_with_implausible_data_are_listed(tmp_path, capsys):
    assert (await as_json(tmp_path, capsys, DOUBTFUL))["implausible"] == [
        {
            "vehicle_id": "van-1",
            "depot": "north",
            "position_implausible": 2,
            "soc_implausible": 0,
            "odometer_implausible": 1,
            "power_implausible": 0,
            "last": "2026-06-01T04:00:00Z",
        },
        {
            "vehicle_id": "van-2",
            "depot": "north",
            "position_implausible": 0,
            "soc_implausible": 0,
            "odometer_implausible": 0,
            "power_implausible": 1,
            "last": "2026-06-01T06:00:00Z",
        },
    ]


async def test_markdown_has_both_lists(tmp_path, capsys):
    text = await call(tmp_path, capsys, [*CORRECTED, *DOUBTFUL[len(JUNE_OF_TWO_VANS) :]], *PERIOD)
    assert "GPS in a tunnel" in text
    assert "| van-2 | north | 0 | 0 | 0 | 1 | 2026-06-01T06:00:00Z |" in text


async def test_a_history_that_knows_no_corrections_yet_is_reported_all_the_same(tmp_path, capsys):
    await call(tmp_path, capsys, JUNE_OF_TWO_VANS)
    with closing(sqlite3.connect(tmp_path / "history.db")) as file:
        file.execute("DROP VIEW correction")
        file.execute("DROP TABLE correction_points")
    parser = argparse.ArgumentParser()
    report.add_arguments(parser)
    settings = settings_of(tmp_path, {"store": {"url": f"sqlite:///{tmp_path / 'history.db'}"}} | SETTINGS)
    assert report.run(parser.parse_args([*PERIOD, "--format", "json"]), settings) == 0
    assert json.loads(capsys.readouterr().out)["corrections"] == []
