"""The log on Kafka, opened by the `[log]` settings. Imported only when `log.url` names one."""

import socket
from typing import Any, NamedTuple

from agent.errors import SettingsError
from agent.kafka.address import KafkaAddress, KafkaSecurity, client_settings
from agent.log_settings import LogSettings

try:
    from agent.kafka.topics import Topics, TopicShape, ensure
except ModuleNotFoundError as error:
    raise SettingsError("log.url names a Kafka: install its client with `pip install 'vanpulse[kafka]'`") from error


class KafkaPlace(NamedTuple):
    """A log on Kafka: how to reach it, its topics, and its number of partitions."""

    client: dict[str, Any]
    topics: Topics
    partitions: int


def open_kafka(settings: LogSettings) -> KafkaPlace:
    """Create or check the topics. Raises `SettingsError`, and `LogUnavailable` while no broker answers."""
    address = KafkaAddress.parse(settings.url)
    if not address.tls and (settings.ca_file or settings.cert_file or settings.key_file):
        raise SettingsError(
            f"log.url = {settings.url!r} is not encrypted, but a certificate file is set: use kafkas://"
        )
    if settings.password is not None and settings.username is None:
        raise SettingsError("log.password is set, but log.username is not")
    security = KafkaSecurity(
        username=settings.username,
        password=settings.password.get_secret_value() if settings.password else None,
        mechanism=settings.sasl_mechanism,
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
    )
    client = client_settings(address, security)
    topics = Topics.of(address.topic)
    shape = TopicShape(settings.partitions, settings.replication, settings.retention_days)
    return KafkaPlace(client, topics, ensure(client, topics, shape))


def source_of(settings: LogSettings) -> str:
    """The name of this agent among several."""
    return settings.source or socket.gethostname()
