"""MQTT 3.1.1 for older brokers: paho-mqtt does the protocol, our event loop does the reading, writing and timing."""

import asyncio
import contextlib
import logging
import random
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, cast

import msgspec
from paho.mqtt.client import Client, ConnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.backoff import Backoff
from agent.messages import Message, MessageKind
from agent.mqtt import packets, reasons
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.keepalive import KeepAlive
from agent.mqtt.receiver import CONNECT_TIMEOUT_S, TAKEN_OVER_S, Ending, SessionReceiver, Terms

log = logging.getLogger("agent.mqtt")

ANSWER_TIMEOUT_S: Final = 10.0
MESSAGES_PER_WAKE_UP: Final = 500
RESUBSCRIBE_S: Final = (1.0, 30.0)
FIXED_HEADER_BYTES: Final = 5


class Mqtt311Receiver(SessionReceiver):
    """Receives with MQTT 3.1.1 (`agent.mqtt.base.Receiver`).

    The protocol knows no Receive Maximum, session expiry or packet limit: those are the broker's settings.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        filters: list[str],
        keepalive_s: int,
        max_packet_bytes: int,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        qos: int = 1,
        session_expected: bool = False,
        backoff: Backoff | None = None,
        taken_over_s: float = TAKEN_OVER_S,
        chance: random.Random | None = None,
    ) -> None:
        terms = Terms(
            host=host,
            port=port,
            client_id=client_id,
            filters=filters,
            receive_maximum=0,
            session_expiry_s=0,
            keepalive_s=keepalive_s,
            max_packet_bytes=max_packet_bytes,
            username=username,
            password=password,
            tls=tls,
            qos=qos,
            session_expected=session_expected,
        )
        super().__init__(terms, backoff=backoff, taken_over_s=taken_over_s, chance=chance)

    def _make_link(
        self, terms: Terms, *, generation: int, on_delivery: Callable[[Delivery], None], paused: bool
    ) -> "Connection311":
        return Connection311(
            terms, generation=generation, counters=self.counters, on_delivery=on_delivery, paused=paused
        )


class Connection311:
    """A `agent.mqtt.receiver.Link`: one paho client for one connection, so that nothing of the last one is left in it.

    Our event loop drives it. Its own thread would stop answering pings when we stop taking messages.
    """

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
        self._keepalive = KeepAlive(terms.keepalive_s, ping=self._ping, on_silence=self.abort)
        self._socket: socket.socket | None = None
        self._reading = self._writing = False
        self._messages: list[Message] = []
        self._packet_ids: list[int] = []
        self._subscription_id: int | None = None
        self._refused: list[str] = []
        self._resubscribe_s = RESUBSCRIBE_S[0]
        self._timer: asyncio.TimerHandle | None = None
        self._errors = _ErrorCatcher()
        self._client = self._make_client()

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._terms.client_id,
            clean_session=False,
            protocol=MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = CONNECT_TIMEOUT_S / 2
        client.enable_logger(self._errors.logger)
        if self._terms.username is not None:
            client.username_pw_set(self._terms.username, self._terms.password)
        if self._terms.tls is not None:
            self._terms.tls.sslsocket_class = _TlsSocket
            client.tls_set_context(self._terms.tls)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_want_write
        return client

    # What the receiver calls.

    async def open(self) -> None:
        """Connect the socket, in a thread since paho blocks there, and send CONNECT."""
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
        try:
            await asyncio.shield(connecting)
        except asyncio.CancelledError:
            connecting.add_done_callback(self._on_too_late)
            raise
        if self.ended.done():
            self._close()
            return
        sock = cast("socket.socket | None", self._client.socket())
        if sock is None:
            raise ConnectionResetError
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = sock
        self.closed.clear()
        self._await_answer("CONNECT")
        self._read_or_not()
        self._write()

    def _on_too_late(self, connecting: "asyncio.Future[None]") -> None:
        if not connecting.cancelled() and connecting.exception() is None:
            self._close()

    def _connect(self) -> None:
        self._client.connect(self._terms.host, self._terms.port, max(1, self._terms.keepalive_s))

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int] = frozenset()) -> None:
        """Queue all acknowledgements, in order; they leave at the end of this turn of the event loop.

        MQTT 3.1.1 has no negative one: without any, the broker would send `refused` messages again for ever.
        """
        del refused
        for packet_id in packet_ids:
            if packet_id >= packets.QOS2_MARK:
                self._client.ack(packet_id - packets.QOS2_MARK, 2)
            else:
                self._client.ack(packet_id, 1)

    def pause(self) -> None:
        """Take nothing more from the socket; the handshake, if there is one going on, is finished first."""
        self._paused = True
        if self.limits is not None:
            self._keepalive.pause()
            self._read_or_not()

    def resume(self) -> None:
        """Read again."""
        self._paused = False
        if self.limits is not None and not self.ended.done():
            self._keepalive.resume()
            self._read_or_not()
            self._loop.call_soon(self._read)

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when the broker cannot or does not take it now."""
        if self.limits is None or self.ended.done() or self._writing:
            return False
        return self._client.publish(topic, payload, qos=0, retain=retain).rc == MQTTErrorCode.MQTT_ERR_SUCCESS

    def disconnect(self, detail: str) -> None:
        """End in order; the broker keeps the session."""
        if not self.ended.done():
            self._finish(Ending(detail))
            if self._socket is not None and self.limits is not None:
                self._client.disconnect()
                self._client.loop_write()
            self._close()

    def abort(self, detail: str) -> None:
        """End at once, without another byte."""
        if not self.ended.done():
            self._finish(Ending(detail))
            self._close()

    # The socket.

    def _read_or_not(self) -> None:
        wanted = self._socket is not None and not (self._paused and self.limits is not None)
        if self._socket is not None and wanted != self._reading:
            self._reading = wanted
            if wanted:
                self._loop.add_reader(self._socket.fileno(), self._read)
            else:
                self._loop.remove_reader(self._socket.fileno())

    def _read(self) -> None:
        """Take what is there, one packet at a time as paho has it, and hand it over as one delivery."""
        if not self._reading:
            return
        self._keepalive.heard = True
        rc, taken = MQTTErrorCode.MQTT_ERR_SUCCESS, -1
        while self._reading and (taken < len(self._messages) or self._decrypted()):
            taken = len(self._messages)
            if taken >= MESSAGES_PER_WAKE_UP:
                self._loop.call_soon(self._read)
                break
            rc = self._client.loop_read()
            if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or self._too_large():
                break
        self._deliver()
        if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost(rc)

    def _decrypted(self) -> bool:
        """Whether the TLS layer holds bytes that the socket no longer tells of."""
        return isinstance(self._socket, ssl.SSLSocket) and self._socket.pending() > 0

    def _too_large(self) -> bool:
        # paho collects up to 256 MB and offers no limit; this dict is the only place that tells the announced length.
        length = self._client._in_packet["remaining_length"] + FIXED_HEADER_BYTES
        if length > self._terms.hard_limit_bytes:
            limit = self._terms.hard_limit_bytes
            self.abort(f"the broker announced a packet of {length} bytes; we take up to {limit}")
            return True
        return False

    def _deliver(self) -> None:
        messages, packet_ids = self._messages, self._packet_ids
        if not messages:
            return
        self._messages, self._packet_ids = [], []
        self._counters.received_qos1 += len(packet_ids)
        self._counters.received_qos0 += len(messages) - len(packet_ids)
        try:
            self._on_delivery(Delivery(messages, packet_ids, self.generation))
        except Exception as error:
            self._finish(Ending(f"taking a delivery failed: {error!r}", error=error))
            self._close()

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
        if rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self._lost(rc)
            return
        self._writing = self._client.want_write() and self._socket is not None
        if self._writing:
            self._loop.add_writer(self._socket.fileno(), self._write)

    def _ping(self) -> None:
        """Ping past paho, whose own watch would end the connection while reading is paused."""
        if self._socket is not None and not self._client.want_write():  # only between packets
            with contextlib.suppress(OSError):  # reading will tell
                self._socket.send(packets.PINGREQ)

    def _on_socket_close(self, _client: Client, _userdata: Any, sock: Any) -> None:
        if self._socket is not None:
            self._loop.remove_reader(sock.fileno())
            self._loop.remove_writer(sock.fileno())
            self._socket = None
            self._reading = self._writing = False
            self.closed.set()

    def _close(self) -> None:
        sock = self._client.socket()
        if sock is not None:
            self._on_socket_close(self._client, None, sock)
            sock.close()

    def _lost(self, rc: MQTTErrorCode) -> None:
        wordless = False
        if self._errors.last is not None:
            detail = reasons.connect_error(self._errors.last)
        elif rc == MQTTErrorCode.MQTT_ERR_PROTOCOL and self.limits is None:
            detail = "the broker refused the connection: it may not speak MQTT 3.1.1, or not allow this mqtt.client_id"
        elif rc == MQTTErrorCode.MQTT_ERR_PROTOCOL:
            detail = "the broker's bytes make no sense"
        else:
            detail, wordless = "the broker closed the connection", True
        self._finish(Ending(detail, wordless=wordless))
        self._close()

    # What paho calls, while it reads.

    def _on_connect(self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _: Any) -> None:
        self._cancel_timer()
        if reason.value:
            self.abort(f"the broker refused the connection: {reasons.reason_text(reasons.CONNACK, reason.value)}")
            return
        terms = self._terms
        self.limits = BrokerLimits(
            session_present=flags.session_present, client_id=terms.client_id, keepalive_s=terms.keepalive_s
        )
        self._counters.connected = True
        self._counters.reconnects += terms.again
        if terms.session_expected and not flags.session_present:
            self._counters.sessions_lost += 1
            log.warning("the broker has forgotten our session: messages sent while we were away may be lost")
        self._keepalive.start(paused=self._paused)
        self._subscribe()
        self._read_or_not()

    def _subscribe(self) -> None:
        _, self._subscription_id = self._client.subscribe(
            [(pattern, self._terms.qos) for pattern in self._terms.filters]
        )
        self._await_answer("SUBSCRIBE")

    def _on_subscribe(
        self, _client: Client, _data: Any, mid: int, answers: list[ReasonCode], _properties: Properties | None
    ) -> None:
        if mid != self._subscription_id or self.limits is None:
            return
        self._cancel_timer()
        granted, filters = tuple(int(reason.value) for reason in answers), self._terms.filters
        self.limits = msgspec.structs.replace(self.limits, granted_qos=granted)
        refused = [
            f"{pattern!r}: {reasons.reason_text(reasons.SUBACK, code)}"
            for pattern, code in zip(filters, granted, strict=False)
            if code >= reasons.REFUSED
        ]
        if refused or len(granted) != len(filters):
            self._on_refused(refused or ["it answered for another number of filters"])
            return
        if min(granted) < self._terms.qos:
            log.warning("the broker delivers some of %s at QoS 0 only: messages there are not safe", filters)
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

    def _on_message(self, _client: Client, _data: Any, message: MQTTMessage) -> None:
        payload, kind = bytes(message.payload), MessageKind.PUBLISH
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic, kind = "", MessageKind.MALFORMED_PACKET
        limit = self._terms.max_packet_bytes
        if len(payload) + len(topic) + FIXED_HEADER_BYTES > limit:
            payload, kind = payload[:limit], MessageKind.OVERSIZE
        self._messages.append(Message(topic, payload, message.qos, message.retain, int(kind)))
        if message.qos:
            self._packet_ids.append(message.mid + (packets.QOS2_MARK if message.qos == 2 else 0))
        self._counters.redelivered += message.dup
        self._counters.retained += message.retain

    # Time, and the end.

    def _await_answer(self, to: str) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._on_no_answer, to)

    def _on_no_answer(self, to: str) -> None:
        if self._paused and self.limits is not None:  # the answer may be waiting in the socket
            self._await_answer(to)
        else:
            self.abort(f"the broker did not answer {to} within {ANSWER_TIMEOUT_S:g} s")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _finish(self, ending: Ending) -> None:
        if not self.ended.done():
            self._cancel_timer()
            self._keepalive.stop()
            self.ended.set_result(ending)


class _TlsSocket(ssl.SSLSocket):
    """Closes itself when the handshake fails, which paho leaves to the garbage collector, and hears a last word."""

    def do_handshake(self, block: bool = False) -> None:  # noqa: FBT001, FBT002  as the base class has it
        """Agree on keys, or close."""
        try:
            super().do_handshake(block)
        except OSError:
            self.close()
            raise

    def send(self, data: Any, flags: int = 0) -> int:
        """Write; if the broker has closed, raise what it said before that instead of the bare end.

        With TLS 1.3 our handshake is done before the broker has judged our certificate: its refusal is read only after
        it, and a write that comes too late for the connection must not hide it.
        """
        try:
            return super().send(data, flags)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLEOFError, ConnectionError):
                self.recv(1)
            raise


class _ErrorCatcher(logging.Handler):
    """Keeps the exception that paho logs and then hides behind a return code."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.last: BaseException | None = None
        self.logger = logging.Logger("paho", logging.ERROR)
        self.logger.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take the last argument if it is an exception."""
        argument = record.args[-1] if isinstance(record.args, tuple) and record.args else None
        if isinstance(argument, BaseException):
            self.last = argument


def forget_session(
    *, host: str, port: int, client_id: str, username: str | None, password: str | None, tls: ssl.SSLContext | None
) -> None:
    """End the session that the broker keeps for this id, in a blocking call; without effect if it cannot be reached."""
    client = Client(CallbackAPIVersion.VERSION2, client_id, clean_session=True, reconnect_on_failure=False)
    client.connect_timeout = CONNECT_TIMEOUT_S / 2
    if username is not None:
        client.username_pw_set(username, password)
    if tls is not None:
        client.tls_set_context(tls)
    connected: list[bool] = []
    client.on_connect = lambda *_: connected.append(True)
    with contextlib.suppress(OSError):
        client.connect(host, port)
        deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
        while not connected and client.loop(0.1) == MQTTErrorCode.MQTT_ERR_SUCCESS and time.monotonic() < deadline_s:
            pass
        client.disconnect()
