"""MQTT 5: the `mqtt5` library reads and writes the packets."""

from collections.abc import Callable, Sequence
from typing import ClassVar

import mqtt5

from agent.messages import Message
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.codec import PROTOCOL_ERROR, QOS, Codec, Ending, WireEvents
from agent.mqtt.credentials import Login
from agent.mqtt.options import MqttOptions
from agent.mqtt.packet_decoder import PacketDecoder


class Codec5(Codec):
    """MQTT 5 on one connection."""

    no_connack_hint: ClassVar[str] = ' (if it does not know MQTT 5, set mqtt.protocol = "3.1.1")'

    def __init__(
        self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters, must_hold: Callable[[], bool]
    ) -> None:
        super().__init__(options, events, counters, must_hold)
        self._is_accepted = False
        self._decoder = PacketDecoder(
            max_packet_bytes=options.max_packet_bytes,
            hard_limit_bytes=options.hard_limit_bytes,
            counters=counters,
            on_control=self._on_control,
        )

    def connect(self, login: Login) -> bytes:
        """CONNECT with every limit of ours."""
        options = self._options
        return mqtt5.ConnectPacket(
            options.client_id,
            username=login.username,
            password=login.password,
            clean_start=options.clean_start,
            keep_alive=options.keepalive_s,
            session_expiry_interval=options.session_expiry_s,
            receive_max=options.receive_maximum,
            topic_alias_max=0,
            max_packet_size=options.hard_limit_bytes,
        ).write()

    def subscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """SUBSCRIBE."""
        wanted = [
            mqtt5.TopicFilter(
                pattern,
                max_qos=mqtt5.QoS(QOS),
                # As in MQTT 3.1.1: RETAIN then marks only what the broker had stored before the subscription.
                retain_as_published=False,
                retain_handling=mqtt5.RetainHandling.SEND_IF_SUBSCRIPTION_NOT_EXISTS,
            )
            for pattern in filters
        ]
        return mqtt5.SubscribePacket(packet_id, wanted).write()

    def unsubscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """UNSUBSCRIBE."""
        return mqtt5.UnsubscribePacket(packet_id, list(filters)).write()

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> bytes:
        """One PUBACK per packet id."""
        return packets.acknowledgements(packet_ids, refused)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bytes:
        """PUBLISH at QoS 0."""
        return mqtt5.PublishPacket(topic, payload, retain=retain).write()

    def disconnect(self, reason_code: int) -> bytes:
        """DISCONNECT."""
        return mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode(reason_code)).write()

    def feed(self, data: bytes, messages: list[Message], packet_ids: list[int]) -> None:
        """Decode all whole packets. Raises ProtocolError."""
        self._decoder.feed(data, messages, packet_ids)

    def hold(self, data: bytes) -> None:
        """Keep `data` for the next `feed`."""
        self._decoder.hold(data)

    def forget(self) -> None:
        """Drop what is kept."""
        self._decoder.forget()

    def _on_control(self, packet: mqtt5.Packet) -> bool:
        """Handle a packet that is no PUBLISH; True when the packets behind it have to wait."""
        match packet:
            case mqtt5.ConnAckPacket() if not self._is_accepted:
                self._on_connack(packet)
            case mqtt5.SubAckPacket():
                self._events.on_suback(packet.packet_id, [int(code) for code in packet.reason_codes], packet.reason_str)
            case mqtt5.UnsubAckPacket():
                self._events.on_unsuback(packet.packet_id, [int(code) for code in packet.reason_codes])
            case mqtt5.PingRespPacket() | mqtt5.PubAckPacket():
                pass
            case mqtt5.DisconnectPacket():
                code = int(packet.reason_code)
                reason = reasons.reason_text(reasons.DISCONNECT, code, packet.reason_str)
                taken_over = code == reasons.SESSION_TAKEN_OVER
                self._events.end(Ending(f"the broker ended the connection: {reason}", taken_over=taken_over))
            case _:
                name = type(packet).__name__.removesuffix("Packet").upper()
                self._events.end(Ending(f"the broker sent a packet that is not allowed here: {name}"), PROTOCOL_ERROR)
        return self._must_hold()

    def _on_connack(self, packet: mqtt5.ConnAckPacket) -> None:
        code, options = int(packet.reason_code), self._options
        if code:
            self._events.on_refused(reasons.reason_text(reasons.CONNACK, code, packet.reason_str))
            return
        self._is_accepted = True
        keepalive_s, expiry_s = packet.server_keep_alive, packet.session_expiry_interval
        self._events.on_accepted(
            BrokerLimits(
                session_present=packet.session_present,
                client_id=packet.assigned_client_id or options.client_id,
                keepalive_s=options.keepalive_s if keepalive_s is None else keepalive_s,
                session_expiry_s=options.session_expiry_s if expiry_s is None else expiry_s,
                receive_maximum=options.receive_maximum,
                max_packet_bytes=packet.max_packet_size,
                retain_available=packet.retain_available,
            )
        )
