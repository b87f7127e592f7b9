"""Messages as the broker delivered them, not yet decoded, and the batches in which the journal keeps them."""

from enum import IntEnum

import msgspec


class MessageKind(IntEnum):
    """What a message in the journal is: a publish of a van, or an event that the agent itself journaled."""

    PUBLISH = 0
    """A payload under a topic, as published."""
    TICK = 1
    """A clock tick. No topic; `tick_message` makes the payload, `tick_times` reads it."""
    MALFORMED_PACKET = 2
    """An MQTT packet that could not be parsed; the payload is the raw packet."""
    OVERSIZE = 3
    """A publish larger than `mqtt.max_packet_bytes`; the payload is its beginning."""
    REPLAYED = 4
    """A dead letter that is processed again, as it was published. Its batch has the time of its first arrival."""
    TAGS = 5
    """The fleet's tags, valid from this message on. No topic; the payload is `agent.shard.tags.FleetTags` encoded."""
    CORRECTION = 6
    """A correction by hand. No topic; the payload is `agent.fleet.books.corrections.Correction` as JSON."""


class Message(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One message as the journal keeps it, immutable."""

    topic: str
    payload: bytes
    qos: int = 1
    retained: bool = False
    kind: int = MessageKind.PUBLISH
    other_arrival_ms: int = 0
    """A second time against which the event time is checked; 0: none.

    For a replayed dead letter, the time of the replay. For a message that arrives after our clock was set back, the
    time that the clock would show without that.
    """


class Batch(msgspec.Struct, frozen=True, gc=False):
    """Messages that were committed together. Every stage behind the receiver works in batches.

    `offset` is the journal offset of the first message; the i-th message has `offset + i`.
    `received_ms` is the arrival time of the whole batch, milliseconds since the epoch.
    `listening_since_ms` is when the receiver last subscribed: that a van was silent before then means nothing.
    It holds for the ticks of the batch that do not carry their own.
    `source` names the MQTT session that the messages came from, in a log that several agents share. It is empty in the
    journal, and for messages that an agent has appended by itself.
    `term` grows each time that another agent takes the source over; 0 where there is none.
    """

    offset: int
    received_ms: int
    listening_since_ms: int
    messages: list[Message]
    source: str = ""
    term: int = 0

    @property
    def end(self) -> int:
        """The offset behind the last message."""
        return self.offset + len(self.messages)


def tick_message(time_ms: int, listening_since_ms: int) -> Message:
    """A tick: the time, and since when the sender of the tick has listened to the broker; ms since the epoch."""
    return Message("", b"%d %d" % (time_ms, listening_since_ms), qos=0, kind=MessageKind.TICK)


def tick_times(tick: Message, batch: Batch) -> tuple[int, int]:
    """(time, listening since) of a tick in a batch. Ticks of older journals have the time only."""
    time_ms, _, listening_since_ms = tick.payload.partition(b" ")
    return int(time_ms), int(listening_since_ms) if listening_since_ms else batch.listening_since_ms
