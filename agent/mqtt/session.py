"""The session with the broker, through any number of connections; the receiver that the pipeline uses.

    run ──▶ CONNECTING ──────────────── fails ─────────────────┐
                │   ▲                                          │
        CONNACK │   └───────── wait is over ──────┐            │
                ▼                                 │            ▼
            CONNECTED ──────── ends ────────────────────▶ WAITING

    stop, in any state ──▶ DISCONNECT if connected ──▶ `run` returns

CONNECTING and CONNECTED are one `Connection` (`connection.py`, which has the states in between). Each has a number, its
`generation`; the deliveries and packet ids of a connection mean nothing on any other one.

`mqtt.url` may name several brokers, which share one session or have one each. Each attempt has `CONNECT_TIMEOUT_S`.
When an attempt fails, the next address is tried at once; WAITING comes after all of them. The address that has accepted
us last is the first of the next round, because our session is there.

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
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, Final, TypeVar

import msgspec

from agent.backoff import Backoff
from agent.errors import SettingsError
from agent.mqtt import reasons
from agent.mqtt.address import BrokerAddress
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.codec import Ending
from agent.mqtt.connection import Connection
from agent.mqtt.options import MqttOptions
from agent.mqtt.subscriptions import SubscriptionNotes
from agent.mqtt.wire import Wire

log = logging.getLogger("agent.mqtt")

CONNECT_TIMEOUT_S: Final = 10.0
"""How long opening the socket may take, name resolution and TLS handshake included."""
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
    """Implements `agent.mqtt.base.Receiver`."""

    def __init__(
        self,
        options: MqttOptions,
        *,
        wire: type[Wire] = Wire,
        session_expected: bool = False,
        notes: SubscriptionNotes | None = None,
        backoff: Backoff | None = None,
        taken_over_s: float = TAKEN_OVER_S,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = ReceiverCounters()
        self._options = options
        self._wire = wire
        self._notes = notes
        self._session_expected = session_expected
        self._is_reconnect = False
        self._chance = chance or random.Random()
        self._backoff = backoff or Backoff(first_s=FIRST_WAIT_S, chance=self._chance)
        self._taken_over_s = taken_over_s
        self._stopping = asyncio.Event()
        self._connection: Connection | None = None
        self._last_limits: BrokerLimits | None = None
        self._generation = 0
        self._turn = 0
        """Whose turn it is among `options.brokers`."""
        self._failed_in_turn = 0
        """How many brokers in a row have not accepted us."""
        self._logged: dict[BrokerAddress, str] = {}
        """The last failure of each broker that was logged."""
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
            self._report(connection.address, ending, was_accepted=was_accepted)
            if was_accepted or self._is_round_over():
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
        address = self._options.brokers[self._turn]
        connection = self._connection = Connection(
            self._options,
            address,
            self._wire,
            generation=self._generation,
            counters=self.counters,
            on_delivery=on_delivery,
            paused=self.counters.paused,
            session_expected=self._session_expected,
            is_reconnect=self._is_reconnect,
            former=self._notes.former(self._options.filters) if self._notes is not None else (),
            on_settled=partial(self._on_settled, address),
        )
        if self._notes is not None:
            self._notes.add(str(address), self._options.filters)
        try:
            await self._unless_stopped(self._open(connection))
            if not self._stopping.is_set():
                await connection.ended
        except (OSError, SettingsError) as error:
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

    def _on_settled(self, address: BrokerAddress, filters: Sequence[str]) -> None:
        if self._notes is not None:
            self._notes.settle(str(address), filters, addresses=map(str, self._options.brokers))

    # Between two connections.

    def _is_round_over(self) -> bool:
        """After a failure it is the next broker's turn; True when all have had theirs."""
        self._turn = (self._turn + 1) % len(self._options.brokers)
        self._failed_in_turn += 1
        return self._failed_in_turn % len(self._options.brokers) == 0

    def _judge(self, ending: Ending, *, was_accepted: bool, lasted_s: float) -> Ending:
        """Reset the backoff after a success; add the suspicion of another client with our client id."""
        is_early = lasted_s < STABLE_AFTER_S
        if was_accepted:
            self._failed_in_turn = 0
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

    def _report(self, address: BrokerAddress, ending: Ending, *, was_accepted: bool) -> None:
        """Log what is new; the same failure to connect is logged once."""
        several = len(self._options.brokers) > 1
        self.counters.last_error = f"{address}: {ending.detail}" if several else ending.detail
        if was_accepted or ending.detail != self._logged.get(address):
            log.warning("%s: %s; trying again", address, ending.detail)
        self._logged[address] = ending.detail

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
