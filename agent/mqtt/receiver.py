"""The receiver without its protocol: one session with the broker through any number of connections."""

import asyncio
import logging
import random
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from typing import Any, Final, NamedTuple, Protocol, TypeVar

import msgspec

from agent.backoff import Backoff
from agent.mqtt import reasons
from agent.mqtt.base import BrokerLimits, Delivery, ReceiverCounters

log = logging.getLogger("agent.mqtt")

CONNECT_TIMEOUT_S: Final = 10.0
STOP_TIMEOUT_S: Final = 2.0
STABLE_AFTER_S: Final = 10.0
"""A connection that lasted this long was a good one: the next wait is short again."""
TAKEN_OVER_S: Final = 60.0
"""Shortest wait after another client took our session: coming back at once would only throw that one out in turn."""

WORDLESS_IN_A_ROW: Final = 3
"""So many connections accepted and soon closed again, without a word: probably two clients with one id."""
SUSPICION: Final = (
    "; it does so every time soon after it has accepted us: "
    "another client may have our client id, give each agent its own mqtt.client_id"
)

T = TypeVar("T")


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What we ask of the broker at every connection."""

    host: str
    port: int
    client_id: str
    filters: list[str]
    receive_maximum: int
    session_expiry_s: int
    keepalive_s: int
    max_packet_bytes: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None
    qos: int = 1
    session_expected: bool = False
    """An earlier connection, or an earlier run, had a session: its absence means possible loss."""
    again: bool = False
    """There was an earlier connection in this run."""

    @property
    def hard_limit_bytes(self) -> int:
        """No packet beyond this is read: far above `max_packet_bytes`, so that an oversize message can be reported."""
        return max(4 * self.max_packet_bytes, 1024 * 1024)


class Ending(NamedTuple):
    """Why a connection ended, in words; and what the next attempt has to know."""

    detail: str
    taken_over: bool = False
    wordless: bool = False
    """The broker closed without saying why, as some do with a client whose session another one takes over."""
    error: Exception | None = None
    """An error of this program, not of the connection: nothing to try again."""


class Link(Protocol):
    """One connection, whichever protocol it speaks."""

    generation: int
    limits: BrokerLimits | None
    """Set once the broker has accepted us."""
    ended: asyncio.Future[Ending]
    closed: asyncio.Event
    """The socket is gone, or there never was one."""

    async def open(self) -> None:
        """Connect the socket; what follows shows in `limits` and `ended`. Raises OSError or TimeoutError."""
        ...

    def acknowledge(self, packet_ids: list[int], refused: frozenset[int] = ...) -> None: ...  # noqa: D102
    def pause(self) -> None: ...  # noqa: D102
    def resume(self) -> None: ...  # noqa: D102
    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool: ...  # noqa: D102

    def disconnect(self, detail: str) -> None:
        """End in order; the broker keeps the session."""
        ...

    def abort(self, detail: str) -> None:
        """End at once, without another byte."""
        ...


class SessionReceiver(ABC):
    """Implements `agent.mqtt.base.Receiver` but for the making of one connection."""

    gathers = False

    def __init__(
        self,
        terms: Terms,
        *,
        backoff: Backoff | None = None,
        taken_over_s: float = TAKEN_OVER_S,
        chance: random.Random | None = None,
    ) -> None:
        self.counters = ReceiverCounters()
        self._terms = terms
        self._chance = chance or random.Random()
        self._backoff = backoff or Backoff(first_s=0.5, chance=self._chance)
        self._taken_over_s = taken_over_s
        self._stopping = asyncio.Event()
        self._link: Link | None = None
        self._last_limits: BrokerLimits | None = None
        self._generation = 0
        self._reported = ""
        self._wordless = 0

    @abstractmethod
    def _make_link(
        self, terms: Terms, *, generation: int, on_delivery: Callable[[Delivery], None], paused: bool
    ) -> Link: ...

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted at the present or the last connection."""
        current = self._link.limits if self._link is not None else None
        return current or self._last_limits

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Connect, subscribe and deliver until `stop`; an exception of `on_delivery` ends it and is raised here."""
        loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            began_s = loop.time()
            link, ending = await self._one_connection(on_delivery)
            if ending.error is not None:
                raise ending.error
            if self._stopping.is_set():
                await asyncio.wait_for(link.closed.wait(), STOP_TIMEOUT_S)
                return
            ending = self._judge(link, ending, lasted_s=loop.time() - began_s)
            self._report(link, ending)
            await self._unless_stopped(asyncio.sleep(self._wait_s(ending)))

    def acknowledge(self, delivery: Delivery) -> None:
        """Write the acknowledgements, if the connection that delivered still stands."""
        link = self._link
        if link is None or link.generation != delivery.generation or link.ended.done():
            self.counters.acks_discarded += len(delivery.packet_ids)
        elif delivery.packet_ids:
            link.acknowledge(delivery.packet_ids, delivery.refused)
            self.counters.acks_sent += len(delivery.packet_ids)

    def pause(self) -> None:
        """Stop reading from the socket; no delivery comes until `resume`."""
        if not self.counters.paused:
            self.counters.paused = True
            if self._link is not None:
                self._link.pause()

    def resume(self) -> None:
        """Read again."""
        if self.counters.paused:
            self.counters.paused = False
            if self._link is not None:
                self._link.resume()

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when there is no connection or it does not take more."""
        return self._link is not None and self._link.publish(topic, payload, retain=retain)

    async def stop(self) -> None:
        """Disconnect in order, keeping the session; `run` returns."""
        self._stopping.set()
        if self._link is not None:
            self._link.disconnect("stopped")

    def _judge(self, link: Link, ending: Ending, *, lasted_s: float) -> Ending:
        """Learn from how long the connection lasted; suspect another client where the broker does not say so."""
        soon = lasted_s < STABLE_AFTER_S
        if link.limits is not None and not soon:
            self._backoff.reset()
        self._wordless = self._wordless + 1 if ending.wordless and link.limits is not None and soon else 0
        if self._wordless >= WORDLESS_IN_A_ROW:
            return ending._replace(detail=ending.detail + SUSPICION)
        return ending

    def _wait_s(self, ending: Ending) -> float:
        if ending.taken_over:
            return self._taken_over_s * self._chance.uniform(1.0, 2.0)
        if self._wordless >= WORDLESS_IN_A_ROW:
            return self._backoff.cap_s * self._chance.uniform(0.5, 1.0)
        return self._backoff.next_s()

    def _report(self, link: Link, ending: Ending) -> None:
        """Log what is new; the same failure again is silent."""
        self.counters.last_error = ending.detail
        if link.limits is not None or ending.detail != self._reported:
            log.warning("%s:%d: %s; trying again", self._terms.host, self._terms.port, ending.detail)
        self._reported = ending.detail

    async def _one_connection(self, on_delivery: Callable[[Delivery], None]) -> tuple[Link, Ending]:
        """Open a connection and see it through to its end."""
        self._generation += 1
        link = self._make_link(
            self._terms, generation=self._generation, on_delivery=on_delivery, paused=self.counters.paused
        )
        self._link = link
        try:
            await self._unless_stopped(self._open(link))
            if not self._stopping.is_set():
                await link.ended
        except OSError as error:
            link.abort(reasons.connect_error(error))
        finally:
            link.abort("stopped")  # without effect on a connection that has ended
            self.counters.connected = False
            self.counters.subscribed_since_ms = 0
            if link.limits is not None:
                self._remember(link.limits)
        return link, link.ended.result()

    async def _open(self, link: Link) -> None:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await link.open()

    def _remember(self, limits: BrokerLimits) -> None:
        self._last_limits = limits
        self._terms = msgspec.structs.replace(
            self._terms, client_id=limits.client_id, session_expected=limits.session_expiry_s != 0, again=True
        )

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
