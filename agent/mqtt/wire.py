"""One socket to a broker, driven by asyncio: what differs by protocol is its codec, what differs by address is `dial`.

A wire opens the socket, reads or stops reading, and writes; it makes no decision about the session. `Connection`
(`connection.py`) calls its methods; the wire and its codec report through `WireEvents`.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, cast

from agent.gathering import READ_EVERY_S
from agent.messages import Message
from agent.mqtt import packets, reasons
from agent.mqtt.address import BrokerAddress
from agent.mqtt.base import ReceiverCounters
from agent.mqtt.codec import Codec, Ending, ProtocolError, WireEvents
from agent.mqtt.codec5 import Codec5
from agent.mqtt.codec311 import Codec311
from agent.mqtt.credentials import Login
from agent.mqtt.dial import dial
from agent.mqtt.options import MqttOptions

CODECS: Final[dict[str, type[Codec]]] = {"5": Codec5, "3.1.1": Codec311}

CLOSE_TIMEOUT_S: Final = 1.0
"""How long the broker may take to accept our last bytes before the socket is closed without them."""


class Wire(asyncio.Protocol):
    """One socket that speaks one version of MQTT."""

    def __init__(
        self, options: MqttOptions, address: BrokerAddress, events: WireEvents, counters: ReceiverCounters
    ) -> None:
        self.closed = asyncio.Event()
        """Set while there is no socket."""
        self.closed.set()
        self._options = options
        self._address = address
        self._events = events
        self._loop = asyncio.get_running_loop()
        self._codec = CODECS[options.protocol](options, events, counters, self._must_hold)
        self._login = Login()
        self._transport: asyncio.Transport | None = None
        self._is_over = False
        self._paused = False
        self._write_blocked = False
        self._read_at_s = 0.0
        self._gathering: asyncio.TimerHandle | None = None

    @property
    def no_connack_hint(self) -> str:
        """What to tell the operator when the broker does not answer CONNECT."""
        return self._codec.no_connack_hint

    # What the connection calls.

    async def open(self) -> None:
        """Read the credentials and connect the socket; `connection_made` sends CONNECT.

        Raises OSError, or SettingsError where a file of the credentials cannot be used.
        """
        encrypted = self._address.encrypted
        self._login = await asyncio.to_thread(self._options.credentials.read, encrypted=encrypted)
        self.closed.clear()
        try:
            transport = await dial(
                self._address, self, tls=self._login.tls, max_packet_bytes=self._options.hard_limit_bytes
            )
        except BaseException:
            if self._transport is None:
                self.closed.set()
            raise
        if self._transport is None:  # given up or lost meanwhile
            transport.abort()
            self.closed.set()

    def subscribe(self, packet_id: int, filters: Sequence[str]) -> None:
        """Send SUBSCRIBE for these filters."""
        self._write(self._codec.subscribe(packet_id, filters))

    def unsubscribe(self, packet_id: int, filters: Sequence[str]) -> None:
        """Send UNSUBSCRIBE for these filters."""
        self._write(self._codec.unsubscribe(packet_id, filters))

    def ping(self) -> None:
        """Send PINGREQ."""
        self._write(packets.PINGREQ)

    def pause(self) -> None:
        """Read nothing more, and hold what was read."""
        self._paused = True
        self._update_reading()

    def resume(self) -> None:
        """Decode what was held in the next turn of the event loop, and read again."""
        self._paused = False
        self._loop.call_soon(self._take, b"")
        self._update_reading()

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> None:
        """Write all acknowledgements in one go."""
        self._write(self._codec.acknowledge(packet_ids, refused))

    def publish(self, topic: str, payload: bytes, *, retain: bool, max_packet_bytes: int | None) -> bool:
        """Send a PUBLISH at QoS 0; False when it is larger than the broker takes, or the socket is congested."""
        if self._transport is None or self._write_blocked:
            return False
        packet = self._codec.publish(topic, payload, retain=retain)
        if max_packet_bytes is not None and len(packet) > max_packet_bytes:
            return False
        self._transport.write(packet)
        return True

    def close(self, reason_code: int | None) -> None:
        """Send DISCONNECT if there is a reason code, and close once the broker has taken it."""
        self._stop()
        transport = self._transport
        if transport is not None:
            if reason_code is not None:
                transport.write(self._codec.disconnect(reason_code))
            transport.resume_reading()  # the transport notices the end of the stream only while it reads
            transport.close()
            self._loop.call_later(CLOSE_TIMEOUT_S, transport.abort)

    def abort(self) -> None:
        """Close at once."""
        self._stop()
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        if self._is_over:
            return  # `open`, or `dial` if it was cancelled, closes it
        self._transport = transport = cast("asyncio.Transport", transport)  # others have only the same methods
        self.closed.clear()
        transport.write(self._codec.connect(self._login))
        self._events.on_connect_sent()

    def connection_lost(self, exc: Exception | None) -> None:
        """Report why the socket is gone."""
        self._transport = None
        self.closed.set()
        if exc is None:
            self._events.end(Ending("the broker closed the connection", without_reason=True))
        elif isinstance(exc, OSError):
            self._events.end(Ending(reasons.connect_error(exc)))
        else:
            self._events.end(Ending(f"receiving failed: {exc!r}", error=exc))

    def pause_writing(self) -> None:
        """The broker does not take our bytes as fast as we write them."""
        self._write_blocked = True

    def resume_writing(self) -> None:
        """The broker has caught up."""
        self._write_blocked = False

    def data_received(self, data: bytes) -> None:
        """Decode every whole packet and report the messages together."""
        self._events.on_bytes()
        now_s = self._loop.time()
        if now_s - self._read_at_s < READ_EVERY_S and self._gathering is None:
            self._gathering = self._loop.call_later(READ_EVERY_S, self._on_gathered)
            self._update_reading()
        self._read_at_s = now_s
        self._take(data)

    # Reading.

    def _must_hold(self) -> bool:
        return self._is_over or self._paused

    def _on_gathered(self) -> None:
        self._gathering = None
        self._read_at_s = self._loop.time()
        self._update_reading()

    def _update_reading(self) -> None:
        """Read unless paused or gathering."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._gathering is None and not self._paused:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._paused:
            self._codec.hold(data)
            return
        messages: list[Message] = []
        packet_ids: list[int] = []
        violation: ProtocolError | None = None
        try:
            self._codec.feed(data, messages, packet_ids)
        except ProtocolError as error:
            violation = error
        if messages:
            self._events.on_messages(messages, packet_ids)
        if violation is not None:
            self._events.end(Ending(str(violation)), violation.reason)

    def _write(self, data: bytes) -> None:
        if self._transport is not None:
            self._transport.write(data)

    def _stop(self) -> None:
        """Decode nothing more."""
        self._is_over = True
        self._codec.forget()
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
