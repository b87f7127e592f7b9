"""The interface between a wire and the protocol it speaks: MQTT 5 (`codec5.py`) or 3.1.1 (`codec311.py`).

A codec turns packets into bytes and bytes into messages, for one connection. It does no input or output and makes no
decision about the session. What it reads beside messages it reports through `WireEvents`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar, Final, NamedTuple, Protocol

from agent.messages import Message
from agent.mqtt.base import BrokerLimits, ReceiverCounters
from agent.mqtt.credentials import Login
from agent.mqtt.options import MqttOptions

QOS: Final = 1
"""The QoS of every subscription: delivered at least once."""
QOS_2_REFUSED: Final = (
    "the broker sent a message at QoS 2, but the subscription asks for QoS 1: "
    "its session for this client id has another subscription; set another mqtt.client_id"
)
NORMAL_DISCONNECTION: Final = 0x00
MALFORMED_PACKET: Final = 0x81
PROTOCOL_ERROR: Final = 0x82
PACKET_TOO_LARGE: Final = 0x95


class ProtocolError(Exception):
    """The bytes that follow cannot be trusted: the connection has to end with this reason code."""

    def __init__(self, detail: str, reason: int) -> None:
        super().__init__(detail)
        self.reason = reason


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
    """What a wire and its codec report to their connection."""

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

    def on_unsuback(self, packet_id: int, codes: Sequence[int]) -> None:
        """UNSUBACK: one code per filter, in order; none in MQTT 3.1.1, where it always means success."""
        ...

    def on_messages(self, messages: list[Message], packet_ids: list[int]) -> None:
        """The messages of one read of the socket, and the packet ids of those that want an acknowledgement."""
        ...

    def end(self, ending: Ending, reason_code: int | None = None) -> None:
        """End the connection in order, with a DISCONNECT if there is a reason code; without effect after the end."""
        ...


class Codec(ABC):
    """One version of MQTT on one connection.

    `must_hold` says whether the bytes behind a packet have to wait: while reading is paused, or after the end.
    """

    no_connack_hint: ClassVar[str]
    """What to tell the operator when the broker does not answer CONNECT."""

    def __init__(
        self, options: MqttOptions, events: WireEvents, counters: ReceiverCounters, must_hold: Callable[[], bool]
    ) -> None:
        self._options = options
        self._events = events
        self._counters = counters
        self._must_hold = must_hold

    @abstractmethod
    def connect(self, login: Login) -> bytes:
        """CONNECT."""

    @abstractmethod
    def subscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """SUBSCRIBE for these filters at `QOS`."""

    @abstractmethod
    def unsubscribe(self, packet_id: int, filters: Sequence[str]) -> bytes:
        """UNSUBSCRIBE for these filters."""

    @abstractmethod
    def acknowledge(self, packet_ids: list[int], refused: frozenset[int]) -> bytes:
        """One PUBACK per packet id, in order; those `refused` with "quota exceeded" where the protocol has it."""

    @abstractmethod
    def publish(self, topic: str, payload: bytes, *, retain: bool) -> bytes:
        """PUBLISH at QoS 0."""

    @abstractmethod
    def disconnect(self, reason_code: int) -> bytes:
        """DISCONNECT; MQTT 3.1.1 has no reason code."""

    @abstractmethod
    def feed(self, data: bytes, messages: list[Message], packet_ids: list[int]) -> None:
        """Decode all whole packets into the two lists and report the others.

        Raises ProtocolError; what was appended before it is valid.
        """

    @abstractmethod
    def hold(self, data: bytes) -> None:
        """Keep `data` undecoded until the next `feed`."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is kept."""
