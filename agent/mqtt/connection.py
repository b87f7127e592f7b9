"""One MQTT 5 connection that receives: handshake, decoding, acknowledgements, keep-alive, and its end in words."""

import asyncio
import logging
import socket
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import mqtt5
import msgspec

from agent.messages import Kind, Message
from agent.mqtt import packets, words
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters

log = logging.getLogger("agent.mqtt")

ANSWER_TIMEOUT_S = 10.0
"""How long the broker may take to answer CONNECT and SUBSCRIBE."""
CLOSE_TIMEOUT_S = 1.0
RESUBSCRIBE_S = (1.0, 30.0)
"""First and longest wait before a refused subscription is tried again."""
PING_AT = 0.75
PING_ANSWER_WITHIN = 0.5
"""As parts of the keep-alive time: a dead connection is noticed within 1.35 of it."""
PING_GRACE = 0.1


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What we ask of the broker at every connection."""

    client_id: str
    filters: list[str]
    qos: int
    receive_maximum: int
    session_expiry_s: int
    keepalive_s: int
    max_packet_bytes: int
    username: str | None
    password: str | None
    session_expected: bool

    @property
    def hard_limit_bytes(self) -> int:
        """Maximum Packet Size told to the broker: far above ours, so that an oversize message comes and is reported."""
        return max(4 * self.max_packet_bytes, 1024 * 1024)

    def connect(self) -> bytes:
        """The CONNECT packet."""
        return mqtt5.ConnectPacket(
            self.client_id,
            username=self.username,
            password=None if self.password is None else self.password.encode(),
            clean_start=False,
            keep_alive=self.keepalive_s,
            session_expiry_interval=self.session_expiry_s,
            receive_max=self.receive_maximum,
            topic_alias_max=0,
            max_packet_size=self.hard_limit_bytes,
        ).write()


class Ending(NamedTuple):
    """Why a connection ended, in words; and what the next attempt has to know."""

    detail: str
    taken_over: bool = False
    error: Exception | None = None
    """An error of the receiving program, not of the connection: nothing to try again."""


class Connection(asyncio.Protocol):
    """Lives from the socket's connection to its end; `ended` then tells why."""

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
        """The socket is gone, or there never was one."""
        self.closed.set()
        self._terms = terms
        self._counters = counters
        self._on_delivery = on_delivery
        self._now_ms = now_ms
        self._transport: asyncio.Transport | None = None
        self._partial = bytearray()
        self._wanted = 0
        """How many bytes `_partial` must hold before decoding can get any further."""
        self._paused = paused
        self._heard = False
        self._write_blocked = False
        self._subscription_id = 0
        self._refused: list[str] = []
        self._resubscribe_s = RESUBSCRIBE_S[0]
        self._answer_timer: asyncio.TimerHandle | None = None
        self._beat_timer: asyncio.TimerHandle | None = None
        self._silence_timer: asyncio.TimerHandle | None = None

    # What the receiver calls.

    @property
    def open(self) -> bool:
        """The broker has accepted us and the connection has not ended."""
        return self.limits is not None and not self.ended.done()

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Write all acknowledgements, in order, in one go."""
        if self._transport is not None and packet_ids:
            self._transport.write(packets.acknowledgements(packet_ids))
            self._counters.acks_sent += len(packet_ids)

    def pause(self) -> None:
        """Take nothing more from the socket; without reading, silence proves nothing, so its watch is suspended."""
        self._paused = True
        self._cancel_silence_timer()
        if self.limits is not None and self._transport is not None and not self.ended.done():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again, beginning with what had already arrived."""
        self._paused = False
        if self.limits is not None and self._transport is not None and not self.ended.done():
            self._transport.resume_reading()
            self._loop.call_soon(self.data_received, b"")
            self._watch_silence()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when the broker cannot or does not take it now."""
        limits = self.limits
        if limits is None or not self.open or self._transport is None or self._write_blocked:
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
        self._finish(Ending(detail))
        if self._transport is not None:
            self._transport.abort()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send CONNECT."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{transport!r} is not a stream transport")
        self._transport = transport
        self.closed.clear()
        if self.ended.done():
            transport.abort()
            return
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport.write(self._terms.connect())
        self._await_answer("CONNECT")

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone."""
        self.closed.set()
        if exc is None:
            self._finish(Ending("the broker closed the connection"))
        elif isinstance(exc, OSError):
            self._finish(Ending(words.connect_error(exc)))
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
        self._heard = True
        if self._partial or not data:
            self._partial += data
            if len(self._partial) < self._wanted or self._paused:
                return
            data = bytes(self._partial)
            self._partial.clear()
        if self._paused and self.limits is not None:
            self._keep(data, 0, 0)
            return
        if not self.ended.done():
            self._decode(data)

    # Decoding: the hot path.

    def _decode(self, data: bytes) -> None:
        messages: list[Message] = []
        packet_ids: list[int] = []
        append_message, append_id = messages.append, packet_ids.append
        read: Callable[[memoryview], tuple[Any, int]] = mqtt5.read
        qos1, max_packet_bytes = packets.PUBLISH_QOS1, self._terms.max_packet_bytes
        view, size, position = memoryview(data), len(data), 0
        while position < size:
            first = data[position]
            try:
                packet, length = read(view[position:])
            except BaseException as error:  # the codec also raises a BaseException of its own
                length = self._unreadable(error, data, position, messages, packet_ids)
                if length == 0:
                    break
            else:
                if first == qos1 and length <= max_packet_bytes:
                    append_message(Message(packet.topic, packet.payload))
                    append_id(packet.packet_id)
                elif first & 0xF0 == packets.PUBLISH:
                    self._special(packet, first, length, messages, packet_ids)
                elif self._control(packet):
                    self._keep(data, position + length, 0)
                    break
            position += length
        if messages:
            self._deliver(messages, packet_ids)

    def _deliver(self, messages: list[Message], packet_ids: list[int]) -> None:
        self._counters.received_qos1 += len(packet_ids)
        self._counters.received_qos0 += len(messages) - len(packet_ids)
        if 0 in packet_ids:  # not a valid id: acknowledging it would end the connection
            packet_ids = [packet_id for packet_id in packet_ids if packet_id & 0xFFFF]
        try:
            self._on_delivery(Delivery(messages, packet_ids, self.generation))
        except Exception as error:
            self._finish(Ending(f"taking a delivery failed: {error!r}", error=error))
            if self._transport is not None:
                self._transport.abort()

    def _special(
        self, packet: mqtt5.PublishPacket, first: int, length: int, messages: list[Message], packet_ids: list[int]
    ) -> None:
        """Take a PUBLISH that is redelivered, retained, oversize, or not of QoS 1."""
        qos, retained, payload, kind = first >> 1 & 3, bool(first & packets.RETAINED), packet.payload, Kind.PUBLISH
        if length > self._terms.max_packet_bytes:
            payload, kind = payload[: self._terms.max_packet_bytes], Kind.OVERSIZE
        messages.append(Message(packet.topic, payload, qos, retained, int(kind)))
        if packet.packet_id is not None:
            packet_ids.append(packet.packet_id + (packets.QOS2_MARK if qos == 2 else 0))
        self._counters.redelivered += first >> 3 & 1
        self._counters.retained += retained

    def _unreadable(
        self, error: BaseException, data: bytes, position: int, messages: list[Message], packet_ids: list[int]
    ) -> int:
        """How many bytes to skip behind a packet the codec refused; 0: stop decoding here.

        A whole PUBLISH is handed over raw and will be acknowledged: otherwise it would come back for ever.
        """
        if not isinstance(error, ValueError | IndexError) and type(error).__name__ != "PanicException":
            raise error
        try:
            length = packets.frame_length(data, position)
        except ValueError as framing:
            self._end(
                Ending(f"the broker's bytes make no sense: {framing}"), mqtt5.DisconnectReasonCode.MALFORMED_PACKET
            )
            return 0
        if length is not None and length > self._terms.hard_limit_bytes:
            self._end(
                Ending(f"the broker announced a packet of {length} bytes, more than it was told we accept"),
                mqtt5.DisconnectReasonCode.PACKET_TOO_LARGE,
            )
            return 0
        if length is None or position + length > len(data):
            self._keep(data, position, length if length is not None else len(data) - position + 1)
            return 0
        if data[position] & 0xF0 != packets.PUBLISH:
            self._end(
                Ending(self._strange(data[position : position + length], error)),
                mqtt5.DisconnectReasonCode.MALFORMED_PACKET,
            )
            return 0
        frame = data[position : position + length]
        qos = 1 if frame[0] & 0x06 else 0
        messages.append(Message("", frame[: self._terms.max_packet_bytes], qos, kind=int(Kind.MALFORMED_PACKET)))
        packet_id = packets.publish_packet_id(frame)
        if packet_id is not None:
            packet_ids.append(packet_id)
        return length

    def _strange(self, frame: bytes, error: BaseException) -> str:
        if self.limits is None and frame[0] == 0x20 and len(frame) == 4:  # the CONNACK of an MQTT 3 broker
            return 'the broker speaks only MQTT 3.1.1: set mqtt.protocol = "3.1.1"'
        return f"the broker sent a packet that cannot be read: {error} (it begins with {frame[:16].hex()})"

    def _keep(self, data: bytes, position: int, wanted: int) -> None:
        """Keep the rest of `data` for the next read."""
        self._partial += memoryview(data)[position:]
        self._wanted = wanted

    # Everything that is not a PUBLISH.

    def _control(self, packet: mqtt5.Packet) -> bool:
        """Handle a control packet; True when decoding has to stop behind it."""
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
                reason = words.code(words.DISCONNECT, reason_code, packet.reason_str)
                taken_over = reason_code == words.SESSION_TAKEN_OVER
                self._end(Ending(f"the broker ended the connection: {reason}", taken_over=taken_over), None)
            case _:
                self._end(
                    Ending(f"the broker sent a {type(packet).__name__}, which has no meaning here"),
                    mqtt5.DisconnectReasonCode.PROTOCOL_ERROR,
                )
        return self.ended.done() or (self._paused and self.limits is not None)

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        self._cancel_answer_timer()
        reason_code = int(packet.reason_code)
        if reason_code:
            reason = words.code(words.CONNACK, reason_code, packet.reason_str)
            self._end(Ending(f"the broker refused the connection: {reason}"), None)
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
        if terms.session_expected and not packet.session_present:
            self._counters.sessions_lost += 1
            log.warning("the broker has forgotten our session: messages sent while we were away may be lost")
        if self.limits.session_expiry_s != terms.session_expiry_s:
            log.warning("the broker keeps our session for %s s only", self.limits.session_expiry_s)
        self._schedule_beat()
        self._subscribe()
        if self._paused and self._transport is not None:
            self._transport.pause_reading()

    def _subscribe(self) -> None:
        if self.ended.done() or self._transport is None:
            return
        self._subscription_id = self._subscription_id % 0xFFFF + 1
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
        self._cancel_answer_timer()
        granted = tuple(int(code) for code in packet.reason_codes)
        self.limits = msgspec.structs.replace(self.limits, granted_qos=granted)
        refused = [
            f"{pattern!r}: {words.code(words.SUBACK, code, packet.reason_str)}"
            for pattern, code in zip(self._terms.filters, granted, strict=False)
            if code >= 0x80
        ]
        if refused or len(granted) != len(self._terms.filters):
            self._on_refused(refused or ["it answered for another number of filters"])
            return
        lowered = [pattern for pattern, qos in zip(self._terms.filters, granted, strict=True) if qos < self._terms.qos]
        if lowered:
            log.warning("the broker delivers %s at QoS 0 only: messages there are not safe", ", ".join(lowered))
        self._refused = []
        self._counters.subscribed_since_ms = self._now_ms()
        self._counters.last_error = ""
        log.info("subscribed to %s (session %s)", ", ".join(self._terms.filters), self._session_words())

    def _session_words(self) -> str:
        return "continued" if self.limits is not None and self.limits.session_present else "new"

    def _on_refused(self, refused: list[str]) -> None:
        """Stay connected for what was granted, and ask again, ever more seldom."""
        self._counters.subscribed_since_ms = 0
        self._counters.last_error = f"the broker refused to subscribe {'; '.join(refused)}"
        if refused != self._refused:
            self._refused = refused
            log.error("%s; trying again", self._counters.last_error)
        self._answer_timer = self._loop.call_later(self._resubscribe_s, self._subscribe)
        self._resubscribe_s = min(2 * self._resubscribe_s, RESUBSCRIBE_S[1])

    # Time.

    def _await_answer(self, to: str) -> None:
        self._cancel_answer_timer()
        self._answer_timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._no_answer, to)

    def _no_answer(self, to: str) -> None:
        if self._paused and self.limits is not None:  # the answer may be waiting in the socket
            self._await_answer(to)
        else:
            self.abort(f"the broker did not answer {to} within {ANSWER_TIMEOUT_S:g} s")

    def _schedule_beat(self) -> None:
        if self.limits is not None and self.limits.keepalive_s:
            self._beat_timer = self._loop.call_later(PING_AT * self.limits.keepalive_s, self._beat)

    def _beat(self) -> None:
        if self._transport is not None and not self.ended.done():
            self._transport.write(packets.PINGREQ)
            self._watch_silence()
            self._schedule_beat()

    def _watch_silence(self) -> None:
        self._cancel_silence_timer()
        if self.limits is not None and self.limits.keepalive_s and not self._paused:
            self._heard = False
            within_s = PING_ANSWER_WITHIN * self.limits.keepalive_s
            self._silence_timer = self._loop.call_later(within_s, self._on_silence, within_s)

    def _on_silence(self, waited_s: float, *, last: bool = False) -> None:
        if self._heard or self.limits is None:
            return
        if last:
            self.abort(f"the broker did not answer a ping within {waited_s:g} s")
        else:  # after a long hold-up of this process, let the waiting bytes be read before they are missed
            grace_s = PING_GRACE * self.limits.keepalive_s
            self._silence_timer = self._loop.call_later(
                grace_s, lambda: self._on_silence(waited_s + grace_s, last=True)
            )

    def _cancel_answer_timer(self) -> None:
        if self._answer_timer is not None:
            self._answer_timer.cancel()
            self._answer_timer = None

    def _cancel_silence_timer(self) -> None:
        if self._silence_timer is not None:
            self._silence_timer.cancel()
            self._silence_timer = None

    # The end.

    def _end(self, ending: Ending, say: mqtt5.DisconnectReasonCode | None) -> None:
        """Say why in a DISCONNECT if there is something to say, and close what the broker takes in time."""
        transport = self._transport
        if transport is None or self.ended.done():
            self._finish(ending)
            return
        if say is not None and self.limits is not None:
            transport.write(mqtt5.DisconnectPacket(reason_code=say).write())
        self._finish(ending)
        transport.close()
        self._loop.call_later(CLOSE_TIMEOUT_S, transport.abort)

    def _finish(self, ending: Ending) -> None:
        if self.ended.done():
            return
        self._cancel_answer_timer()
        self._cancel_silence_timer()
        if self._beat_timer is not None:
            self._beat_timer.cancel()
        self._partial.clear()
        self._counters.connected = False
        self._counters.subscribed_since_ms = 0
        self.ended.set_result(ending)
