"""One Kafka for all tests here, and a new log for each."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from agent.commands.kafka_node import what_is_missing
from tests.servers.kafka import KafkaServer, kafka_server

_numbers = count(1)


@pytest.fixture(scope="session")
def kafka() -> Iterator[KafkaServer]:
    missing = what_is_missing()
    if missing is not None:
        pytest.skip(missing)
    with kafka_server() as server:
        yield server


@pytest.fixture
def client_settings(kafka: KafkaServer) -> dict[str, Any]:
    return {"bootstrap.servers": kafka.address}


@pytest.fixture
def topic() -> str:
    """A name that no other test uses."""
    return f"vans-{next(_numbers)}"
