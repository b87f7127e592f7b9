"""What `log.url` and its security settings mean to a Kafka client."""

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple
from urllib.parse import urlsplit

from agent.errors import SettingsError

EXAMPLE: Final = "kafka://HOST:9092/vans"
LOCAL: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


class KafkaAddress(NamedTuple):
    """The brokers and the name of the topic; `kafkas://` means TLS."""

    brokers: str
    topic: str
    tls: bool

    @property
    def is_local(self) -> bool:
        """Whether all brokers are on this machine."""
        return all(each.rpartition(":")[0] in LOCAL for each in self.brokers.split(","))

    @classmethod
    def parse(cls, url: str) -> "KafkaAddress":
        """From `kafka://HOST:PORT[,HOST:PORT]/TOPIC`. Raises `SettingsError` for anything else."""
        if "@" in url:
            raise SettingsError("log.url must not hold a user name or password: set log.username and log.password")
        parts = urlsplit(url)
        topic = parts.path.strip("/")
        if parts.scheme not in ("kafka", "kafkas") or not parts.netloc:
            raise SettingsError(f"log.url: not a Kafka address; an example: {EXAMPLE!r}")
        if not topic or len(topic) > 200 or set(topic) - _TOPIC_LETTERS:
            raise SettingsError(f"log.url: it ends with the topic, of A-Z a-z 0-9 . _ -; an example: {EXAMPLE!r}")
        brokers = ",".join(
            host if ":" in host.rpartition("]")[2] else f"{host}:9092" for host in parts.netloc.split(",")
        )
        return cls(brokers, topic, parts.scheme == "kafkas")


_TOPIC_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")


class KafkaSecurity(NamedTuple):
    """How to sign in at the brokers, and whom to trust."""

    username: str | None = None
    password: str | None = None
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


def client_settings(address: KafkaAddress, security: KafkaSecurity) -> dict[str, Any]:
    """The settings that every client of librdkafka gets."""
    found: dict[str, Any] = {"bootstrap.servers": address.brokers, "client.id": "vanpulse"}
    signs_in = security.username is not None
    found["security.protocol"] = ("SASL_" if signs_in else "") + ("SSL" if address.tls else "PLAINTEXT")
    if signs_in:
        found |= {
            "sasl.mechanism": security.mechanism,
            "sasl.username": security.username,
            "sasl.password": security.password or "",
        }
    files = {
        "ssl.ca.location": security.ca_file,
        "ssl.certificate.location": security.cert_file,
        "ssl.key.location": security.key_file,
    }
    return found | {name: str(path) for name, path in files.items() if path is not None}
