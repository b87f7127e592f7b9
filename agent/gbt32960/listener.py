"""The listener for GB/T 32960: accepts connections, hands reports to the intake, answers them once they are in the log.

It is a receiver beside the one of MQTT (`agent/receivers.py`). A frame enters the log as it was received, under the
topic `gbt32960/VIN/frame`.
"""

import asyncio
import hmac
import logging
import ssl
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from agent.dialects.gbt32960_frame import NOT_ENCRYPTED, Answer, Frame, answer_to
from agent.errors import SettingsError
from agent.gbt32960.connection import Connection, ListenerCounters
from agent.messages import Message
from agent.mqtt.base import Delivery

log = logging.getLogger(__name__)

LOGIN_S: Final = 30.0
"""A connection that has not signed in after this time is closed."""
SILENT_S: Final = 600.0
"""A connection that was not heard of for so long is closed. A terminal sends something at least each minute."""
SWEEP_S: Final = 5.0
TLS_HANDSHAKE_S: Final = 15.0
BACKLOG: Final = 512
MOST_STRANGERS: Final = 256
"""Connections of one address that have not signed in. It is no smaller, since a proxy may stand before all vans."""
USERNAME = slice(8, 20)
PASSWORD = slice(20, 40)
"""Where the data unit of a platform's login has its name and password, padded with zeros."""


class ListenerOptions(NamedTuple):
    """Where to listen, and who may connect. `username` and `password` are for platforms; None: no platform may."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    username: str | None = None
    password: str | None = None
    max_connections: int = 10_000
    utc_offset_minutes: int = 480


class ReportDelivery(Delivery):
    """Reports of one connection. The packet id of a report is its place in `answers`."""

    connection: Connection | None = None
    answers: list[bytes] = msgspec.field(default_factory=list)
    refusals: list[bytes] = msgspec.field(default_factory=list)


class Listener:
    """Listens until it is stopped. `refusal_of` says why a VIN may not sign in; None: it may."""

    def __init__(self, options: ListenerOptions, *, refusal_of: Callable[[str], str | None]) -> None:
        self.counters = ListenerCounters()
        self.paused = False
        self.max_connections = options.max_connections
        self.port = options.port
        """The port; once it listens, the one that the system chose for port 0."""
        self._options = options
        self._refusal_of = refusal_of
        self._connections: dict[Connection, None] = {}
        self._strangers: Counter[str] = Counter()
        """Connections that have not signed in, by address."""
        self._refused = 0
        """Connections refused, as of the last line about it in the log."""
        self._of_van: dict[str, Connection] = {}
        self._on_delivery: Callable[[Delivery], None] | None = None
        self._stopping = asyncio.Event()

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Listen until `stop`. Raises `SettingsError` where the address cannot be had."""
        self._on_delivery = on_delivery
        options = self._options
        try:
            server = await asyncio.get_running_loop().create_server(
                lambda: Connection(self),
                options.host,
                options.port,
                ssl=options.tls,
                ssl_handshake_timeout=TLS_HANDSHAKE_S if options.tls else None,
                backlog=BACKLOG,
            )
        except OSError as error:
            raise SettingsError(f"gbt32960.listen: {options.host}:{options.port}: {error}") from error
        self.port = server.sockets[0].getsockname()[1]
        log.info("GB/T 32960 on %s:%d%s", options.host, self.port, " with TLS" if options.tls else "")
        try:
            while not self._stopping.is_set():
                self._sweep()
                try:
                    async with asyncio.timeout(SWEEP_S):
                        await self._stopping.wait()
                except TimeoutError:
                    continue
        finally:
            server.close()
            for connection in list(self._connections):
                connection.pause()
                self._close_if_answered(connection)

    def acknowledge(self, delivery: ReportDelivery) -> None:
        """Answer reports that are in the log, and refuse those that were not taken in."""
        connection = delivery.connection
        assert connection is not None  # noqa: S101  # `deliver` sets it
        answers = [
            delivery.refusals[number] if number in delivery.refused else answer
            for number, answer in enumerate(delivery.answers)
        ]
        if connection.is_open:
            self.counters.answered += len(answers)
        else:
            self.counters.unanswered += len(answers)
        connection.answer(answers)
        if self._stopping.is_set():
            self._close_if_answered(connection)

    def pause(self) -> None:
        """Stop reading from all connections."""
        self.paused = True
        for connection in self._connections:
            connection.pause()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        for connection in self._connections:
            connection.resume()

    def stop(self) -> None:
        """Stop listening and reading; `run` returns. Reports that wait for the log are still answered."""
        self._stopping.set()

    def _close_if_answered(self, connection: Connection) -> None:
        if not connection.unanswered:
            connection.close()

    # -- called by the connections

    def admit(self, connection: Connection) -> bool:
        """Take a new connection in; False where there are too many, or the listener stops."""
        strangers = self._strangers[connection.host]
        if len(self._connections) >= self.max_connections or strangers >= MOST_STRANGERS or self._stopping.is_set():
            self.counters.refused_connections += 1
            return False
        self._connections[connection] = None
        self._strangers[connection.host] += 1
        self.counters.connections = len(self._connections)
        return True

    def refusal_of(self, vin: str) -> str | None:
        """Why this VIN may not sign in; None: it may."""
        return self._refusal_of(vin)

    def signed_in(self, connection: Connection) -> None:
        """A van or a platform has signed in. The former connection of the van, which may be half-open, is closed."""
        self._no_stranger(connection)
        if connection.vin is None:
            return
        former = self._of_van.get(connection.vin)
        self._of_van[connection.vin] = connection
        if former is not None and former is not connection:
            former.close("its van has signed in on another connection")

    def knows_platform(self, data: bytes) -> bool:
        """Whether the login of a platform has our name and password."""
        options = self._options
        if options.username is None or options.password is None:
            return False
        name, password = data[USERNAME].rstrip(b"\0"), data[PASSWORD].rstrip(b"\0")
        right = hmac.compare_digest(name, options.username.encode())
        return hmac.compare_digest(password, options.password.encode()) and right

    def clock_bytes(self) -> bytes:
        """The present time as the vans' clocks show it: year, month, day, hour, minute, second."""
        now = datetime.now(UTC) + timedelta(minutes=self._options.utc_offset_minutes)
        return bytes((now.year % 100, now.month, now.day, now.hour, now.minute, now.second))

    def deliver(self, connection: Connection, reports: list[Frame]) -> None:
        """Hand reports to the intake."""
        if self._on_delivery is None:
            return
        self.counters.reports += len(reports)
        self._on_delivery(
            ReportDelivery(
                [Message(f"gbt32960/{frame.vin}/frame", frame.raw) for frame in reports],
                list(range(len(reports))),
                0,
                connection=connection,
                answers=[answer_to(frame, _verdict(frame)) for frame in reports],
                refusals=[answer_to(frame, Answer.ERROR) for frame in reports],
            )
        )

    def forget(self, connection: Connection) -> None:
        """A connection has ended."""
        if connection in self._connections and not connection.signed_in:
            self._no_stranger(connection)
        self._connections.pop(connection, None)
        self.counters.connections = len(self._connections)
        if connection.vin is not None and self._of_van.get(connection.vin) is connection:
            del self._of_van[connection.vin]

    def _no_stranger(self, connection: Connection) -> None:
        self._strangers[connection.host] -= 1
        if not self._strangers[connection.host]:
            del self._strangers[connection.host]

    def _sweep(self) -> None:
        """Close connections that never signed in, or that fell silent. Nobody is judged while reading is paused."""
        refused, self._refused = self.counters.refused_connections - self._refused, self.counters.refused_connections
        if refused:
            log.warning("GB/T 32960: %d connections refused: there are too many, or too many of one address", refused)
        if self.paused:
            return
        now_s = asyncio.get_running_loop().time()
        for connection in list(self._connections):
            if not connection.signed_in and now_s - connection.opened_s > LOGIN_S:
                connection.close(f"no login within {LOGIN_S:.0f} s")
            elif now_s - connection.heard_s > SILENT_S:
                connection.close(f"silent for {SILENT_S:.0f} s")


def _verdict(frame: Frame) -> Answer:
    """The answer to a report that is in the log. An encrypted one becomes a dead letter."""
    if frame.encryption == NOT_ENCRYPTED:
        return Answer.SUCCESS
    return Answer.NOT_DECRYPTED if frame.edition > 2016 else Answer.ERROR
