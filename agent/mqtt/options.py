"""Connection options: the `[mqtt]` settings, checked and in the form that a connection needs."""

from collections.abc import Sequence
from typing import Literal, Self

import msgspec

from agent.config import MqttSettings
from agent.errors import SettingsError
from agent.mqtt.address import BrokerAddress, broker_addresses
from agent.mqtt.credentials import Credentials


class MqttOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What every connection to the broker uses: addresses, identity, filters and limits.

    Built once from the settings and handed down whole.
    """

    brokers: tuple[BrokerAddress, ...]
    """Tried in turn; the one that has accepted us last is tried first."""
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str
    credentials: Credentials = Credentials()
    filters: tuple[str, ...]
    """Topic filters to subscribe to, all at QoS 1. A shared subscription would be a filter `$share/GROUP/FILTER`."""
    keepalive_s: int
    max_packet_bytes: int
    """A larger message is reported as oversize."""
    receive_maximum: int
    """MQTT 5 only: messages that the broker may send before an acknowledgement."""
    session_expiry_s: int
    """MQTT 5 only: how long the broker keeps the session after a disconnect."""
    clean_start: bool = False
    """Begin with a new session. In MQTT 3.1.1 the broker also ends it with the connection."""

    @property
    def hard_limit_bytes(self) -> int:
        """Packets above this end the connection. Well above `max_packet_bytes`, so oversize messages are reported."""
        return max(4 * self.max_packet_bytes, 1024 * 1024)

    @classmethod
    def from_settings(cls, settings: MqttSettings, filters: Sequence[str]) -> Self:
        """Check what only makes sense together, and every file. Raises SettingsError naming the setting."""
        brokers = broker_addresses(settings.url)
        encrypted = brokers[0].encrypted
        if not encrypted and (settings.ca_file or settings.cert_file or settings.key_file):
            raise SettingsError(
                f"mqtt.url = {settings.url!r} is not encrypted, but a certificate file is set: use mqtts:// or wss://"
            )
        if settings.password is not None and settings.username is None:
            raise SettingsError("mqtt.password is set, but mqtt.username is not")
        credentials = Credentials(
            username=settings.username,
            password=settings.password.get_secret_value() if settings.password else None,
            password_file=settings.password_file,
            ca_file=settings.ca_file,
            cert_file=settings.cert_file,
            key_file=settings.key_file,
        )
        credentials.read(encrypted=encrypted)
        return cls(
            brokers=brokers,
            protocol=settings.protocol,
            client_id=settings.client_id,
            credentials=credentials,
            filters=tuple(filters),
            keepalive_s=settings.keepalive_s,
            max_packet_bytes=settings.max_packet_bytes,
            receive_maximum=settings.receive_maximum,
            session_expiry_s=settings.session_expiry_s,
        )
