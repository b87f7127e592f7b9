"""MQTT 3.1.1 for older brokers: paho-mqtt reads and writes the packets, our event loop drives it."""

import asyncio
import contextlib
import socket
import ssl
from typing import Any, Final, cast

from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.messages import Message, MessageKind
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.options import MqttOptions
from agent.mqtt.paho_additions import ErrorCatcher, TlsSocket
from agent.mqtt.wire import CONNECT_TIMEOUT_S, QOS, QOS_2_REFUSED, Ending, Wire, WireEvents

MESSAGES_PER_READ: Final = 500
"""Messages of one delivery at most; other tasks run before the next one."""
FIXED_HEADER_BYTES: Final = 5
SUCCESS: Final = MQTTErrorCode.MQTT_ERR_SUCCESS


class Wire311(Wire):
    """One MQTT 3.1.1 socket, with a paho client of its own, so that no state of an earlier connection is left in it.

    paho's own thread is not used: it would stop answering pings while reading is paused. The protocol knows no Receive
    Maximum, session expiry or packet limit; the broker's settings decide them.
    """

    def __init__(self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters) -> None:
        super().__init__(options, events, counters)
        self._socket: socket.socket | None = None
        self._is_accepted = False
        self._is_over = False
        self._paused = False
        self._reading = self._writing = False
        self._messages: list[Message] = []
        self._packet_ids: list[int] = []
        self._errors = ErrorCatcher()
        self._client = self._make_client()

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._options.client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S / 2
        client.enable_logger(self._errors.logger)
        if self._options.username is not None:
            client.username_pw_set(self._options.username, self._options.password)
        if self._options.tls is not None:
            self._options.tls.sslsocket_class = TlsSocket
            client.tls_set_context(self._options.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        return client

    # What the connection calls.

    async def open(self) -> None:
        """Connect the socket in a thread, since paho blocks there, and send CONNECT."""
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(self._on_too_late)
            raise
        if self._is_over:
            self._close_socket()
            return
        sock = cast("socket.socket | None", self._client.socket())
        if sock is None:
            raise ConnectionResetError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self.closed.clear()
        self._events.on_connect_sent()
        self._update_reading()
        self._write()

    def _connect(self) -> None:
        self._client.connect(self._options.host, self._options.port, max(1, self._options.keepalive_s))

    def _on_too_late(self, connecting: "asyncio.Future[None]") -> None:
        """Close the socket of an attempt that was given up while its thread still ran."""
        if not connecting.cancelled() and connecting.exception() is None:
            self._close_socket()

    def subscribe(self) -> int:
        """Queue SUBSCRIBE for all filters; returns its packet id."""
        _, packet_id = self._client.subscribe([(pattern, QOS) for pattern in self._options.filters])
        return packet_id or 0

    def ping(self) -> None:
        """Send PINGREQ past paho, which would otherwise end the connection while reading is paused."""
        if self._socket is not None and not self._client.want_write():  # only between two packets
            with contextlib.suppress(OSError):  # the next read reports it
                self._socket.send(packets.PINGREQ)

    def pause(self) -> None:
        """Read nothing more."""
        self._paused = True
        self._update_reading()

    def resume(self) -> None:
        """Read again, also what the TLS layer has already decrypted."""
        self._paused = False
        self._update_reading()
        self._loop.call_soon(self._read)

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> None:
        """Queue all acknowledgements, in order; they leave at the end of this turn of the event loop.

        MQTT 3.1.1 has no negative acknowledgement. The `refused` messages get a positive one: without any, the broker
        would send them again for ever.
        """
        del refused
        for packet_id in packet_ids:
            self._client.ack(packet_id, QOS)

    def publish(self, topic: str, payload: bytes, *, retain: bool, max_packet_bytes: int | None) -> bool:
        """Queue a PUBLISH at QoS 0, unless earlier bytes still wait."""
        del max_packet_bytes  # a 3.1.1 broker does not announce one
        return not self._writing and self._client.publish(topic, payload, qos=0, retain=retain).rc == SUCCESS

    def close(self, reason_code: int | None) -> None:
        """Send DISCONNECT, which has no reason code in this version, and close."""
        self._is_over = True
        if self._socket is not None and reason_code is not None:
            self._client.disconnect()
            self._client.loop_write()
        self._close_socket()

    def abort(self) -> None:
        """Close at once."""
        self.close(None)

    # The socket.

    def _update_reading(self) -> None:
        """Read unless paused."""
        wanted = not self._paused
        if self._socket is not None and wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._loop.add_reader(self._socket.fileno(), self._read)
            else:
                self._loop.remove_reader(self._socket.fileno())

    def _read(self) -> None:
        """Read what is there, one packet at a time as paho does, and report the messages together."""
        if not self._reading:
            return
        self._events.on_bytes()
        rc, taken = SUCCESS, -1
        while self._reading and (taken < len(self._messages) or self._has_decrypted_bytes()):
            taken = len(self._messages)
            if taken >= MESSAGES_PER_READ:
                self._loop.call_soon(self._read)
                break
            rc = self._client.loop_read()
            if rc != SUCCESS or self._is_too_large():
                break
        self._report_messages()
        if rc != SUCCESS:
            self._on_lost(rc)

    def _has_decrypted_bytes(self) -> bool:
        """Whether the TLS layer holds bytes that the socket no longer announces."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _is_too_large(self) -> bool:
        # paho collects up to 256 MB and offers no limit. This private dict is the only place with the announced length.
        length = self._client._in_packet["remaining_length"] + FIXED_HEADER_BYTES
        limit = self._options.hard_limit_bytes
        if length > limit:
            self._events.end(Ending(f"the broker announced a packet of {length} bytes; we take up to {limit}"))
        return length > limit

    def _report_messages(self) -> None:
        if self._messages:
            messages, packet_ids = self._messages, self._packet_ids
            self._messages, self._packet_ids = [], []
            self._events.on_messages(messages, packet_ids)

    def _on_want_write(self, _client: Client, _userdata: Any, _sock: Any) -> None:
        if not self._writing and self._socket is not None:
            self._writing = True
            self._loop.call_soon(self._write)

    def _write(self) -> None:
        """Write what paho has queued; if the socket takes only a part, go on when it is ready again."""
        if self._socket is None:
            return
        self._loop.remove_writer(self._socket.fileno())
        rc = self._client.loop_write()
        if rc != SUCCESS:
            self._on_lost(rc)
            return
        self._writing = self._client.want_write() and self._socket is not None
        if self._writing:
            self._loop.add_writer(self._socket.fileno(), self._write)

    def _on_socket_close(self, _client: Client, _userdata: Any, sock: Any) -> None:
        if self._socket is not None:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            self._socket = None
            self._reading = self._writing = False
            self.closed.set()

    def _close_socket(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._on_socket_close(self._client, None, sock)
            sock.close()

    def _on_lost(self, rc: MQTTErrorCode) -> None:
        """Report why paho has given up the socket."""
        if self._errors.last is not None:
            self._events.end(Ending(reasons.connect_error(self._errors.last)))
        elif rc != MQTTErrorCode.MQTT_ERR_PROTOCOL:
            self._events.end(Ending("the broker closed the connection", without_reason=True))
        elif self._is_accepted:
            self._events.end(Ending("the broker sent bytes that are not MQTT"))
        else:
            self._events.on_refused("it may not speak MQTT 3.1.1, or not allow this mqtt.client_id")

    # What paho calls while it reads.

    def _on_connect(self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _: Any) -> None:
        if reason.value:
            self._events.on_refused(reasons.reason_text(reasons.CONNACK, reason.value))
            return
        self._is_accepted = True
        options = self._options
        self._events.on_accepted(
            BrokerLimits(
                session_present=flags.session_present, client_id=options.client_id, keepalive_s=options.keepalive_s
            )
        )

    def _on_subscribe(
        self, _client: Client, _data: Any, packet_id: int, codes: list[ReasonCode], _properties: Properties | None
    ) -> None:
        self._events.on_suback(packet_id, [int(code.value) for code in codes])

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        if message.qos > QOS:
            self._events.end(Ending(QOS_2_REFUSED))
            return
        payload, kind = bytes(message.payload), MessageKind.PUBLISH
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic, kind = "", MessageKind.MALFORMED_PACKET
        limit = self._options.max_packet_bytes
        if len(payload) + len(topic) + FIXED_HEADER_BYTES > limit:
            payload, kind = payload[:limit], MessageKind.OVERSIZE
        self._messages.append(Message(topic, payload, message.qos, message.retain, int(kind)))
        if message.qos:
            self._packet_ids.append(message.mid)
        self._counters.redelivered += message.dup
        self._counters.retained += message.retain
