"""One connection from CONNECT to its end, the same for MQTT 5 and 3.1.1; the protocol itself is its `Wire`.

    CONNECTING ── CONNACK ──▶ SUBSCRIBING ── last SUBACK ──▶ SUBSCRIBED
        │                      │   ▲  │                         │
        │                      │   └──┘ a filter refused:       │
        │                      │        after a backoff         │
        ▼                      ▼                                ▼
      ENDED ◀── refused, no answer in time, no answer to a ping, socket lost, DISCONNECT, protocol error, stop

Messages are delivered in SUBSCRIBING and SUBSCRIBED: after a reconnect the broker sends those of the session before
SUBACK, and with one filter refused the others still count. `subscribed_since_ms` is set in SUBSCRIBED only.

Filters travel in portions of `FILTERS_AT_ONCE`, one after the other. Some brokers close the connection at more. Once
SUBSCRIBED, the connection unsubscribes the filters of earlier runs, if the broker has kept the session. New filters
come first, so that no message falls between. `on_settled` tells which filters the session has then.

Pausing stops the reading of the socket. It takes effect after CONNACK, so that a handshake in progress completes. Pings
go on while paused, but a missing answer proves nothing then, since it may wait in the socket.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from agent.backoff import Backoff
from agent.messages import Message
from agent.mqtt import reasons
from agent.mqtt.address import BrokerAddress
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.codec import NORMAL_DISCONNECTION, QOS, Ending
from agent.mqtt.keepalive import KeepAlive
from agent.mqtt.options import MqttOptions
from agent.mqtt.wire import Wire

log = logging.getLogger("agent.mqtt")

ANSWER_TIMEOUT_S: Final = 10.0
"""How long the broker may take to answer CONNECT and SUBSCRIBE."""
RESUBSCRIBE_FIRST_S: Final = 1.0
"""Longest wait before a refused subscription is sent for the second time."""
FILTERS_AT_ONCE: Final = 8
"""Filters in one SUBSCRIBE or UNSUBSCRIBE: AWS IoT Core allows no more."""


class Connection:
    """Lives from the first attempt to open the socket until `ended` is set; implements `WireEvents`.

    `session_expected`: the broker should still have our session. `is_reconnect`: this run was connected before.
    `former`: filters that the session may have from an earlier run and that are no longer wanted. `on_settled` is
    called once with all filters that the session then has.
    """

    def __init__(
        self,
        options: MqttOptions,
        address: BrokerAddress,
        wire: type[Wire],
        *,
        generation: int,
        counters: ReceiverCounters,
        on_delivery: Callable[[Delivery], None],
        paused: bool,
        session_expected: bool = False,
        is_reconnect: bool = False,
        former: Sequence[str] = (),
        on_settled: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self.generation = generation
        self.address = address
        self.limits: BrokerLimits | None = None
        """What the broker granted; None until CONNACK."""
        self._loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Ending] = self._loop.create_future()
        self._options = options
        self._wire = wire(options, address, self, counters)
        self._counters = counters
        self._on_delivery = on_delivery
        self._paused = paused
        self._session_expected = session_expected
        self._is_reconnect = is_reconnect
        self._keepalive: KeepAlive | None = None
        self._former = former
        self._on_settled = on_settled
        self._packet_id = 0
        """Of the SUBSCRIBE or UNSUBSCRIBE that was sent last."""
        self._granted: list[int] = []
        """The code of each filter that SUBACKs have named so far."""
        self._given_up = 0
        """How many of the former filters UNSUBSCRIBEs have named so far."""
        self._not_given_up: list[str] = []
        self._refused: list[str] = []
        self._resubscribe = Backoff(first_s=RESUBSCRIBE_FIRST_S, least=0.5)
        self._timer: asyncio.TimerHandle | None = None
        """Waits for an answer, or until it is time to subscribe again."""

    # What the session calls.

    async def open(self) -> None:
        """Connect the socket; what follows shows in `limits` and `ended`. Raises OSError or SettingsError."""
        await self._wire.open()

    async def closed(self) -> None:
        """Return once the socket is closed."""
        await self._wire.closed.wait()

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> None:
        """Send the acknowledgements, in order."""
        self._wire.acknowledge(packet_ids, refused)

    def pause(self) -> None:
        """Stop reading; before CONNACK it takes effect with CONNACK."""
        self._paused = True
        if self._keepalive is not None and not self.ended.done():
            self._keepalive.pause()
            self._wire.pause()

    def resume(self) -> None:
        """Read again, starting with what had already arrived."""
        self._paused = False
        if self._keepalive is not None and not self.ended.done():
            self._wire.resume()
            self._keepalive.resume()

    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when the broker cannot or does not take it now."""
        limits = self.limits
        if limits is None or self.ended.done():
            return False
        retain = retain and limits.retain_available is not False
        return self._wire.publish(topic, payload, retain=retain, max_packet_bytes=limits.max_packet_bytes)

    def disconnect(self, detail: str) -> None:
        """End with a DISCONNECT; the broker keeps the session."""
        self.end(Ending(detail), NORMAL_DISCONNECTION)

    def abort(self, detail: str) -> None:
        """End at once, without sending anything more; without effect after the end."""
        self._abort(Ending(detail))

    # What the wire reports.

    def on_connect_sent(self) -> None:
        """Wait for CONNACK."""
        self._await_answer("CONNECT")

    def on_bytes(self) -> None:
        """Note that the broker is alive."""
        if self._keepalive is not None:
            self._keepalive.heard = True

    def on_accepted(self, limits: BrokerLimits) -> None:
        """Judge whether the session was kept, start the keep-alive and subscribe."""
        self._cancel_timer()
        self.limits = limits
        self._counters.connected = True
        self._counters.reconnects += self._is_reconnect
        if self._session_expected and not limits.session_present:
            self._counters.sessions_lost += 1
            log.warning("the broker has forgotten our session: messages sent while we were away may be lost")
        if limits.session_expiry_s not in {None, self._options.session_expiry_s}:
            log.warning("the broker keeps our session for only %s s", limits.session_expiry_s)
        self._keepalive = KeepAlive(limits.keepalive_s, ping=self._wire.ping, on_silence=self.abort)
        self._keepalive.start(paused=self._paused)
        if self._options.filters:
            self._subscribe()
        else:  # a connection that only publishes
            self._counters.subscribed_since_ms = time.time_ns() // 1_000_000
        if self._paused:
            self._wire.pause()

    def on_refused(self, reason: str) -> None:
        """End; the session tries again."""
        self.end(Ending(f"the broker refused the connection: {reason}"))

    def on_suback(self, packet_id: int, codes: Sequence[int], reason: str | None = None) -> None:
        """Note what was granted; ask for the next portion, or again if a filter was refused."""
        if packet_id != self._packet_id or self.limits is None or self._counters.subscribed_since_ms:
            return
        self._cancel_timer()
        filters = self._options.filters
        asked = filters[len(self._granted) : len(self._granted) + FILTERS_AT_ONCE]
        if len(codes) != len(asked):
            self._on_refused_filters(["it answered for another number of filters"])
            return
        self._granted += codes
        if len(self._granted) < len(filters):
            self._subscribe_next()
            return
        self.limits = msgspec.structs.replace(self.limits, granted_qos=tuple(self._granted))
        refused = [
            f"{pattern!r}: {reasons.reason_text(reasons.SUBACK, code, reason)}"
            for pattern, code in zip(filters, self._granted, strict=True)
            if code >= reasons.REFUSED
        ]
        if refused:
            self._on_refused_filters(refused)
        else:
            self._on_subscribed(self.limits)

    def on_unsuback(self, packet_id: int, codes: Sequence[int]) -> None:
        """Note what was given up, and go on with the next portion."""
        if packet_id != self._packet_id:
            return
        self._cancel_timer()
        asked = self._former[self._given_up : self._given_up + FILTERS_AT_ONCE]
        self._given_up += len(asked)
        self._not_given_up += [pattern for pattern, code in zip(asked, codes, strict=False) if code >= reasons.REFUSED]
        self._give_up_next()

    def on_messages(self, messages: list[Message], packet_ids: list[int]) -> None:
        """Count the messages and hand them over as one delivery; an error of the receiving side ends everything."""
        self._counters.received_qos1 += len(packet_ids)
        self._counters.received_qos0 += len(messages) - len(packet_ids)
        if 0 in packet_ids:  # not a valid id: the broker would end the connection over its acknowledgement
            packet_ids = [packet_id for packet_id in packet_ids if packet_id]
        try:
            self._on_delivery(Delivery(messages, packet_ids, self.generation))
        except Exception as error:
            self._abort(Ending(f"taking a delivery failed: {error!r}", error=error))

    def end(self, ending: Ending, reason_code: int | None = None) -> None:
        """End in order, with a DISCONNECT if there is a reason code; without effect after the end."""
        if self.ended.done():
            return
        if ending.without_reason and self.limits is None:
            ending = Ending(f"{ending.detail} without an answer to CONNECT{self._wire.no_connack_hint}")
        elif ending.without_reason and not self._counters.subscribed_since_ms:
            ending = Ending(f"{ending.detail} when we subscribed: it may not allow {', '.join(self._options.filters)}")
        self._finish(ending)
        self._wire.close(reason_code if self.limits is not None else None)

    # Subscription, timers and the end.

    def _subscribe(self) -> None:
        self._granted = []
        self._subscribe_next()

    def _subscribe_next(self) -> None:
        self._packet_id = self._packet_id % 65_535 + 1
        begin = len(self._granted)
        self._wire.subscribe(self._packet_id, self._options.filters[begin : begin + FILTERS_AT_ONCE])
        self._await_answer("SUBSCRIBE")

    def _on_subscribed(self, limits: BrokerLimits) -> None:
        filters = self._options.filters
        lowered = [pattern for pattern, qos in zip(filters, self._granted, strict=True) if qos < QOS]
        if lowered:
            log.warning("the broker delivers %s at QoS 0 only: messages there can be lost", ", ".join(lowered))
        self._refused = []
        self._counters.subscribed_since_ms = time.time_ns() // 1_000_000
        self._counters.last_error = ""
        session = "continued" if limits.session_present else "new"
        log.info("subscribed to %s at %s (session %s)", ", ".join(filters), self.address, session)
        if not limits.session_present:
            self._former = ()
        self._give_up_next()

    def _give_up_next(self) -> None:
        """Unsubscribe the next portion of the former filters; at the end tell what the session has."""
        portion = self._former[self._given_up : self._given_up + FILTERS_AT_ONCE]
        if portion:
            self._packet_id = self._packet_id % 65_535 + 1
            self._wire.unsubscribe(self._packet_id, portion)
            self._timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._on_not_given_up)
            return
        given_up = [pattern for pattern in self._former if pattern not in self._not_given_up]
        if given_up:
            log.info("unsubscribed from %s, which the settings no longer name", ", ".join(given_up))
        if self._not_given_up:
            log.warning("the broker does not unsubscribe %s", ", ".join(self._not_given_up))
        self._on_settled([*self._options.filters, *self._not_given_up])

    def _on_not_given_up(self) -> None:
        log.warning("the broker did not answer UNSUBSCRIBE; the next connection tries again")

    def _on_refused_filters(self, refused: list[str]) -> None:
        """Stay connected for the filters that were granted, and subscribe again after a backoff."""
        self._counters.subscribed_since_ms = 0
        self._counters.last_error = f"the broker refused to subscribe {'; '.join(refused)}"
        if refused != self._refused:
            self._refused = refused
            log.error("%s; trying again", self._counters.last_error)
        self._timer = self._loop.call_later(self._resubscribe.next_s(), self._subscribe)

    def _await_answer(self, to: str) -> None:
        self._cancel_timer()
        self._timer = self._loop.call_later(ANSWER_TIMEOUT_S, self._on_no_answer, to)

    def _on_no_answer(self, to: str) -> None:
        if self._paused and self.limits is not None:  # the answer may be waiting in the socket
            self._await_answer(to)
        else:
            hint = self._wire.no_connack_hint if self.limits is None else ""
            self.abort(f"the broker did not answer {to} within {ANSWER_TIMEOUT_S:g} s{hint}")

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self, ending: Ending) -> None:
        if not self.ended.done():
            self._finish(ending)
            self._wire.abort()

    def _finish(self, ending: Ending) -> None:
        """Stop everything that runs on time; nothing is reported to the session after this."""
        self._cancel_timer()
        if self._keepalive is not None:
            self._keepalive.stop()
        self.ended.set_result(ending)
