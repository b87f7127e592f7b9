"""The address of the broker, the summary of what was sent, and the interface of senders."""

import os
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self
from urllib.parse import unquote, urlsplit

DEFAULT_URL: Final = "mqtt://127.0.0.1:1883"
FRAMES: Final = {"gbt32960", "gbt32960s"}
EDITIONS: Final = {"": 2016, "edition=2016": 2016, "edition=2025": 2025}
RECONNECT_DELAYS_S: Final = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0)

Outgoing = tuple[str, bytes]
"""A topic and a payload."""
OnAcknowledged = Callable[[int], None]
"""Called with the number of a message when its PUBACK has arrived."""


class Unreachable(Exception):
    """The broker was unreachable, or refused the connection, for longer than the caller wants to wait."""


@dataclass(frozen=True)
class Broker:
    """The address of the broker and the credentials for it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    edition: int | None = None
    """Of GB/T 32960, where the address is that of its listener; None: an MQTT broker."""

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Read `mqtt[s]://[user[:password]@]host[:port]`. Missing parts come from the environment (`VANPULSE_MQTT__…`).

        `gbt32960[s]://host:port[?edition=2025]` is the agent itself, for vans that connect without a broker.

        Raises ValueError for an invalid URL, or if a file that the environment names cannot be read.
        """
        parts = urlsplit(url)
        if parts.scheme in FRAMES and parts.hostname and parts.port and parts.query in EDITIONS:
            tls = _tls() if parts.scheme == "gbt32960s" else None
            return cls(host=parts.hostname, port=parts.port, tls=tls, edition=EDITIONS[parts.query])
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"broker URL {url!r}: give mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
        tls = _tls() if parts.scheme == "mqtts" else None
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if tls else 1883),
            username=unquote(parts.username) if parts.username else _environment("USERNAME"),
            password=unquote(parts.password) if parts.password else _environment("PASSWORD"),
            tls=tls,
        )


def _tls() -> ssl.SSLContext:
    path = _environment("CA_FILE")
    try:
        return ssl.create_default_context(cafile=path)
    except OSError as error:
        raise ValueError(f"VANPULSE_MQTT__CA_FILE = {path!r}: {error.strerror or error}") from error


def _environment(name: str) -> str | None:
    """A setting of the agent's `mqtt` section from the environment. Secrets may also come from a file."""
    value = os.environ.get(f"VANPULSE_MQTT__{name}")
    path = os.environ.get(f"VANPULSE_MQTT__{name}_FILE")
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"VANPULSE_MQTT__{name}_FILE = {path!r}: {error.strerror}") from error


@dataclass
class SendSummary:
    """The number of messages sent and acknowledged."""

    messages: int = 0
    acknowledged: int = 0
    reconnects: int = 0
    seconds: float = 0.0
    started: float = field(default_factory=time.monotonic, repr=False)


class Sender(Protocol):
    """Hands messages to a broker. An async context manager: leaving it without an error waits for every PUBACK."""

    summary: SendSummary

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def send(self, messages: Sequence[Outgoing]) -> None:
        """Return when all messages have been sent. Waits while the in-flight window is full."""
        ...

    async def drain(self) -> None:
        """Return when everything sent has been acknowledged."""
        ...


def delay_s(attempt: int) -> float:
    """How long to wait before the next attempt to connect."""
    return RECONNECT_DELAYS_S[min(attempt, len(RECONNECT_DELAYS_S) - 1)]
