"""The interface between a connection and the protocol below it: MQTT 5 (`wire5.py`) or 3.1.1 (`wire311.py`).

A wire owns one socket. It encodes, decodes, and reads or stops reading; it makes no decision about the session.
`Connection` (`connection.py`) calls the methods of `Wire`; the wire reports through `WireEvents`. Another transport,
such as WebSockets, would be another wire, or another way for a wire to open its socket.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Final, NamedTuple, Protocol

from agent.messages import Message
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.options import MqttOptions

CONNECT_TIMEOUT_S: Final = 10.0
"""How long opening the socket may take, name resolution and TLS handshake included."""
QOS: Final = 1
"""The QoS of every subscription: delivered at least once."""
QOS_2_REFUSED: Final = (
    "the broker sent a message at QoS 2, but the subscription asks for QoS 1: "
    "its session for this client id has another subscription; set another mqtt.client_id"
)
NORMAL_DISCONNECTION: Final = 0x00


class Ending(NamedTuple):
    """Why a connection ended, in words, and what matters for the next attempt."""

    detail: str
    taken_over: bool = False
    """Another client connected with the same client id."""
    without_reason: bool = False
    """The broker closed the socket without a DISCONNECT. Some brokers do so when another client takes the session."""
    error: Exception | None = None
    """An error of this program, not of the connection: no further attempt is made."""


class WireEvents(Protocol):
    """What a wire reports to its connection."""

    def on_connect_sent(self) -> None:
        """The socket is open and CONNECT is on its way."""
        ...

    def on_bytes(self) -> None:
        """Something was read: the broker is alive."""
        ...

    def on_accepted(self, limits: BrokerLimits) -> None:
        """CONNACK: the broker has accepted the connection."""
        ...

    def on_refused(self, reason: str) -> None:
        """CONNACK: the broker has refused the connection."""
        ...

    def on_suback(self, packet_id: int, codes: Sequence[int], reason: str | None = None) -> None:
        """SUBACK: one code per filter, in order; `reason` is the broker's own text."""
        ...

    def on_messages(self, messages: list[Message], packet_ids: list[int]) -> None:
        """The messages of one read of the socket, and the packet ids of those that want an acknowledgement."""
        ...

    def end(self, ending: Ending, reason_code: int | None = None) -> None:
        """End the connection in order, with a DISCONNECT if there is a reason code; without effect after the end."""
        ...


class Wire(ABC):
    """One socket that speaks one version of MQTT."""

    gathers: ClassVar[bool] = False
    """Whether it spaces its reads, so that each gives a batch however often the broker sends."""
    no_connack_hint: ClassVar[str] = ""
    """What to tell the operator when the broker never answers CONNECT."""

    def __init__(self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters) -> None:
        self.closed = asyncio.Event()
        """Set while there is no socket."""
        self.closed.set()
        self._options = options
        self._events = events
        self._counters = counters
        self._loop = asyncio.get_running_loop()

    @abstractmethod
    async def open(self) -> None:
        """Connect the socket and send CONNECT. Raises OSError or TimeoutError."""

    @abstractmethod
    def subscribe(self) -> int:
        """Send SUBSCRIBE for all filters at `QOS`; returns its packet id."""

    @abstractmethod
    def ping(self) -> None:
        """Send PINGREQ."""

    @abstractmethod
    def pause(self) -> None:
        """Read nothing more from the socket, and decode nothing that was read."""

    @abstractmethod
    def resume(self) -> None:
        """Read again, starting with what had already arrived."""

    @abstractmethod
    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> None:
        """Send one PUBACK per packet id, in order; those `refused` with "quota exceeded" where the protocol has it."""

    @abstractmethod
    def publish(self, topic: str, payload: bytes, *, retain: bool, max_packet_bytes: int | None) -> bool:
        """Send a PUBLISH at QoS 0; False when it is larger than the broker takes, or the socket is congested."""

    @abstractmethod
    def close(self, reason_code: int | None) -> None:
        """Send DISCONNECT if there is a reason code, then close once it is written."""

    @abstractmethod
    def abort(self) -> None:
        """Close at once, without sending anything more."""
