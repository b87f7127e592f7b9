"""What the pipeline knows of a broker connection, whichever protocol it speaks."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from agent.messages import Message


class Delivery(msgspec.Struct, gc=False):
    """Everything one read of the socket gave, in order, and what is needed to acknowledge it.

    `packet_ids` are those of the messages that want an acknowledgement, in arrival order, in the receiver's own form.
    `generation` numbers the connection: packet ids mean nothing on any other.
    """

    messages: list[Message]
    packet_ids: list[int]
    generation: int
    refused: frozenset[int] = frozenset()
    """Those of `packet_ids` that were not taken in: answered "quota exceeded" where the protocol can say so."""


class BrokerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker granted when it accepted the connection; None where the protocol does not tell."""

    session_present: bool
    client_id: str
    keepalive_s: int
    session_expiry_s: int | None = None
    receive_maximum: int | None = None
    """Unacknowledged messages that the broker may have on the way to us."""
    max_packet_bytes: int | None = None
    """Largest packet that the broker accepts from us; None: no limit told."""
    max_qos: int | None = None
    retain_available: bool | None = None
    wildcards_available: bool | None = None
    granted_qos: tuple[int, ...] = ()
    """Per filter, in order; 0x80 and above is a refusal. Empty until the broker has answered the subscription."""


class ReceiverCounters(msgspec.Struct):
    """What a receiver counts; read by the health endpoints."""

    connected: bool = False
    subscribed_since_ms: int = 0
    """When the present subscription was granted; 0 while there is none."""
    received_qos0: int = 0
    received_qos1: int = 0
    redelivered: int = 0
    retained: int = 0
    acks_sent: int = 0
    acks_discarded: int = 0
    """Acks of a connection that had ended: the broker delivers those messages again."""
    reconnects: int = 0
    sessions_lost: int = 0
    """Connections where the broker had forgotten our session: messages may be missing."""
    paused: bool = False
    last_error: str = ""


class Receiver(Protocol):
    """Receives in batches, acknowledges when told to."""

    counters: ReceiverCounters
    gathers: bool
    """Whether it reads no oftener than batches should be made, however often the broker sends."""

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted at the present or the last connection."""
        ...

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Connect, subscribe and deliver, for ever, through every failure, until `stop`.

        `on_delivery` is called in the event loop and returns at once.
        """
        ...

    def acknowledge(self, delivery: Delivery) -> None:
        """Tell the broker that the messages of this delivery are safe, in the order they came.

        Called in order of delivery. Acks for a connection that has ended are counted and dropped.
        """
        ...

    def pause(self) -> None:
        """Stop reading from the socket; keep-alive goes on."""
        ...

    def resume(self) -> None:
        """Read again."""
        ...

    async def publish(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish at QoS 0; False when there is no connection."""
        ...

    async def stop(self) -> None:
        """Disconnect in order, keeping the session; `run` returns."""
        ...
