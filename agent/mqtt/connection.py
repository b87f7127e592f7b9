"""One MQTT 5 connection that receives: handshake, subscription, acknowledgements, and its end in words."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Final, cast

import mqtt5
import msgspec

from agent.messages import Message
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.keepalive import KeepAlive
from agent.mqtt.packet_decoder import PacketDecoder, ProtocolError
from agent.mqtt.receiver import Ending, Terms

log = logging.getLogger("agent.mqtt")

ANSWER_TIMEOUT_S: Final = 10.0
"""How long the broker may take to answer CONNECT and SUBSCRIBE."""
CLOSE_TIMEOUT_S: Final = 1.0
GATHER_S: Final = 0.004
"""Where messages follow each other faster than this, reads are so far apart: brokers send each message on its own, and
a read, a commit, a write and several wake-ups for every few messages would cost far more than the messages."""
RESUBSCRIBE_S: Final = (1.0, 30.0)
"""First and longest wait before a refused subscription is tried again."""


class Connection(asyncio.Protocol):
    """A `agent.mqtt.receiver.Link`: lives from the socket's connection to its end; `ended` then tells why."""

    def __init__(
        self,
        terms: Terms,
        *,
        generation: int,
        counters: ReceiverCounters,
        on_delivery: Callable[[Delivery], None],
        paused: bool,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.generation = generation
        self.limits: BrokerLimits | None = None
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        self.closed = asyncio.Event()
        self.closed.set()
        self._terms = terms
        self._counters = counters
        self._on_delivery = on_delivery
        self._paused = paused
        self._now_ms = now_ms
        self._decoder = PacketDecoder(
            max_packet_bytes=terms.max_packet_bytes,
            hard_limit_bytes=terms.hard_limit_bytes,
            counters=counters,
            on_control=self._on_control,
        )
        self._keepalive: KeepAlive | None = None
        self._transport: asyncio.Transport | None = None
        self._read_at_s = 0.0
        self._gathering: asyncio.TimerHandle | None = None
        self._write_blocked = False
        self._subscription_id = 0
        self._refused: list[str] = []
        self._resubscribe_s = RESUBSCRIBE_S[0]
        self._timer: asyncio.TimerHandle | None = None
        """Waits for an answer, or for the time to subscribe again."""

    # What the receiver calls.

    async def open(self) -> None:
        """Connect the socket."""
        await self._loop.create_connection(lambda: self, self._terms.host, self._terms.port, ssl=self._terms.tls)

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int] = frozenset()) -> None:
        """Write all acknowledgements, in order, in one go; those `refused` are negative ones."""
        if self._transport is not None:
            self._transport.write(packets.acknowledgements(packet_ids, refused))

    def pause(self) -> None:
        """Take nothing more from the socket; the handshake, if there is one going on, is finished first."""
        self._paused = True
        if self._keepalive is not None and self._transport is not None and not self.ended.done():
            self._keepalive.pause()
            self._read_or_not()

    def resume(self) -> None:
        """Read again, beginning with what had already arrived."""
        self._paused = False
        if self._keepalive is not None and self._transport is not None and not self.ended.done():
            self._loop.call_soon(self._take, b"")
            self._read_or_not()
            self._keepalive.resume()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when the broker cannot or does not take it now."""
        limits = self.limits
        if limits is None or self._transport is None or self.ended.done() or self._write_blocked:
            return False
        packet = mqtt5.PublishPacket(topic, payload, retain=retain and limits.retain_available is not False).write()
        if limits.max_packet_bytes is not None and len(packet) > limits.max_packet_bytes:
            return False
        self._transport.write(packet)
        return True

    def disconnect(self, detail: str) -> None:
        """End in order; the broker keeps the session."""
        self._end(Ending(detail), mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION)

    def abort(self, detail: str) -> None:
        """End at once, without another byte."""
        if not self.ended.done():
            self._finish(Ending(detail))
            if self._transport is not None:
                self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        self._transport = transport = cast("asyncio.Transport", transport)  # uvloop's is one by its methods only
        self.closed.clear()
        if self.ended.done():
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        terms = self._terms
        packet = mqtt5.ConnectPacket(
            terms.client_id,
            username=terms.username,
            password=None if terms.password is None else terms.password.encode(),
            clean_start=False,
            keep_alive=terms.keepalive_s,
            session_expiry_interval=terms.session_expiry_s,
            receive_max=terms.receive_maximum,
            topic_alias_max=0,
            max_packet_size=terms.hard_limit_bytes,
        )
        transport.write(packet.write())
        self._await_answer("CONNECT")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.closed.set()
        if exc is None:
            self._finish(Ending("the broker closed the connection", wordless=True))
        elif isinstance(exc, OSError):
            self._finish(Ending(reasons.connect_error(exc)))
        else:
            self._finish(Ending(f"receiving failed: {exc!r}", error=exc))

    def pause_writing(self) -> None:
        """The broker does not take our bytes as fast as we write them."""
        self._write_blocked = True

    def resume_writing(self) -> None:
        """The broker has caught up."""
        self._write_blocked = False

    def data_received(self, data: bytes) -> None:
        """Decode every whole packet and hand the messages over as one delivery."""
        if self._keepalive is not None:
            self._keepalive.heard = True
        now_s = self._loop.time()
        if now_s - self._read_at_s < GATHER_S and self._gathering is None:
            self._gathering = self._loop.call_later(GATHER_S, self._gathered)
            self._read_or_not()
        self._read_at_s = now_s
        self._take(data)

    def _gathered(self) -> None:
        self._gathering = None
        self._read_at_s = self._loop.time()
        self._read_or_not()

    def _read_or_not(self) -> None:
        """Read, unless told to pause or gathering."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._gathering is None and not (self._paused and self.limits is not None):
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    def _take(self, data: bytes) -> None:
        if self.ended.done():
            return
        if self._paused and self.limits is not None:
            self._decoder.hold(data)
            return
        messages: list[Message] = []
        packet_ids: list[int] = []
        try:
            self._decoder.feed(data, messages, packet_ids)
        except ProtocolError as error:
            self._deliver(messages, packet_ids)
            self._end(Ending(str(error)), error.reason)
        else:
            self._deliver(messages, packet_ids)

    def _deliver(self, messages: list[Message], packet_ids: list[int]) -> None:
        if not messages:
            return
        self._counters.received_qos1 += len(packet_ids)
        self._counters.received_qos0 += len(messages) - len(packet_ids)
        if 0 in packet_ids:  # not a valid id: acknowledging it would end the connection
            packet_ids = [packet_id for packet_id in packet_ids if packet_id]
        try:
            self._on_delivery(Delivery(messages, packet_ids, self.generation))
        except Exception as error:
            self._finish(Ending(f"taking a delivery failed: {error!r}", error=error))
            if self._transport is not None:
                self._transport.abort()

    # Everything that is not a PUBLISH.

    def _on_control(self, packet: mqtt5.Packet) -> bool:
        """Handle a control packet; True when what follows it has to wait."""
        match packet:
            case mqtt5.ConnAckPacket() if self.limits is None:
                self._on_connack(packet)
            case mqtt5.SubAckPacket():
                self._on_suback(packet)
            case mqtt5.PubRelPacket() if self._transport is not None:
                self._transport.write(packets.completion(packet.packet_id))
            case mqtt5.PingRespPacket() | mqtt5.PubAckPacket():
                pass
            case mqtt5.DisconnectPacket():
                reason_code = int(packet.reason_code)
                reason = reasons.reason_text(reasons.DISCONNECT, reason_code, packet.reason_str)
                taken_over = reason_code == reasons.SESSION_TAKEN_OVER
                self._end(Ending(f"the broker ended the connection: {reason}", taken_over=taken_over))
            case _:
                name = type(packet).__name__.removesuffix("Packet").upper()
                detail = f"the broker sent a packet that has no meaning here: {name}"
                self._end(Ending(detail), mqtt5.DisconnectReasonCode.PROTOCOL_ERROR)
        return self.ended.done() or (self._paused and self.limits is not None)

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        self._cancel_timer()
        reason_code = int(packet.reason_code)
        if reason_code:
            reason = reasons.reason_text(reasons.CONNACK, reason_code, packet.reason_str)
            self._end(Ending(f"the broker refused the connection: {reason}"))
            return
        terms, server_keepalive_s, expiry_s = self._terms, packet.server_keep_alive, packet.session_expiry_interval
        self.limits = BrokerLimits(
            session_present=packet.session_present,
            client_id=packet.assigned_client_id or terms.client_id,
            keepalive_s=terms.keepalive_s if server_keepalive_s is None else server_keepalive_s,
            session_expiry_s=terms.session_expiry_s if expiry_s is None else expiry_s,
            receive_maximum=terms.receive_maximum,
            max_packet_bytes=packet.max_packet_size,
            max_qos=int(packet.max_qos),
            retain_available=packet.retain_available,
            wildcards_available=packet.wildcard_subscription_available,
        )
        self._counters.connected = True
        self._counters.reconnects += terms.again
        if terms.session_expected and not packet.session_present:
            self._counters.sessions_lost += 1
            log.warning("the broker has forgotten our session: messages sent while we were away may be lost")
        if self.limits.session_expiry_s != terms.session_expiry_s:
            log.warning("the broker keeps our session for only %s s", self.limits.session_expiry_s)
        self._keepalive = KeepAlive(self.limits.keepalive_s, ping=self._ping, on_silence=self.abort)
        self._keepalive.start(paused=self._paused)
        self._subscribe()
        self._read_or_not()

    def _subscribe(self) -> None:
        if self._transport is None:
            return
        self._subscription_id += 1
        filters = [
            mqtt5.TopicFilter(
                pattern,
                max_qos=mqtt5.QoS(self._terms.qos),
                # As in MQTT 3.1.1: RETAIN then marks what was stored before we subscribed, and nothing else.
                retain_as_published=False,
                retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
            )
            for pattern in self._terms.filters
        ]
        self._transport.write(mqtt5.SubscribePacket(self._subscription_id, filters).write())
        self._await_answer("SUBSCRIBE")

    def _on_suback(self, packet: mqtt5.SubAckPacket) -> None:
        if packet.packet_id != self._subscription_id or self.limits is None:
            return
        self._cancel_timer()
        granted, filters = tuple(int(code) for code in packet.reason_codes), self._terms.filters
        self.limits = msgspec.structs.replace(self.limits, granted_qos=granted)
        refused = [
            f"{pattern!r}: {reasons.reason_text(reasons.SUBACK, code, packet.reason_str)}"
            for pattern, code in zip(filters, granted, strict=False)
            if code >= reasons.REFUSED
        ]
        if refused or len(granted) != len(filters):
            self._on_refused(refused or ["it answered for another number of filters"])
            return
        lowered = [pattern for pattern, qos in zip(filters, granted, strict=True) if qos < self._terms.qos]
        if lowered:
            log.warning("the broker delivers %s at QoS 0 only: messages there are not safe", ", ".join(lowered))
        self._refused = []
        self._counters.subscribed_since_ms = self._now_ms()
        self._counters.last_error = ""
        session = "continued" if self.limits.session_present else "new"
        log.info("subscribed to %s at %s:%d (session %s)", filters, self._terms.host, self._terms.port, session)

    def _on_refused(self, refused: list[str]) -> None:
        """Stay connected for what was granted, and ask again, ever more seldom."""
        self._counters.subscribed_since_ms = 0
        self._counters.last_error = f"the broker refused to subscribe {'; '.join(refused)}"
        if refused != self._refused:
            self._refused = refused
            log.error("%s; trying again", self._counters.last_error)
        self._timer = self._loop.call_later(self._resubscribe_s, self._subscribe)
        self._resubscribe_s = min(2 * self._resubscribe_s, RESUBSCRIBE_S[1])

    def _ping(self) -> None:
        if self._transport is not None:
            self._transport.write(packets.PINGREQ)

    def _await_answer(self, to: str) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._on_no_answer, to)

    def _on_no_answer(self, to: str) -> None:
        if self._paused and self.limits is not None:  # the answer may be waiting in the socket
            self._await_answer(to)
        else:
            hint = ' (if it does not know MQTT 5, set mqtt.protocol = "3.1.1")' if self.limits is None else ""
            self.abort(f"the broker did not answer {to} within {ANSWER_TIMEOUT_S:g} s{hint}")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # The end.

    def _end(self, ending: Ending, say: mqtt5.DisconnectReasonCode | None = None) -> None:
        """Say why in a DISCONNECT if there is something to say, and close once the broker has taken it."""
        if self.ended.done():
            return
        self._finish(ending)
        if self._transport is not None:
            if say is not None and self.limits is not None:
                self._transport.write(mqtt5.DisconnectPacket(reason_code=say).write())
            self._transport.resume_reading()  # the end of the stream has to be seen
            self._transport.close()
            self._loop.call_later(CLOSE_TIMEOUT_S, self._transport.abort)

    def _finish(self, ending: Ending) -> None:
        if self.ended.done():
            return
        self._cancel_timer()
        if self._keepalive is not None:
            self._keepalive.stop()
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        self._decoder.forget()
        self.ended.set_result(ending)
