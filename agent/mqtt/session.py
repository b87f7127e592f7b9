"""The session with the broker, through any number of connections; the receiver that the pipeline uses.

    run ──▶ CONNECTING ──────────────── fails ─────────────────┐
                │   ▲                                          │
        CONNACK │   └───────── wait is over ──────┐            │
                ▼                                 │            ▼
            CONNECTED ──────── ends ────────────────────▶ WAITING

    stop, in any state ──▶ DISCONNECT if connected ──▶ `run` returns

CONNECTING and CONNECTED are one `Connection` (`connection.py`, which has the states in between). Each has a number, its
`generation`; the deliveries and packet ids of a connection mean nothing on any other one.

WAITING lasts one backoff. It starts short again after a connection of `STABLE_AFTER_S`. It is long when another client
has taken over the session, and when several connections in a row were closed early without a reason, since then
another client probably has our client id.

The broker keeps the session between connections: the subscription, and the messages that were not acknowledged. Each
CONNECT asks for it (clean start is off). Each CONNACK tells whether it was there; if it should have been and was not,
messages may be lost, and `sessions_lost` counts it.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec

from agent.backoff import Backoff
from agent.mqtt import reasons
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.connection import Connection
from agent.mqtt.options import MqttOptions
from agent.mqtt.wire import CONNECT_TIMEOUT_S, Ending, Wire

log = logging.getLogger("agent.mqtt")

FIRST_WAIT_S: Final = 0.5
STOP_TIMEOUT_S: Final = 2.0
STABLE_AFTER_S: Final = 10.0
"""A connection that lasted this long was a success: the backoff starts again."""
TAKEN_OVER_S: Final = 60.0
"""Shortest wait after another client took our session. Coming back at once would only push that client out in turn."""

EARLY_ENDINGS: Final = 3
"""Connections in a row, accepted and soon closed without a reason, after which another client is suspected."""
SUSPICION: Final = (
    "; it does so every time soon after it has accepted us: "
    "another client may have our client id, give each agent its own mqtt.client_id"
)

T = TypeVar("T")


class Session:
    """Implements `agent.mqtt.base.Receiver` over one kind of `Wire`."""

    def __init__(
        self,
        options: MqttOptions,
        wire: type[Wire],
        *,
        session_expected: bool = False,
        backoff: Backoff | None = None,
        taken_over_s: float = TAKEN_OVER_S,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = ReceiverCounters()
        self.gathers = wire.gathers
        self._options = options
        self._wire = wire
        self._session_expected = session_expected
        self._is_reconnect = False
        self._chance = chance or random.Random()
        self._backoff = backoff or Backoff(first_s=FIRST_WAIT_S, chance=self._chance)
        self._taken_over_s = taken_over_s
        self._stopping = asyncio.Event()
        self._connection: Connection | None = None
        self._last_limits: BrokerLimits | None = None
        self._generation = 0
        self._logged = ""
        self._early_endings = 0

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted at the present or the last connection."""
        current = self._connection.limits if self._connection is not None else None
        return current or self._last_limits

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Connect, subscribe and deliver until `stop`; an exception of `on_delivery` ends it and is raised here."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            connection, ending = await self._one_connection(on_delivery)
            if ending.error is not None:
                raise ending.error
            if self._stopping.is_set():
                await asyncio.wait_for(connection.closed(), STOP_TIMEOUT_S)
                return
            was_accepted = connection.limits is not None
            ending = self._judge(ending, was_accepted=was_accepted, lasted_s=loop.time() - began_s)
            self._report(ending, was_accepted=was_accepted)
            await self._unless_stopped(asyncio.sleep(self._wait_s(ending)))

    def acknowledge(self, delivery: Delivery) -> None:
        """Send the acknowledgements, if the connection that delivered still stands."""
        connection = self._connection
        if connection is None or connection.generation != delivery.generation or connection.ended.done():
            self.counters.acks_discarded += len(delivery.packet_ids)
        elif delivery.packet_ids:
            connection.acknowledge(delivery.packet_ids, delivery.refused)
            self.counters.acks_sent += len(delivery.packet_ids)

    def pause(self) -> None:
        """Stop reading from the socket; no delivery comes until `resume`."""
        if not self.counters.paused:
            self.counters.paused = True
            if self._connection is not None:
                self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        if self.counters.paused:
            self.counters.paused = False
            if self._connection is not None:
                self._connection.resume()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when there is no connection or it does not take more."""
        return self._connection is not None and self._connection.publish(topic, payload, retain=retain)

    async def stop(self) -> None:
        """Disconnect in order, keeping the session; `run` returns."""
        self._stopping.set()
        if self._connection is not None:
            self._connection.disconnect("stopped")

    # One connection.

    async def _one_connection(self, on_delivery: Callable[[Delivery], None]) -> tuple[Connection, Ending]:
        """Open a connection and wait for its end."""
        self._generation += 1
        connection = self._connection = Connection(
            self._options,
            self._wire,
            generation=self._generation,
            counters=self.counters,
            on_delivery=on_delivery,
            paused=self.counters.paused,
            session_expected=self._session_expected,
            is_reconnect=self._is_reconnect,
        )
        try:
            await self._unless_stopped(self._open(connection))
            if not self._stopping.is_set():
                await connection.ended
        except OSError as error:
            connection.abort(reasons.connect_error(error))
        finally:
            connection.abort("stopped")  # without effect on a connection that has ended
            self.counters.connected = False
            self.counters.subscribed_since_ms = 0
            if connection.limits is not None:
                self._remember(connection.limits)
        return connection, connection.ended.result()

    async def _open(self, connection: Connection) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await connection.open()

    def _remember(self, limits: BrokerLimits) -> None:
        """Keep what the next connection needs: the client id that the broker assigned, and that there is a session."""
        self._last_limits = limits
        self._options = msgspec.structs.replace(self._options, client_id=limits.client_id)
        self._session_expected = limits.session_expiry_s != 0
        self._is_reconnect = True

    # Between two connections.

    def _judge(self, ending: Ending, *, was_accepted: bool, lasted_s: float) -> Ending:
        """Reset the backoff after a success; add the suspicion of another client with our client id."""
        is_early = lasted_s < STABLE_AFTER_S
        if was_accepted and not is_early:
            self._backoff.reset()
        suspicious = ending.without_reason and was_accepted and is_early
        self._early_endings = self._early_endings + 1 if suspicious else 0
        if self._early_endings >= EARLY_ENDINGS:
            return ending._replace(detail=ending.detail + SUSPICION)
        return ending

    def _wait_s(self, ending: Ending) -> float:
        if ending.taken_over:
            return self._taken_over_s * self._chance.uniform(1.0, 2.0)
        if self._early_endings >= EARLY_ENDINGS:
            return self._backoff.cap_s * self._chance.uniform(0.5, 1.0)
        return self._backoff.next_s()

    def _report(self, ending: Ending, *, was_accepted: bool) -> None:
        """Log what is new; the same failure to connect is logged once."""
        self.counters.last_error = ending.detail
        if was_accepted or ending.detail != self._logged:
            log.warning("%s:%d: %s; trying again", self._options.host, self._options.port, ending.detail)
        self._logged = ending.detail

    async def _unless_stopped(self, action: Coroutine[Any, Any, T]) -> T | None:
        """The action's result; None if `stop` came first."""
        task = asyncio.create_task(action, name="mqtt attempt")
        stopped = asyncio.create_task(self._stopping.wait(), name="mqtt stop")
        try:
            await asyncio.wait({task, stopped}, return_when=asyncio.FIRST_COMPLETED)
            return task.result() if task.done() else None
        finally:
            task.cancel()
            stopped.cancel()
