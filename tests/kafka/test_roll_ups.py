"""The `fleet` rows of several agents on a real Kafka: bit for bit those of one shard."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from agent.commands.ports import free_port
from agent.dialects.decoder import Decoder, make_dialects
from agent.errors import StoreError
from agent.kafka.ingest_log import IngestLog
from agent.kafka.roll_ups import RollUpReader, RollUpWriter, ensure_roll_ups
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.messages import Batch
from agent.points.measurements import MEASUREMENTS
from agent.shard.output import Point
from agent.stores.rounding import scale
from benchmarks.same_rows import SimulatedFleet, simulate
from tests.kafka.roles import RoleAgent
from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer
from tests.shard.partitions import run, split

SHAPE = TopicShape(partitions=4, replication=1)
VANS = 6


def expected_points(fleet: SimulatedFleet) -> list[Point]:
    """The `fleet` points of one shard that was never disturbed, with the rounding of the history file."""
    outputs = run(fleet, split(fleet, 1)[0])
    points = [point for out in outputs for point in out.points() if point.measurement == "fleet"]
    scales = {field.name: scale(field) for field in MEASUREMENTS["fleet"].fields if field.type == "float"}
    return [point._replace(fields=rounded(point.fields, scales)) for point in points]


def rounded(fields: dict[str, Any], scales: dict[str, int]) -> dict[str, Any]:
    return {
        name: round(value * scales[name]) / scales[name] if name in scales else value for name, value in fields.items()
    }


def as_point(row: dict[str, Any]) -> Point:
    fields = {name: value for name, value in row.items() if name not in ("time_ms", "depot") and value is not None}
    return Point("fleet", {"depot": row["depot"]}, row["time_ms"], fields)


async def append(settings: dict[str, Any], topic: str, batches: Sequence[Batch]) -> None:
    """As an ingesting agent would."""
    decoder = Decoder(make_dialects(["native"]))
    log = IngestLog(
        settings, topic, partitions=SHAPE.partitions, source="east", identify=lambda message: decoder.identify(message)
    )
    for batch in batches:
        await log.append(batch.messages, received_ms=batch.received_ms, listening_since_ms=batch.listening_since_ms)
    await log.close()


def roll_ups(agent: RoleAgent) -> list[dict[str, Any]]:
    """The `fleet` points so far; none while the agent makes the file."""
    try:
        return agent.points("fleet")
    except StoreError:
        return []


async def test_the_fleet_rows_are_those_of_one_shard_although_the_agent_that_combines_is_killed(
    tmp_path: Path, kafka: KafkaServer, topic: str, client_settings: dict[str, Any]
) -> None:
    fleet = simulate("native", VANS, hours=1.0)
    expected = expected_points(fleet)
    assert len({point.time_ms for point in expected}) >= 60
    file = tmp_path / "fleet.toml"
    file.write_text(fleet.fleet_file, encoding="utf-8")
    ensure(client_settings, Topics.of(topic), SHAPE)
    agents = [
        RoleAgent(
            tmp_path / f"process-{number}",
            "process",
            mqtt__url=f"mqtt://127.0.0.1:{free_port()}",
            log__url=f"kafka://{kafka.address}/{topic}",
            store__url=f"sqlite:///{tmp_path / 'history.db'}",
            fleet__file=file,
            journal__checkpoint_every_s=1,
        )
        for number in range(2)
    ]
    first, second = agents
    half = len(fleet.batches) // 2
    try:
        first.launch()
        await append(client_settings, topic, fleet.batches[:half])
        wait_for(lambda: roll_ups(first), "the first roll-ups")
        second.launch()
        first.kill()
        await append(client_settings, topic, fleet.batches[half:])
        wait_for(lambda: len(roll_ups(second)) >= len(expected), "all roll-ups")
        assert second.stop() == 0
        found = sorted(map(as_point, second.points("fleet")), key=lambda point: (point.time_ms, point.tags["depot"]))
        assert found == expected
    except BaseException:
        for agent in agents:
            if agent.log_file.exists():
                print(agent.directory.name, agent.get("/readyz"), agent.log, sep="\n")
        raise
    finally:
        for agent in agents:
            agent.__exit__(None, None, None)


async def test_what_is_written_to_the_topic_is_read_in_its_order(
    kafka: KafkaServer, topic: str, client_settings: dict[str, Any]
) -> None:
    for _ in range(2):
        ensure_roll_ups(client_settings, topic, SHAPE, answer_s=30.0)
    writer, reader = RollUpWriter(client_settings, topic), RollUpReader(client_settings, topic)
    values = [b"%d" % number for number in range(5)]
    await writer.write([(b"key", value) for value in values])
    found: list[tuple[int, bytes]] = []
    while len(found) < 5:
        found += await reader.read(len(found))
    assert found == list(enumerate(values))
    assert (await reader.read(3))[0] == (3, b"3")
    await reader.close()
