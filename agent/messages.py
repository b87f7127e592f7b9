"""What the broker handed over, before anybody knows what it means."""

from enum import IntEnum

import msgspec


class MessageKind(IntEnum):
    """What a journaled message is."""

    PUBLISH = 0
    """A payload under a topic, as published."""
    TICK = 1
    """The passing of time: no topic; the payload is the time, milliseconds since the epoch in decimal digits."""
    MALFORMED_PACKET = 2
    """An MQTT packet that the codec refused; the payload is the raw packet."""
    OVERSIZE = 3
    """A publish beyond `mqtt.max_packet_bytes`; the payload is its beginning."""
    REPLAYED = 4
    """A dead letter that is processed again, as it was published; its batch has the time of its first arrival."""
    TAGS = 5
    """The fleet's tags from here on: no topic; the payload is `agent.shard.tags.FleetTags` encoded."""
    CORRECTION = 6
    """A correction by hand: no topic; the payload is `agent.fleet.books.corrections.Correction` as JSON."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as the journal keeps it. Messages are never changed."""

    topic: str
    payload: bytes
    qos: int = 1
    retained: bool = False
    kind: int = MessageKind.PUBLISH
    other_arrival_ms: int = 0
    """Another time at which it may have arrived, which its event time is judged by too; 0: none.

    Of a dead letter it is when the letter was handed back; of a message that arrives after our clock was set back, what
    the clock would show if it had not been.
    """


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages committed together: the unit of everything behind the receiver.

    `offset` is the journal offset of the first message; the i-th message has `offset + i`.
    `received_ms` is the arrival time of the whole batch, milliseconds since the epoch.
    `listening_since_ms` is when the receiver last became subscribed: silence before it means nothing.
    """

    offset: int
    received_ms: int
    listening_since_ms: int
    messages: list[Message]

    @property
    def end(self) -> int:
        """The offset behind the last message."""
        return self.offset + len(self.messages)
