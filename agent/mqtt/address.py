"""Addresses of brokers: `mqtt.url`, parsed. Several addresses are separated by commas and tried in turn."""

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from agent.errors import SettingsError

MOST_ADDRESSES: Final = 16
DEFAULT_PATH: Final = "/mqtt"
"""The path of a WebSocket address that has none: what HiveMQ, EMQX and most others expect."""


class _Scheme(NamedTuple):
    port: int
    encrypted: bool
    is_websocket: bool


SCHEMES: Final = {
    "mqtt": _Scheme(1883, encrypted=False, is_websocket=False),
    "mqtts": _Scheme(8883, encrypted=True, is_websocket=False),
    "ws": _Scheme(80, encrypted=False, is_websocket=True),
    "wss": _Scheme(443, encrypted=True, is_websocket=True),
}
FORMS: Final = "mqtt://HOST[:PORT], mqtts://HOST[:PORT], ws://HOST[:PORT][/PATH] or wss://HOST[:PORT][/PATH]"


class BrokerAddress(NamedTuple):
    """Where one broker listens."""

    host: str
    port: int
    encrypted: bool = False
    path: str | None = None
    """The path of a WebSocket; None: MQTT directly on the socket."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def broker_addresses(urls: str) -> tuple[BrokerAddress, ...]:
    """All addresses of `mqtt.url`, in order. Raises SettingsError naming mqtt.url; no text of it holds a password."""
    parts = [part.strip() for part in urls.split(",")]
    if len(parts) > MOST_ADDRESSES:
        raise SettingsError(f"mqtt.url has {len(parts)} addresses: at most {MOST_ADDRESSES} are tried")
    addresses = tuple(_address(part) for part in parts)
    if len({address.encrypted for address in addresses}) > 1:
        raise SettingsError("mqtt.url: either all addresses are encrypted (mqtts://, wss://), or none is")
    return addresses


def _address(url: str) -> BrokerAddress:
    if "@" in url:
        raise SettingsError("mqtt.url must not hold a user name or password: set mqtt.username and mqtt.password")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise SettingsError(f"mqtt.url = {url!r} must be {FORMS}: {error}") from error
    scheme = SCHEMES.get(parts.scheme)
    if scheme is None:
        raise SettingsError(f"mqtt.url = {url!r} must be {FORMS}")
    if parts.fragment or (not scheme.is_websocket and (parts.path.strip("/") or parts.query)):
        raise SettingsError(f"mqtt.url = {url!r} must be only {parts.scheme}://HOST[:PORT]")
    try:
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"mqtt.url = {url!r} has no valid port (1 to 65535)") from error
    if not parts.hostname or port == 0:
        raise SettingsError(f"mqtt.url = {url!r} must be {FORMS}")
    try:
        parts.hostname.encode("idna")
    except UnicodeError as error:
        raise SettingsError(f"mqtt.url = {url!r} has no valid host name") from error
    path = None
    if scheme.is_websocket:
        path = (parts.path or DEFAULT_PATH) + (f"?{parts.query}" if parts.query else "")
    return BrokerAddress(parts.hostname, port or scheme.port, scheme.encrypted, path)
