"""The MQTT 5 receiver: keeps one session with the broker through any number of connections."""

import asyncio
import logging
import random
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from agent.mqtt import words
from agent.mqtt.backoff import Backoff
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters
from agent.mqtt.connection import Connection, Ending, Terms

log = logging.getLogger("agent.mqtt")

CONNECT_TIMEOUT_S = 10.0
STOP_TIMEOUT_S = 2.0
STABLE_AFTER_S = 10.0
"""A connection that lasted this long was a good one: the next wait is short again."""

T = TypeVar("T")


class Mqtt5Receiver:
    """Receives with MQTT 5 (`agent.mqtt.base.Receiver`).

    `session_expected` tells that an earlier run had a session here, so that its absence is reported as possible loss.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        client_id: str,
        filters: list[str],
        receive_maximum: int,
        session_expiry_s: int,
        keepalive_s: int,
        max_packet_bytes: int,
        username: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        qos: int = 1,
        session_expected: bool = False,
        backoff_cap_s: float = 30.0,
        taken_over_s: float = 60.0,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = ReceiverCounters()
        self._last_limits: BrokerLimits | None = None
        self._host = host
        self._port = port
        self._tls = tls
        self._terms: dict[str, Any] = {
            "filters": filters,
            "qos": qos,
            "receive_maximum": receive_maximum,
            "session_expiry_s": session_expiry_s,
            "keepalive_s": keepalive_s,
            "max_packet_bytes": max_packet_bytes,
            "username": username,
            "password": password,
        }
        self._client_id = client_id
        self._session_expected = session_expected
        self._chance = chance or random.Random()
        self._backoff = Backoff(cap_s=backoff_cap_s, chance=self._chance)
        self._taken_over_s = taken_over_s
        self._stopping = asyncio.Event()
        self._connection: Connection | None = None
        self._generation = 0
        self._reported = ""

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Connect, subscribe and deliver until `stop`; an exception of `on_delivery` ends it and is raised here."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            ending = await self._one_connection(on_delivery)
            if ending.error is not None:
                raise ending.error
            if self._stopping.is_set():
                break
            if self._was_open() and loop.time() - began_s >= STABLE_AFTER_S:
                self._backoff.reset()
            self._report(ending)
            await self._unless_stopped(asyncio.sleep(self._wait_s(ending)))
        if self._connection is not None:
            await asyncio.wait_for(self._connection.closed.wait(), STOP_TIMEOUT_S)

    def acknowledge(self, delivery: Delivery) -> None:
        """Write the acknowledgements, if the connection that delivered still stands."""
        connection = self._connection
        if connection is not None and connection.open and connection.generation == delivery.generation:
            connection.acknowledge(delivery.packet_ids)
        else:
            self.counters.acks_discarded += len(delivery.packet_ids)

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

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted at the present or the last connection."""
        current = self._connection.limits if self._connection is not None else None
        return current or self._last_limits

    def _was_open(self) -> bool:
        return self._connection is not None and self._connection.limits is not None

    def _wait_s(self, ending: Ending) -> float:
        if ending.taken_over:  # coming back at once would only throw the other client out in turn
            return self._taken_over_s * self._chance.uniform(1.0, 2.0)
        return self._backoff.next_s()

    def _report(self, ending: Ending) -> None:
        """Log what is new; the same failure again is silent."""
        self.counters.last_error = ending.detail
        if self._was_open() or ending.detail != self._reported:
            log.warning("%s:%d: %s; trying again", self._host, self._port, ending.detail)
        self._reported = ending.detail

    async def _one_connection(self, on_delivery: Callable[[Delivery], None]) -> Ending:
        """Open a connection and see it through to its end."""
        self._generation += 1
        terms = Terms(client_id=self._client_id, session_expected=self._session_expected, **self._terms)
        connection = Connection(
            terms,
            generation=self._generation,
            counters=self.counters,
            on_delivery=on_delivery,
            paused=self.counters.paused,
        )
        self._connection = connection
        try:
            if not await self._unless_stopped(self._open(connection)):
                return Ending("stopped")
            ending = await connection.ended
        except (OSError, TimeoutError) as error:
            ending = Ending(words.connect_error(error))
        finally:
            if not connection.ended.done():
                connection.abort("given up")
            if connection.limits is not None:
                self._remember(connection.limits)
        return ending

    async def _open(self, connection: Connection) -> bool:
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await loop.create_connection(lambda: connection, self._host, self._port, ssl=self._tls)
        return True

    def _remember(self, limits: BrokerLimits) -> None:
        if self._last_limits is not None:
            self.counters.reconnects += 1
        self._last_limits = limits
        self._client_id = limits.client_id
        self._session_expected = self._terms["session_expiry_s"] > 0

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
