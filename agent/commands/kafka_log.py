"""The log on Kafka, opened by the `[log]` settings. Imported only when `log.url` names one."""

import socket
from typing import Any, NamedTuple

from agent.errors import SettingsError
from agent.kafka.address import KafkaAddress, KafkaSecurity, client_settings
from agent.log_settings import LogSettings

try:
    from agent.kafka.client import Admin
    from agent.kafka.roll_ups import ensure_roll_ups
    from agent.kafka.topics import Topics, TopicShape, ensure
except ModuleNotFoundError as error:
    raise SettingsError("log.url names a Kafka: install its client with `pip install 'vanpulse[kafka]'`") from error


class KafkaPlace(NamedTuple):
    """A log on Kafka: how to reach it, its topics, and its number of partitions."""

    client: dict[str, Any]
    topics: Topics
    partitions: int


def client_of(settings: LogSettings) -> dict[str, Any]:
    """The settings of every client of Kafka. Connects to nothing. Raises `SettingsError`."""
    address = KafkaAddress.parse(settings.url)
    files = {name: getattr(settings, name) for name in ("ca_file", "cert_file", "key_file")}
    if not address.tls and any(files.values()):
        raise SettingsError(
            f"log.url = {settings.url!r} is not encrypted, but a certificate file is set: use kafkas://"
        )
    for name, path in files.items():
        if path is not None and not path.is_file():
            raise SettingsError(f"log.{name} = {str(path)!r} does not exist")
    if settings.password is not None and settings.username is None:
        raise SettingsError("log.password is set, but log.username is not")
    if settings.username is not None and settings.password is None:
        raise SettingsError("log.username is set, but log.password is not")
    if settings.username is not None and settings.sasl_mechanism == "PLAIN" and not (address.tls or address.is_local):
        raise SettingsError(
            "log.sasl_mechanism = 'PLAIN' sends the password as it is: use kafkas://, or one of the SCRAM mechanisms"
        )
    security = KafkaSecurity(
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        mechanism=settings.sasl_mechanism,
        **files,
    )
    client = client_settings(address, security)
    Admin(client)  # reads the certificate files
    return client


def topics_of(settings: LogSettings) -> Topics:
    """The names of the topics. Raises `SettingsError`."""
    return Topics.of(KafkaAddress.parse(settings.url).topic)


def open_kafka(settings: LogSettings, *, answer_s: float = 10.0) -> KafkaPlace:
    """Create or check the topics. Raises `SettingsError`, and `LogUnavailable` while no broker answers."""
    client, topics = client_of(settings), topics_of(settings)
    shape = TopicShape(settings.partitions, settings.replication, settings.retention_days)
    partitions = ensure(client, topics, shape, answer_s=answer_s)
    ensure_roll_ups(client, topics.roll_ups, shape, answer_s=answer_s)
    return KafkaPlace(client, topics, partitions)


def find_kafka(settings: LogSettings, *, answer_s: float = 10.0) -> KafkaPlace:
    """The log that is there. Raises `SettingsError`, also where there is none, and `LogUnavailable`."""
    client, topics = client_of(settings), topics_of(settings)
    return KafkaPlace(client, topics, ensure(client, topics, None, answer_s=answer_s))


def instance_of(settings: LogSettings) -> str:
    """The name of this agent among several."""
    return settings.instance or socket.gethostname()
