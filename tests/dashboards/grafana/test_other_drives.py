"""The same queries with data of the simulator and of the recorded drives."""

from collections.abc import Iterable, Iterator

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings, load_fleet
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.points.rows import Rows
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.stores.line_protocol import LineWriter
from simulator.recordings import Thinning, load, timeline
from simulator.simulation import Plan, Simulation
from tests.dashboards.grafana.committed import queries
from tests.dashboards.grafana.conftest import agent_row, write
from tests.dashboards.grafana.grafana_like import Range, expanded
from tests.dashboards.grafana.test_queries import implausible
from tests.recorded_drives import DATA, needs_recorded_drives
from tests.servers.influxdb import InfluxServer

END_S = 1_790_143_200  # 2026-09-23 06:00 UTC, so that a day ends on the way
HOURS = 24
RECORDED_FLEET = {"vans": {"i3": {"battery_kwh": 22.2}, "twizy-t1": {"battery_kwh": 6.1}}}
TICK_MS = 60_000
Timed = Iterable[tuple[int, tuple[str, bytes]]]


def rows_of(messages: Timed, fleet: FleetFile) -> Iterator[Rows]:
    """The agent's rows for messages in order of time, with a tick each minute."""
    roster = Roster(fleet, fleet_settings=FleetSettings(), emissions=EmissionsSettings(), derived_every_s=10)
    each = Shard(Decoder(make_dialects(["native"])), roster)
    next_tick_ms = offset = points = 0
    for time_ms, (topic, payload) in messages:
        batch = [Message(topic, payload)]
        next_tick_ms = next_tick_ms or time_ms
        start_ms = next_tick_ms
        while next_tick_ms <= time_ms:
            batch.insert(-1, Message("", b"%d" % next_tick_ms, kind=MessageKind.TICK))
            next_tick_ms += TICK_MS
        out = each.process(Batch(offset, time_ms, start_ms, batch))
        assert not out.dead_letters
        offset += len(batch)
        points += out.row_count
        if len(batch) > 1:
            out.rows["agent"].append(agent_row(each, time_ms - time_ms % TICK_MS, points))
        yield out.rows


def fill(server: InfluxServer, database: str, messages: Timed, fleet: FleetFile) -> str:
    server.create_database(database)
    writer = LineWriter()
    write(server, [line for rows in rows_of(messages, fleet) for line in writer.lines(rows)], database)
    return database


@pytest.fixture(scope="module")
def simulated(empty_influx: InfluxServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    simulation = Simulation(Plan(vans=4, hours=HOURS, live_s=END_S))
    file = tmp_path_factory.mktemp("fleet") / "fleet.toml"
    simulation.write_fleet_file(file)
    messages = ((second * 1000, message) for second, batch in simulation.history() for message in batch)
    return fill(empty_influx, "simulated", messages, load_fleet(FleetSettings(file=file)))


@pytest.fixture(scope="module")
def recorded(empty_influx: InfluxServer) -> str:
    files = [*sorted((DATA / "i3").glob("Trip*.csv"))[:6], *sorted((DATA / "twizy").glob("T1*.csv"))[:1]]
    recordings = [recording for path in files for recording in load(path)]
    messages = timeline(recordings, end_ms=END_S * 1000, thinning=Thinning(period_s=10))
    return fill(empty_influx, "recorded", messages, FleetFile.model_validate(RECORDED_FLEET))


def answered(server: InfluxServer, database: str) -> dict[str, bool]:
    """Whether each query found anything. Every value must be plausible for its unit."""
    shown = Range(END_S * 1000 - 60 * 86_400_000, END_S * 1000, interval="1h")
    found = {}
    for asked in queries():
        series = server.query(expanded(asked.query, shown), database)
        assert implausible(series, asked) == [], asked.where
        found[asked.where] = any(value is not None for each in series for row in each["values"] for value in row[1:])
    return found


def of(found: dict[str, bool], board: str) -> float:
    """The share of a dashboard's queries that found something."""
    own = [value for where, value in found.items() if where.startswith(f"{board}/")]
    return sum(own) / len(own)


def test_simulated_days_fill_every_dashboard(empty_influx: InfluxServer, simulated: str) -> None:
    """Some queries find nothing: no tariff is set, and no van uses a fast charger."""
    found = answered(empty_influx, simulated)
    for board in ("fleet", "van", "trips", "charging", "energy", "emissions", "battery", "stops", "idle", "quality"):
        assert of(found, board) >= 0.75, (board, [where for where, value in found.items() if not value])


@needs_recorded_drives("i3", "twizy")
def test_recorded_drives_fill_what_they_can(empty_influx: InfluxServer, recorded: str) -> None:
    """Some queries find nothing: the drives have no charge, no load and only one day."""
    found = answered(empty_influx, recorded)
    for board, share in {"fleet": 0.7, "energy": 0.7, "trips": 0.6, "battery": 0.6, "quality": 0.6}.items():
        assert of(found, board) >= share, (board, [where for where, value in found.items() if not value])
