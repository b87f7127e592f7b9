"""TLS and SASL on a real Kafka: who may in, and what a wrong password or certificate authority says."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.commands.kafka_log import client_of, open_kafka
from agent.commands.kafka_node import what_is_missing
from agent.errors import LogUnavailable, SettingsError
from agent.kafka.partition_log import PartitionLog
from agent.log_settings import LogSettings
from tests.servers.agent import Agent
from tests.servers.certificates import Authority
from tests.servers.kafka import PASSWORD, USER, KafkaServer, kafka_server
from tests.servers.programs import find_program
from tests.test_log import append, read_all


class Secured(NamedTuple):
    server: KafkaServer
    ca_file: Path
    other_ca_file: Path

    def settings(self, **changed: object) -> dict[str, object]:
        right = {
            "url": f"kafkas://{self.server.address}/vans",
            "username": USER,
            "password": PASSWORD,
            "ca_file": self.ca_file,
            "partitions": 1,
            "replication": 1,
        }
        return {key: value for key, value in (right | changed).items() if value is not None}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    missing = what_is_missing() or (None if find_program("openssl") else "openssl missing: apt-get install openssl")
    if missing is not None:
        pytest.skip(missing)
    directory = tmp_path_factory.mktemp("certificates")
    authority = Authority(directory / "right")
    certificate = authority.issue("kafka", hosts=("IP:127.0.0.1",))
    pem_file = directory / "kafka.pem"
    pem_file.write_text(certificate.key_file.read_text() + certificate.cert_file.read_text())
    with kafka_server(pem_file=pem_file) as server:
        yield Secured(server, authority.cert_file, Authority(directory / "other").cert_file)


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-512", "PLAIN"])
async def test_messages_and_states_go_over_tls_with_a_login(secured: Secured, mechanism: str) -> None:
    place = open_kafka(LogSettings.model_validate(secured.settings(sasl_mechanism=mechanism)))
    log = PartitionLog(place.client, place.topics, 0)
    start = (await log.load(0)).offset
    await append(log, mechanism)
    assert (await read_all(log, start))[-1] == mechanism
    await log.checkpoint(0, log.end, {"van-1": b"one"})
    assert dict((await log.load(0)).states) == {"van-1": b"one"}
    await log.close()


@pytest.mark.parametrize(
    ("role", "changed", "words"),
    [
        ("ingest", {"password": "let-me-in"}, "log.username, log.password, log.sasl_mechanism: Kafka at"),
        ("process", {"sasl_mechanism": "PLAIN", "password": "let-me-in"}, "log.sasl_mechanism: Kafka at"),
        ("process", {"ca_file": "other"}, "log.ca_file, log.cert_file, log.key_file: no TLS with Kafka at"),
    ],
)
def test_a_refusal_ends_the_start_with_one_line_that_names_the_setting(
    secured: Secured, tmp_path: Path, role: str, changed: dict[str, object], words: str
) -> None:
    if changed.get("ca_file") == "other":
        changed = {"ca_file": secured.other_ca_file}
    agent = Agent(tmp_path / "agent", **{f"log__{key}": value for key, value in secured.settings(**changed).items()})
    result = agent.command("run", "--role", role, check=False)
    assert result.returncode == 2, result.stderr
    assert words in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    assert "let-me-in" not in result.stderr
    assert PASSWORD not in result.stderr


def test_a_connection_without_tls_is_closed_and_that_is_said(secured: Secured) -> None:
    plain = secured.settings(url=f"kafka://{secured.server.address}/vans", ca_file=None, username=None, password=None)
    with pytest.raises(LogUnavailable, match="may expect TLS"):
        open_kafka(LogSettings.model_validate(plain), answer_s=2)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"url": "kafka://127.0.0.1:9092/vans", "ca_file": "ca.pem"}, "use kafkas://"),
        ({"url": "kafkas://127.0.0.1:9092/vans", "ca_file": "nowhere/ca.pem"}, "nowhere/ca.pem' does not exist"),
        ({"url": "kafkas://127.0.0.1:9092/vans", "username": "vans"}, "log.password is not"),
        (
            {"url": "kafka://k:9092/vans", "username": "u", "password": "open-sesame", "sasl_mechanism": "PLAIN"},
            "sends the password as it is",
        ),
        ({"url": "kafkas://127.0.0.1:9092/vans", "password": "open-sesame"}, "log.username is not"),
        ({"url": "kafkas://127.0.0.1:9092/vans", "ca_file": __file__}, "ssl.ca.location failed"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_before_anything_is_connected(
    settings: dict[str, object], words: str
) -> None:
    with pytest.raises(SettingsError, match=words):
        client_of(LogSettings.model_validate(settings))
