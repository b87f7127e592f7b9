"""Commands on a log on Kafka: what they write is in the partition of its van, all of it or nothing, and only once."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest

from agent import open_shard
from agent.__main__ import main
from agent.fleet.books.corrections import Correction
from agent.journal import Journal
from agent.kafka.appender import Appender
from agent.kafka.client import producer
from agent.kafka.ingest_log import partition_of
from agent.kafka.partition_log import PartitionLog
from agent.kafka.records import Record, pack
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.log import DeadLetter, StoreRefusal, refusal_key
from agent.messages import Batch, Message, MessageKind
from agent.shard.output import ShardOutput
from agent.stores import make_store
from tests.kafka.shards import letters, points, process, process_partition, settle
from tests.servers.kafka import KafkaServer
from tests.servers.publishing import drive

PARTITIONS = 3
T0_MS = 1_750_000_000_000
"""A full ten seconds, 15 June 2025."""
MINUTE_MS = 60_000
VANS = tuple(f"van-{number}" for number in range(6))

Result = TypeVar("Result")


@pytest.fixture
def topics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: KafkaServer, topic: str, client_settings: dict[str, Any]
) -> Topics:
    """Of a new log, which the settings name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_LOG__URL", f"kafka://{kafka.address}/{topic}")
    monkeypatch.setenv("VANPULSE_STORE__URL", f"sqlite:///{tmp_path / 'history.db'}")
    found = Topics.of(topic)
    assert ensure(client_settings, found, TopicShape(PARTITIONS, 1)) == PARTITIONS
    return found


def in_partition(
    client_settings: dict[str, Any], topics: Topics, partition: int, work: Callable[[PartitionLog], Awaitable[Result]]
) -> Result:
    """Take a partition over and do this with it."""

    async def run() -> Result:
        log = PartitionLog(client_settings, topics, partition)
        try:
            return await work(log)
        finally:
            await log.close()

    return asyncio.run(run())


async def read_all(log: PartitionLog) -> list[Batch]:
    await log.load(0)
    return await log.read(0, max_messages=1 << 30)


def everything(client_settings: dict[str, Any], topics: Topics) -> list[list[Batch]]:
    """All batches of each partition."""
    return [in_partition(client_settings, topics, partition, read_all) for partition in range(PARTITIONS)]


def letter(offset: int, van: str, *, minute: int = 0, **more: Any) -> DeadLetter:
    payload = msgspec.json.encode({"time": T0_MS, "soc_pct": 70.0})
    wanted = {"offset": offset, "reason": "unknown_vehicle", "topic": f"vans/{van}/soc", "payload": payload}
    return DeadLetter(
        **(wanted | {"received_ms": T0_MS + minute * MINUTE_MS, "detail": "not yet", "sender": van} | more)
    )


def keep(
    client_settings: dict[str, Any], topics: Topics, partition: int, *items: DeadLetter | StoreRefusal, offset: int
) -> None:
    """As an agent does whose checkpoint is at this offset."""

    async def work(log: PartitionLog) -> None:
        await log.load(partition)
        await log.add_dead_letters([each for each in items if isinstance(each, DeadLetter)])
        await log.add_refusals([each for each in items if isinstance(each, StoreRefusal)])
        await log.checkpoint(partition, offset, {})

    in_partition(client_settings, topics, partition, work)


def test_dead_letters_are_listed_shown_and_replayed_once_to_the_partition_of_their_van(
    client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    van, other = (
        VANS[0],
        next(each for each in VANS if partition_of(each, PARTITIONS) != partition_of(VANS[0], PARTITIONS)),
    )
    home = partition_of(van, PARTITIONS)
    line = b"battery,vehicle_id=van-0 soc_pct=1 1"
    refusal = StoreRefusal(key=refusal_key(line), measurement="battery", line=line, newest_ms=T0_MS, detail="?")
    below = [
        letter(3, van),
        letter(4, van, minute=1),
        letter(5, other, minute=1),  # the fleet file has got an identity since: its van has another partition
        letter(6, van, reason="oversize"),
    ]
    keep(client_settings, topics, home, *below, letter(12, van), refusal, offset=10)

    assert main(["deadletters", "list", "--format", "jsonl"]) == 0
    keys = [json.loads(text)["key"] for text in capsys.readouterr().out.splitlines()]
    assert keys == [f"{home}/{number}.0" for number in (3, 4, 5, 6, 12)] + [f"{home}/store.{refusal.key}"]
    assert main(["deadletters", "show", f"{home}/4"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("key ") == 1
    assert f"{home}/4.0" in shown
    assert main(["deadletters", "show", "4.0"]) == 1
    assert "1 of these keys have no dead letter" in capsys.readouterr().err

    assert main(["deadletters", "replay"]) == 1
    said = capsys.readouterr()
    assert "3 of 6 dead letters will be processed again" in said.out
    assert "1 with reason oversize are not replayed" in said.err
    assert "1 with reason unknown_vehicle are not replayed: their message is not checkpointed yet" in said.err
    settle(client_settings, topics, "replay")

    found = everything(client_settings, topics)
    expected: list[list[tuple[int, str]]] = [[] for _ in range(PARTITIONS)]
    expected[home] = [(T0_MS, f"vans/{van}/soc"), (T0_MS + MINUTE_MS, f"vans/{van}/soc")]
    expected[partition_of(other, PARTITIONS)] = [(T0_MS + MINUTE_MS, f"vans/{other}/soc")]
    replayed = [
        [(batch.received_ms, message.topic) for batch in batches for message in batch.messages] for batches in found
    ]
    assert replayed == expected
    assert {message.kind for batches in found for batch in batches for message in batch.messages} == {
        MessageKind.REPLAYED
    }
    assert main(["deadletters", "replay", "--reason", "unknown_vehicle"]) == 1
    assert "0 of 1 dead letters" in capsys.readouterr().out
    assert everything(client_settings, topics) == found


def test_a_replay_that_was_killed_is_undone_by_the_next_one(client_settings: dict[str, Any], topics: Topics) -> None:
    """It dies between the message and the deletion of the letter: the message must not be there twice."""
    home = partition_of(VANS[0], PARTITIONS)
    keep(client_settings, topics, home, letter(3, VANS[0]), offset=10)
    dying = producer(client_settings, transactional_id=f"vanpulse-{topics.messages}-replay")
    dying.init_transactions(60)
    dying.begin_transaction()
    half = Record(T0_MS, T0_MS, "", [Message(f"vans/{VANS[0]}/soc", b"half", kind=MessageKind.REPLAYED)])
    dying.produce(topics.messages, pack(half), partition=home)
    assert dying.flush(60) == 0
    assert main(["deadletters", "replay"]) == 0
    settle(client_settings, topics, "replay")
    found = everything(client_settings, topics)
    messages = [message for batches in found for batch in batches for message in batch.messages]
    assert [message.payload for message in messages] == [letter(3, VANS[0]).payload]


def test_an_import_gives_the_rows_that_the_same_import_into_a_journal_gives(
    tmp_path: Path,
    client_settings: dict[str, Any],
    topics: Topics,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    drives = [message for van in VANS for message in drive(van, start_ms=T0_MS, readings=60)]
    drives.append((f"vans/{VANS[0]}/soc", {"time": T0_MS, "soc_pct": 400}))
    lines = [
        json.dumps({"topic": name, "payload": json.dumps(payload), "received_ms": payload["time"]})
        for name, payload in sorted(drives, key=lambda each: each[1]["time"])
    ]
    Path("past.jsonl").write_text("".join(f"{text}\n" for text in lines))
    command = ["import", "messages", "past.jsonl", "--until", str(T0_MS + 60 * MINUTE_MS)]
    assert main(command) == 0
    assert "361 messages" in capsys.readouterr().out
    settle(client_settings, topics, "import")

    async def of_partitions() -> list[ShardOutput]:
        return [await process_partition(client_settings, topics, number, open_shard()) for number in range(PARTITIONS)]

    found = asyncio.run(of_partitions())
    monkeypatch.setenv("VANPULSE_LOG__URL", "journal:")
    monkeypatch.setenv("VANPULSE_JOURNAL__PATH", str(tmp_path / "journal.db"))
    assert main(command) == 0
    journal = Journal.open(tmp_path / "journal.db", max_bytes=64 << 20)
    expected = process(open_shard(), journal.read(0, max_messages=1 << 30))
    journal.close()
    assert [point.measurement for point in points(expected)].count("trip") == len(VANS)
    assert points(*found) == points(expected)
    assert letters(*found) == letters(expected)


def test_an_import_with_a_bad_line_has_written_nothing(
    client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [{"topic": "t", "payload": "x" * 1000, "received_ms": T0_MS + number} for number in range(2000)]
    Path("past.jsonl").write_text("".join(json.dumps(line) + "\n" for line in [*good, {"topic": "t"}]))
    assert main(["import", "messages", "past.jsonl"]) == 1
    assert "line 2001" in capsys.readouterr().err
    assert everything(client_settings, topics) == [[]] * PARTITIONS


def test_an_import_beside_an_ingesting_agent_is_refused(
    client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    now_ms = time.time_ns() // 1_000_000
    tick = Message("", b"%d %d" % (now_ms, now_ms), qos=0, kind=MessageKind.TICK)
    Appender(client_settings, topics.messages, source="mqtt").append(
        [(number, [tick]) for number in range(PARTITIONS)], received_ms=now_ms, listening_since_ms=now_ms
    )
    Path("past.jsonl").write_text(json.dumps({"topic": "t", "payload": "x", "received_ms": T0_MS}) + "\n")
    assert main(["import", "messages", "past.jsonl"]) == 1
    assert "Stop all ingesting agents" in capsys.readouterr().err


def test_a_manifest_and_a_correction_go_to_the_partitions_of_their_vans(
    tmp_path: Path, client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    now_ms = time.time_ns() // 1_000_000
    rows = [f"{van},{now_ms - MINUTE_MS},load,12.5" for van in VANS]
    Path("drops.csv").write_text("\n".join(["vehicle_id,time,action,mass_kg", *rows]))
    assert main(["import", "drops", "drops.csv"]) == 0
    assert "imported 6 drops of 6 vans" in capsys.readouterr().out

    journal = process(open_shard(), [Batch(0, now_ms, 0, published(drive(VANS[1], start_ms=now_ms - 3_600_000)))])

    async def store() -> None:
        history = make_store(f"sqlite:///{tmp_path / 'history.db'}", token="", batch_points=1000, keep_days=None)
        await history.open()
        await history.write(journal.rows)
        await history.close()

    asyncio.run(store())
    period = ["--from", str(now_ms - 3_600_000), "--to", str(now_ms - 1_800_000)]
    assert main(["correct", VANS[1], *period, "--reason", "towed"]) == 0
    assert "is excluded" in capsys.readouterr().out
    for command in ("import", "correct"):
        settle(client_settings, topics, command)

    found = everything(client_settings, topics)
    home: dict[str, int] = {}
    corrected: dict[str, int] = {}
    for partition, batches in enumerate(found):
        for message in (message for batch in batches for message in batch.messages):
            if message.kind == MessageKind.CORRECTION:
                corrected[msgspec.json.decode(message.payload, type=Correction).vehicle_id] = partition
            else:
                home[message.topic.rpartition("/")[2]] = partition
    assert home == {van: partition_of(van, PARTITIONS) for van in VANS}
    assert corrected == {VANS[1]: partition_of(VANS[1], PARTITIONS)}


def published(messages: list[tuple[str, Any]]) -> list[Message]:
    return [Message(name, json.dumps(payload).encode()) for name, payload in messages]


def test_a_log_that_is_not_there_is_not_made_by_a_command(
    kafka: KafkaServer, topic: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VANPULSE_LOG__URL", f"kafka://{kafka.address}/{topic}")
    assert main(["deadletters", "list"]) == 2
    assert f"there is no topic '{topic}' yet" in capsys.readouterr().err
