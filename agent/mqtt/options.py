"""Connection options: the `[mqtt]` settings, checked and in the form that a connection needs."""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

import msgspec

from agent.config import MqttSettings
from agent.errors import SettingsError

DEFAULT_PORTS: Final[dict[str, int]] = {"mqtt": 1883, "mqtts": 8883}


class MqttOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What every connection to the broker uses: address, identity, filters and limits.

    Built once from the settings and handed down whole. The session reads it anew for each connection attempt, so a list
    of addresses or fresh credentials need a change in `Session` only.
    """

    host: str
    port: int
    protocol: Literal["5", "3.1.1"] = "5"
    client_id: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    """None: an unencrypted connection."""
    filters: tuple[str, ...]
    """Topic filters to subscribe to, all at QoS 1. A shared subscription would be a filter `$share/GROUP/FILTER`."""
    keepalive_s: int
    max_packet_bytes: int
    """A larger message is reported as oversize."""
    receive_maximum: int
    """MQTT 5 only: messages that the broker may send before an acknowledgement."""
    session_expiry_s: int
    """MQTT 5 only: how long the broker keeps the session after a disconnect."""

    @property
    def hard_limit_bytes(self) -> int:
        """Packets above this end the connection. Well above `max_packet_bytes`, so oversize messages are reported."""
        return max(4 * self.max_packet_bytes, 1024 * 1024)

    @classmethod
    def from_settings(cls, settings: MqttSettings, filters: Sequence[str]) -> Self:
        """Check what only makes sense together. Raises SettingsError naming the setting."""
        host, port, encrypted = broker_address(settings.url)
        if not encrypted and (settings.ca_file or settings.cert_file or settings.key_file):
            raise SettingsError(
                f"mqtt.url = {settings.url!r} is not encrypted, but a certificate file is set: use mqtts://"
            )
        if settings.password is not None and settings.username is None:
            raise SettingsError("mqtt.password is set, but mqtt.username is not")
        return cls(
            host=host,
            port=port,
            protocol=settings.protocol,
            client_id=settings.client_id,
            username=settings.username,
            password=settings.password.get_secret_value() if settings.password else None,
            tls=tls_context(settings.ca_file, settings.cert_file, settings.key_file) if encrypted else None,
            filters=tuple(filters),
            keepalive_s=settings.keepalive_s,
            max_packet_bytes=settings.max_packet_bytes,
            receive_maximum=settings.receive_maximum,
            session_expiry_s=settings.session_expiry_s,
        )


def broker_address(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS is wanted. Raises SettingsError naming mqtt.url."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsError(f"mqtt.url = {url!r} must be mqtt://HOST[:PORT]: {error}") from error
    if parts.scheme not in DEFAULT_PORTS:
        raise SettingsError(f"mqtt.url = {url!r} must begin with mqtt:// or mqtts://")
    if parts.username or parts.password:
        raise SettingsError("mqtt.url must not hold a user name or password: set mqtt.username and mqtt.password")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise SettingsError(f"mqtt.url = {url!r} must be only mqtt://HOST[:PORT]")
    try:
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"mqtt.url = {url!r} has no valid port (1 to 65535)") from error
    if not parts.hostname or port == 0:
        raise SettingsError(f"mqtt.url = {url!r} must be mqtt://HOST[:PORT]")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise SettingsError(f"mqtt.url = {url!r} has no valid host name") from error
    return parts.hostname, port or DEFAULT_PORTS[parts.scheme], parts.scheme == "mqtts"


def tls_context(
    ca_file: str | Path | None = None, cert_file: str | Path | None = None, key_file: str | Path | None = None
) -> ssl.SSLContext:
    """A context that checks the broker's certificate and host name, and presents a client certificate if one is set.

    Raises SettingsError naming the setting.
    """
    if ca_file is not None and not Path(ca_file).is_file():
        raise SettingsError(f"mqtt.ca_file = {str(ca_file)!r}: no such file")
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (OSError, ValueError) as error:
        raise SettingsError(f"mqtt.ca_file = {str(ca_file)!r} is not a PEM file of certificates") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is None:
        if key_file is not None:
            raise SettingsError("mqtt.key_file is set, but mqtt.cert_file is not")
        return context
    for name, file in (("cert_file", cert_file), ("key_file", key_file)):
        if file is not None and not Path(file).is_file():
            raise SettingsError(f"mqtt.{name} = {str(file)!r}: no such file")

    def no_prompt() -> str:
        raise SettingsError("mqtt.key_file is encrypted: give a key without a passphrase, readable by the agent only")

    try:
        context.load_cert_chain(cert_file, key_file, password=no_prompt)
    except (OSError, ValueError) as error:
        raise SettingsError(
            f"mqtt.cert_file = {str(cert_file)!r} and mqtt.key_file do not hold a certificate and its own key (PEM)"
        ) from error
    return context
