"""From a journal to Kafka: what the partitions make of it is what the journal's own agent would have made of it."""

import sqlite3
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent import open_shard
from agent.__main__ import main
from agent.fleet.books.corrections import CorrectedHour, Correction
from agent.fleet.correction_state import Amounts
from agent.journal import Journal
from agent.kafka.letters import kept
from agent.kafka.owner import checkpoint_offset
from agent.kafka.reader import records
from agent.kafka.topics import Topics
from agent.log import DeadLetter, StoreRefusal, refusal_key
from agent.messages import Batch, Message
from benchmarks.same_rows import simulate
from tests.kafka.shards import letters, points, process, process_partition, settle
from tests.servers.kafka import KafkaServer

DIALECTS = ("native", "gbt32960", "vss")
PARTITIONS = 4
MIB = 1 << 20


@cache
def fleets() -> list[Batch]:
    """Vans of three dialects over an hour, with every fault, in batches of ten seconds."""
    together: dict[int, list[Message]] = {}
    for dialect, vans in zip(DIALECTS, (6, 3, 3), strict=True):
        for batch in simulate(dialect, vans, hours=1.0).batches:
            together.setdefault(batch.received_ms, []).extend(batch.messages[:-1])
    batches = []
    offset = 0
    for received_ms in sorted(together):
        messages = [*together[received_ms], tick(received_ms)]
        batches.append(Batch(offset, received_ms, 0, messages))
        offset += len(messages)
    return batches


def tick(time_ms: int) -> Message:
    return Message("", b"%d" % time_ms, qos=0, kind=1)


def correction(vehicle_id: str, to_ms: int) -> bytes:
    from_ms = to_ms - 600_000
    return msgspec.json.encode(
        Correction(
            vehicle_id=vehicle_id,
            from_ms=from_ms,
            to_ms=to_ms,
            made_ms=to_ms,
            reason="towed",
            made_by="test",
            slices=[CorrectedHour(from_ms, Amounts(distance_km=1.5))],
            counted_ms=from_ms,
            counted=None,
            days=[],
        )
    )


@pytest.fixture
def topics(topic: str) -> Topics:
    return Topics.of(topic)


@pytest.fixture
def journal_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: KafkaServer, topics: Topics) -> Path:
    """Of a journal with a checkpoint, dead letters, a refusal and a backlog."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "journal.db"
    settings = {
        "JOURNAL__PATH": str(path),
        "LOG__URL": f"kafka://{kafka.address}/{topics.messages}",
        "LOG__PARTITIONS": str(PARTITIONS),
        "LOG__REPLICATION": "1",
        "MQTT__DIALECTS": msgspec.json.encode(DIALECTS).decode(),
    }
    for name, value in settings.items():
        monkeypatch.setenv(f"VANPULSE_{name}", value)
    journal = Journal.open(path, max_bytes=64 * MIB)
    batches = fleets()
    half = len(batches) // 2
    for batch in batches:
        journal.append(batch.messages, received_ms=batch.received_ms, listening_since_ms=0)
    shard = open_shard(dialects=DIALECTS)
    out = process(shard, batches[:half])
    assert out.dead_letters
    journal.add_dead_letters(out.dead_letters)
    line = b"battery,vehicle_id=van-1 soc_pct=1 1"
    journal.add_refusals(
        [StoreRefusal(key=refusal_key(line), measurement="battery", line=line, newest_ms=1, detail="?", sender="van-1")]
    )
    end_ms = batches[-1].received_ms
    journal.append_corrections([(end_ms, correction(next(iter(shard.vans)), end_ms))])
    journal.append([tick(end_ms + 600_000)], received_ms=end_ms + 600_000, listening_since_ms=0)
    states = {key: state for part in shard.snapshot() for key, state in part.items()}
    assert {"/minute", "/sources"} < states.keys()
    assert any(key.startswith("gbt32960/") for key in states)
    assert any(key.startswith("vss/") for key in states)
    journal.load(0)
    journal.checkpoint(0, batches[half].offset, states)
    journal.close()
    return path


async def test_the_rows_are_those_that_the_journal_would_have_given(
    journal_path: Path, client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal.open(journal_path, max_bytes=64 * MIB)
    offset, pages = journal.load(0)
    whole = open_shard(dialects=DIALECTS)
    whole.restore([state for page in pages for state in page])
    expected = process(whole, journal.read(offset, max_messages=1 << 40))
    kept_before = list(journal.dead_letters())
    journal.close()
    assert Counter(point.measurement for point in points(expected))["trip"] > 2
    assert [point for point in points(expected) if point.measurement == "correction"]

    assert main(["migrate-log"]) == 0
    assert f"{len(whole.vans)} vans" in capsys.readouterr().out
    settle(client_settings, topics, "migration")

    shards = [open_shard(dialects=DIALECTS) for _ in range(PARTITIONS)]
    moved = [kept(client_settings, topics, partition) for partition in range(PARTITIONS)]
    found = [
        await process_partition(client_settings, topics, partition, shard) for partition, shard in enumerate(shards)
    ]
    assert points(*found) == points(expected)
    assert letters(*found) == letters(expected)
    assert sorted(van for shard in shards for van in shard.vans) == sorted(whole.vans)
    assert all(len(shard.vans) for shard in shards)

    old = [item for items in moved for item in items if isinstance(item, DeadLetter)]
    assert sorted((each.topic, each.payload, each.reason) for each in old) == sorted(
        (each.topic, each.payload, each.reason) for each in kept_before
    )
    assert all(letter.offset < 0 for letter in old)
    assert sum(isinstance(item, StoreRefusal) for items in moved for item in items) == 1


def test_a_log_that_is_in_use_is_refused_and_a_second_move_too(
    journal_path: Path, topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal.open(journal_path, max_bytes=64 * MIB)
    assert main(["migrate-log"]) == 1
    assert "an agent has the journal" in capsys.readouterr().err
    journal.close()
    assert main(["migrate-log"]) == 0
    capsys.readouterr()
    assert main(["migrate-log"]) == 1
    assert f"the topic '{topics.messages}' is not empty: nothing was moved" in capsys.readouterr().err


def test_a_move_that_fails_in_the_middle_has_moved_nothing_and_can_be_made_again(
    journal_path: Path, client_settings: dict[str, Any], topics: Topics, capsys: pytest.CaptureFixture[str]
) -> None:
    damage = "UPDATE states SET crc32 = crc32 {} 1 WHERE id = (SELECT max(id) FROM states)"
    with sqlite3.connect(journal_path) as connection:
        connection.execute(damage.format("+"))
    connection.close()
    assert main(["migrate-log"]) == 1
    assert "is damaged" in capsys.readouterr().err
    for topic in topics:
        for partition in range(PARTITIONS):
            assert next(records(client_settings, topic, partition), None) is None
    with sqlite3.connect(journal_path) as connection:
        connection.execute(damage.format("-"))
    connection.close()
    assert main(["migrate-log"]) == 0
    assert checkpoint_offset(client_settings, topics, PARTITIONS - 1) == 0


def test_a_journal_as_the_target_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VANPULSE_LOG__URL", "journal:")
    assert main(["migrate-log"]) == 2
    assert "set log.url" in capsys.readouterr().err
