"""`vanpulse doctor` and `check-config` with a log on Kafka."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.kafka.appender import Appender
from agent.kafka.partition_log import PartitionLog
from agent.kafka.records import MESSAGES_PER_RECORD
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.messages import Message
from tests.kafka.test_starting import change
from tests.servers.kafka import KafkaServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

Findings = dict[str, dict[str, str]]


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kafka: KafkaServer, topic: str) -> pytest.MonkeyPatch:
    """The settings of a log that does not exist yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_LOG__URL", f"kafka://{kafka.address}/{topic}")
    return monkeypatch


def findings(capsys: pytest.CaptureFixture[str]) -> Findings:
    main(["doctor", "--json", "--rate", "10"])
    return {finding["subject"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}


def make_partition(settings: dict[str, Any], topics: Topics, partition: int, *, records: int, done: int) -> None:
    """So many records of one message, of which so many are processed."""
    appender = Appender(settings, topics.messages, source="a")
    for _ in range(records):
        appender.append([(partition, [Message("t", b"x")])], received_ms=1, listening_since_ms=0)

    async def checkpoint() -> None:
        log = PartitionLog(settings, topics, partition)
        await log.load(partition)
        await log.checkpoint(partition, (done - 1) * MESSAGES_PER_RECORD + 1, {"van": b"state"})
        await log.close()

    asyncio.run(checkpoint())


@needs("mosquitto")
def test_lag_replication_and_retention_are_found(
    environment: pytest.MonkeyPatch,
    tmp_path: Path,
    kafka: KafkaServer,
    client_settings: dict[str, Any],
    topic: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    topics = Topics.of(topic)
    with Mosquitto(tmp_path) as broker:
        environment.setenv("VANPULSE_MQTT__URL", broker.url)
        assert findings(capsys)["topics"] == {
            "subject": "topics",
            "value": "not there yet: the first agent makes them",
            "origin": "measured",
            "status": "note",
        }
        ensure(client_settings, topics, TopicShape(partitions=3, replication=1, retention_days=2.0))
        make_partition(client_settings, topics, 0, records=5, done=3)
        make_partition(client_settings, topics, 1, records=2, done=2)

        found = findings(capsys)
        assert found["Kafka"]["value"] == f"1 brokers, kafka://{kafka.address}/{topic}"
        for name in topics:
            text = "3 partitions, 1 replicas, 1 of them in sync, min.insync.replicas=1"
            assert found[f"topic {name}"]["value"] == text
            assert found[f"topic {name}"]["advice"] == "one broken machine loses what was acknowledged"
        assert found["lag of partition 0"]["value"].startswith("2 records, the oldest ")
        assert "status" not in found["lag of partition 0"]
        assert [found[f"lag of partition {number}"]["value"] for number in (1, 2)] == ["none", "none"]
        assert found["processing agents"]["status"] == found["ingesting agents"]["status"] == "weak"
        assert found["messages are kept"]["value"] == "2 days"
        # 48 h, less the age of the oldest message that is not processed: some seconds.
        assert found["store may be down"]["value"] in {"48 h", "47.9 h", "2 days"}
        assert "status" not in found["store may be down"]
        assert "file system" not in found

        change(kafka, topic, retention_ms="1800000", retention_bytes="1048576")
        found = findings(capsys)
        assert found["messages are kept"]["value"] == "30 min, and at most 1 MiB of a partition"
        assert found["store may be down"]["status"] == "weak"
        assert f"--topic {topic} --add-config retention.ms=" in found["store may be down"]["cure"]

        change(kafka, topics.states, cleanup_policy="delete")
        assert findings(capsys)[f"topic {topics.states}"]["status"] == "broken"

        assert main(["doctor", "--rate", "10"]) == 1
        assert "lag of partition 0" in capsys.readouterr().out


def test_messages_that_kafka_has_deleted_before_they_were_processed_are_found(
    environment: pytest.MonkeyPatch, client_settings: dict[str, Any], topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from confluent_kafka import TopicPartition
    from confluent_kafka.admin import AdminClient

    del environment
    topics = Topics.of(topic)
    ensure(client_settings, topics, TopicShape(partitions=1, replication=1))
    make_partition(client_settings, topics, 0, records=6, done=2)
    admin = AdminClient(client_settings | {"log_level": 0})
    for future in admin.delete_records([TopicPartition(topic, 0, 5)]).values():
        future.result(60)
    lag = findings(capsys)["lag of partition 0"]
    assert (lag["status"], lag["value"]) == ("broken", "3 records were deleted before they were processed")


def test_a_kafka_that_does_not_answer_is_broken(
    environment: pytest.MonkeyPatch, unused_tcp_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("VANPULSE_LOG__URL", f"kafka://127.0.0.1:{unused_tcp_port}/vans")
    found = findings(capsys)["Kafka"]
    assert found["status"] == "broken"
    assert f"Kafka at 127.0.0.1:{unused_tcp_port} does not answer" in found["value"]


def test_check_config_checks_the_log_without_connecting(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("VANPULSE_LOG__URL", "kafka://127.0.0.1:1/vans")
    assert main(["check-config"]) == 0
    assert "→ kafka://127.0.0.1:1/vans → sqlite:///" in capsys.readouterr().out
    environment.setenv("VANPULSE_LOG__URL", "kafka://127.0.0.1:1")
    assert main(["check-config"]) == 2
    assert "it ends with the topic" in capsys.readouterr().err
