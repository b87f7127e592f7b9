"""What the pipeline knows of the broker: a receiver, its deliveries and its counters, for either protocol."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from agent.messages import Message


class Delivery(msgspec.Struct, gc=False):
    """The messages of one read of the socket, in order, and what is needed to acknowledge them.

    `packet_ids` belong to the messages of QoS 1, in order of arrival. They are valid only on the connection whose
    number is `generation`.
    """

    messages: list[Message]
    packet_ids: list[int]
    generation: int
    refused: frozenset[int] = frozenset()
    """The `packet_ids` whose messages were not taken in. MQTT 5 answers them with "quota exceeded"."""


class BrokerLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What the broker granted when it accepted the connection; None where the protocol has no such field."""

    session_present: bool
    client_id: str
    keepalive_s: int
    session_expiry_s: int | None = None
    receive_maximum: int | None = None
    """How many unacknowledged messages the broker may send."""
    max_packet_bytes: int | None = None
    """Largest packet that the broker accepts from us; None: no limit."""
    retain_available: bool | None = None
    granted_qos: tuple[int, ...] = ()
    """The code of each filter, in order; 0x80 and above is a refusal. Empty until SUBACK."""


class ReceiverCounters(msgspec.Struct):
    """State and counters of a receiver, for the health endpoints."""

    connected: bool = False
    subscribed_since_ms: int = 0
    """When the present subscription was granted; 0 while there is none, or a filter is refused."""
    received_qos0: int = 0
    received_qos1: int = 0
    redelivered: int = 0
    retained: int = 0
    acks_sent: int = 0
    acks_discarded: int = 0
    """Acknowledgements for a connection that had ended. The broker delivers those messages again."""
    reconnects: int = 0
    sessions_lost: int = 0
    """Connections at which the broker had lost our session: messages may be missing."""
    paused: bool = False
    last_error: str = ""


class Receiver(Protocol):
    """Receives messages in batches, and acknowledges a batch when told to."""

    counters: ReceiverCounters

    @property
    def limits(self) -> BrokerLimits | None:
        """What the broker granted at the present or the last connection."""
        ...

    async def run(self, on_delivery: Callable[[Delivery], None]) -> None:
        """Connect, subscribe and deliver until `stop`; connect again after every failure.

        `on_delivery` is called in the event loop and must return at once.
        """
        ...

    def acknowledge(self, delivery: Delivery) -> None:
        """Acknowledge the messages of this delivery to the broker, in their order.

        To be called in order of delivery. Acknowledgements for a connection that has ended are counted and dropped.
        """
        ...

    def pause(self) -> None:
        """Stop reading from the socket; pings go on."""
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
