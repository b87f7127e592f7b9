"""Tags are part of a point's key: a message processed again with another fleet file must not give a second point."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.errors import LogCorrupt
from agent.messages import Message
from agent.points.rows import Rows
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from agent.shard.tags import FleetTags, VanTags
from agent.stores.line_protocol import LineWriter
from agent.stores.sqlite import SqliteStore
from tests.shard.test_shard import MINUTE_MS, NOON_MS, Desk, telemetry


def shard(depot: str) -> Shard:
    """An agent whose fleet file has `van-1` in this depot; `van-2` is in none."""
    fleet = FleetFile.model_validate({"vans": {"van-1": {"depot": depot, "battery_kwh": 60.0}}})
    settings = FleetSettings(depot=f"beside-{depot}", battery_kwh=60.0)
    roster = Roster(fleet, fleet_settings=settings, emissions=EmissionsSettings(), derived_every_s=10.0)
    return Shard(Decoder(make_dialects(["native"])), roster)


class Journaled:
    """Agents one after the other on one journal and one store, each with a fleet file of its own."""

    def __init__(self) -> None:
        self.journal: list[tuple[int, Message]] = []
        self.stored: dict[str, bytes] = {}
        self.confirmed = 0
        self.given: list[Rows] = []
        self.desk = Desk()

    def start(self, depot: str) -> None:
        """Start from the last checkpoint, as the pipeline does. Messages after it are processed again."""
        self.desk = Desk(shard(depot))
        self.desk.shard.restore(self.stored.items())
        backlog = self.journal[self.confirmed :]
        tags = self.desk.shard.tags_to_journal(backlog=bool(backlog))
        for received_ms, message in backlog:
            self.desk.process(received_ms, message)
        if tags is not None:
            self.take(NOON_MS, tags)

    def take(self, received_ms: int, message: Message) -> None:
        self.journal.append((received_ms, message))
        self.desk.process(received_ms, message)

    def drive(self, first: int, last: int) -> None:
        for number in range(first, last):
            now_ms = NOON_MS + number * 10_000
            for van in ("van-1", "van-2"):
                place = 52.0 + number * 0.1 / 111.195
                self.take(now_ms, telemetry(now_ms - 500, van=van, latitude_deg=place, speed_kmh=36.0))
            self.take(now_ms, Message("", b"%d" % now_ms, qos=0, kind=1))

    def write(self) -> None:
        self.given.append(self.desk.out.take_rows()[0])

    def checkpoint(self) -> None:
        for chunk in self.desk.shard.snapshot():
            self.stored |= chunk
        self.confirmed = len(self.journal)


def lives() -> Journaled:
    """A van is moved from north to south between a crash and the restart. The store has points after the checkpoint."""
    agents = Journaled()
    agents.start("north")
    agents.drive(0, 30)
    agents.write()
    agents.checkpoint()
    agents.drive(30, 60)
    agents.write()  # confirmed by the store; no checkpoint follows
    agents.start("south")
    agents.write()
    agents.drive(60, 90)
    agents.write()
    return agents


async def test_a_depot_changed_between_crash_and_restart_gives_no_second_copy_in_sqlite(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "history.db")
    await store.open()
    for rows in lives().given:
        await store.write(rows)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        for measurement in ("battery", "location", "energy", "emissions"):
            count = f"SELECT count(*), count(DISTINCT time_ms) FROM {measurement} WHERE vehicle_id = ?"
            for van in ("van-1", "van-2"):
                points, times = connection.execute(count, (van,)).fetchone()
                assert points == times > 0, (measurement, van)
        depots = connection.execute("SELECT depot, count(*) FROM battery GROUP BY depot ORDER BY depot").fetchall()
        assert depots == [("beside-north", 60), ("beside-south", 30), ("north", 60), ("south", 30)]
        fleet = connection.execute("SELECT time_ms, count(*), sum(vans) FROM fleet GROUP BY time_ms").fetchall()
        assert {(points, vans) for _, points, vans in fleet} == {(2, 2)}


def test_a_depot_changed_between_crash_and_restart_gives_no_second_copy_in_influxdb() -> None:
    """In InfluxDB the key of a point is measurement, tags and time."""
    writer = LineWriter()
    tags_of: dict[tuple[str, str, str], set[str]] = {}
    for rows in lives().given:
        for line in writer.lines(rows):
            head, _, time = line.rsplit(" ", 2)
            measurement, *tags = head.split(",")
            van = next((tag for tag in tags if tag.startswith("vehicle_id=")), None)
            if van is not None:
                tags_of.setdefault((measurement, van, time), set()).add(head)
    assert len(tags_of) > 300
    assert all(len(heads) == 1 for heads in tags_of.values())


def test_a_van_first_heard_behind_the_checkpoint_keeps_the_tags_of_then() -> None:
    agents = Journaled()
    agents.start("north")
    agents.checkpoint()
    agents.drive(0, 10)
    agents.start("south")
    rows = agents.desk.out.take_rows()[0]
    assert {row[0].depot for row in rows["battery"]} == {"north", "beside-north"}


def test_a_change_and_its_undoing_before_the_checkpoint_moves_on() -> None:
    """North, south, north, with a crash after each: the last start finds the tags of the checkpoint in its files."""
    agents = Journaled()
    agents.start("north")
    agents.drive(0, 10)
    agents.checkpoint()
    agents.start("south")
    agents.drive(10, 20)
    agents.start("north")
    agents.drive(20, 30)
    rows = agents.desk.out.take_rows()[0]
    depots = [row[0].depot for row in rows["battery"] if row[0].vehicle_id == "van-1"]
    assert depots == ["south"] * 10 + ["north"] * 10


def test_nothing_is_journaled_where_nothing_has_changed() -> None:
    agents = Journaled()
    agents.start("north")
    assert len(agents.journal) == 1
    agents.checkpoint()
    agents.start("north")
    assert len(agents.journal) == 1


def test_a_sleeping_van_is_moved_too_and_its_closed_day_stays_as_it_was_written() -> None:
    agents = Journaled()
    agents.start("north")
    agents.drive(0, 30)
    for hour in range(1, 32):
        agents.take(0, Message("", b"%d" % (NOON_MS + hour * 60 * MINUTE_MS), qos=0, kind=1))
    assert len(agents.desk.shard.vans.awake) == 0
    (first, _) = agents.desk.rows("day")
    agents.checkpoint()
    agents.start("south")
    agents.desk.tick(NOON_MS + 33 * 60 * MINUTE_MS)
    assert {row[0].depot for row in agents.desk.rows("fleet")} == {"south", "beside-south"}
    agents.drive(30, 60)
    for hour in range(34, 70):
        agents.desk.tick(NOON_MS + hour * 60 * MINUTE_MS)
    (second,) = [row for row in agents.desk.rows("day") if row[0].vehicle_id == "van-1"]
    assert (first[0].depot, second[0].depot) == ("north", "south")
    assert first[1] == second[1]
    # 2.9 km are heard on the one side; 3.0 km follow, the gap between them included.
    assert first[2] == pytest.approx(2.9, rel=0.02)
    assert second[2] == pytest.approx(3.0, rel=0.02)


def test_tags_are_read_back() -> None:
    north = VanTags("north", "e-ducato", "DE")
    tags = FleetTags(VanTags("none", "van", "EU"), {"van-1": north})
    again = FleetTags.decode(tags.encode())
    assert again == tags
    assert (again.of("van-1"), again.of("van-2").depot) == (north, "none")
    assert again != FleetTags(VanTags("none", "van", "EU"), {})


@pytest.mark.parametrize("encoded", [b"", b"nonsense", FleetTags(VanTags("a", "b", "c"), {}).encode()[:-3]])
def test_what_cannot_be_read_is_said(encoded: bytes) -> None:
    with pytest.raises(LogCorrupt, match="tags of the fleet"):
        FleetTags.decode(encoded)
