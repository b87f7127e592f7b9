"""An InfluxDB 1.6.7, filled in process by the agent's decoder, van core, points and line writer."""

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import PointRow, Rows, Series
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.stores.line_protocol import LineWriter
from tests.dashboards.grafana import days
from tests.servers.influxdb import MISSING, InfluxServer, influx_server

DATABASE = "fleet"
LINES_AT_ONCE = 5000
AGENT = Series()


def shard(folder: Path) -> Shard:
    """The agent's shard for the vans of `days`, with geofences, a tariff and hourly intensities for one country."""
    geofences = folder / "geofences.json"
    geofences.write_text(json.dumps(days.GEOFENCES))
    intensities = folder / "intensities.csv"
    intensities.write_text(days.intensities())
    roster = Roster(
        FleetFile.model_validate(days.FLEET),
        fleet_settings=FleetSettings(geofences=geofences, energy_price_per_kwh=0.32),
        emissions=EmissionsSettings(intensity_file=intensities, market_g_per_kwh=50.0),
        derived_every_s=10,
    )
    return Shard(Decoder(make_dialects(["native"])), roster)


def agent_row(each: Shard, now_ms: int, points: int) -> PointRow:
    """The agent's own point: the counters of the shard, and for the rest the values of an undisturbed agent."""
    counters = each.counters
    values = {
        "messages_total": counters.messages,
        "accepted_total": counters.accepted,
        "duplicates_total": counters.duplicates,
        "late_total": counters.late,
        "dead_letters_total": sum(counters.rejected.values()),
        "points_total": points,
        "store_retries_total": 0,
        "sessions_lost_total": 0,
        "reconnects_total": 1,
        "messages_per_s": 0.2,
        "lag_s": 1.5,
        "journal_bytes": 2_000_000,
        "journal_limit_bytes": 4_000_000_000,
        "backlog": 3,
        "vans": len(each.vans),
        "memory_bytes": 70_000_000,
    }
    return (AGENT, now_ms, *(values[name] for name in MEASUREMENTS["agent"].field_names))


def all_rows(folder: Path) -> Iterator[Rows]:
    each = shard(folder)
    points = 0
    for batch in days.batches():
        out = each.process(batch)
        points += out.row_count
        if batch.received_ms % 60_000 == 0:
            out.rows["agent"].append(agent_row(each, batch.received_ms, points))
        yield out.rows


def write(server: InfluxServer, lines: list[str], database: str = DATABASE) -> None:
    for start in range(0, len(lines), LINES_AT_ONCE):
        body = "\n".join(lines[start : start + LINES_AT_ONCE]).encode()
        request = urllib.request.Request(f"{server.url}/write?db={database}&precision=ms", data=body)
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert answer.status == 204


@pytest.fixture(scope="session")
def empty_influx() -> Iterator[InfluxServer]:
    if not InfluxServer.is_installed():
        pytest.skip(MISSING)
    with influx_server() as server:
        yield server


@pytest.fixture(scope="session")
def influx(empty_influx: InfluxServer, tmp_path_factory: pytest.TempPathFactory) -> InfluxServer:
    """The server, with the days of the vans in the database `fleet`."""
    empty_influx.create_database(DATABASE)
    writer = LineWriter()
    lines = [line for rows in all_rows(tmp_path_factory.mktemp("days")) for line in writer.lines(rows)]
    write(empty_influx, lines)
    return empty_influx
