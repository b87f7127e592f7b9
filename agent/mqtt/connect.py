"""From settings to a receiver: the address, the protocol and TLS, with errors that name the setting."""

import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from agent.errors import SettingsError
from agent.mqtt.base import Receiver
from agent.mqtt.client311 import Mqtt311Receiver
from agent.mqtt.session import Mqtt5Receiver

DEFAULT_PORTS: Final[dict[str, int]] = {"mqtt": 1883, "mqtts": 8883}


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
    """Checks the broker's certificate and name; presents ours if there is one. Raises SettingsError naming the key."""
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


def make_receiver(
    *,
    url: str,
    protocol: str,
    client_id: str,
    filters: list[str],
    receive_maximum: int,
    session_expiry_s: int,
    keepalive_s: int,
    max_packet_bytes: int,
    username: str | None = None,
    password: str | None = None,
    ca_file: str | Path | None = None,
    cert_file: str | Path | None = None,
    key_file: str | Path | None = None,
    session_expected: bool = False,
) -> Receiver:
    """The receiver for the `[mqtt]` settings. Raises SettingsError naming the key and the value."""
    host, port, encrypted = broker_address(url)
    if not encrypted and (ca_file or cert_file or key_file):
        raise SettingsError(f"mqtt.url = {url!r} is not encrypted, but a certificate file is set: use mqtts://")
    if password is not None and username is None:
        raise SettingsError("mqtt.password is set, but mqtt.username is not")
    if not filters:
        raise SettingsError("mqtt.dialects must name at least one dialect: there is nothing to subscribe to")
    _within("receive_maximum", receive_maximum, 1, 65_535)
    _within("session_expiry_s", session_expiry_s, 0, 0xFFFF_FFFF)
    _within("keepalive_s", keepalive_s, 0, 65_535)
    _within("max_packet_bytes", max_packet_bytes, 128, 64 * 1024 * 1024)
    tls = tls_context(ca_file, cert_file, key_file) if encrypted else None
    match protocol:
        case "5":
            return Mqtt5Receiver(
                host=host,
                port=port,
                client_id=client_id,
                filters=filters,
                receive_maximum=receive_maximum,
                session_expiry_s=session_expiry_s,
                keepalive_s=keepalive_s,
                max_packet_bytes=max_packet_bytes,
                username=username,
                password=password,
                tls=tls,
                session_expected=session_expected,
            )
        case "3.1.1":
            return Mqtt311Receiver(
                host=host,
                port=port,
                client_id=client_id,
                filters=filters,
                keepalive_s=keepalive_s,
                max_packet_bytes=max_packet_bytes,
                username=username,
                password=password,
                tls=tls,
                session_expected=session_expected,
            )
        case _:
            raise SettingsError(f'mqtt.protocol = {protocol!r} must be "5" or "3.1.1"')


def _within(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise SettingsError(f"mqtt.{name} = {value!r} must be within {low} to {high}")
