"""The interface of a dialect: the meaning of one sender's topics and payloads."""

from collections.abc import Container, Iterable, Mapping
from typing import Final, Protocol

from agent.errors import Rejected
from agent.messages import Message
from agent.readings import DropReading, Reading

Item = Reading | DropReading | Rejected
"""What a message may hold: readings, drops, and elements that cannot be used."""

LONGEST_SENDER: Final = 130
LONGEST_KEPT: Final = 256
"""The meaning of a longer topic is not kept."""


def first_levels(topic: str) -> str:
    """The first two levels of a topic. A broker's access rights are given by these."""
    return "/".join(topic.split("/", 2)[:2])[:LONGEST_SENDER]


class Dialect(Protocol):
    """Turns messages of one kind of sender into canonical readings.

    Decoding depends only on the messages so far and their arrival times, so a replay of the journal gives the same
    readings. Most dialects need only the message in hand. A dialect that remembers something of a van keeps it in
    `Memories`, which go into the checkpoint through `changed` and `restore`.
    """

    name: str
    source: int = 0
    """The number of the source of the messages in hand; see `agent.shard.sources`."""

    def topic_filters(self) -> list[str]:
        """MQTT topic filters to subscribe to."""
        ...

    def claims(self, topic: str) -> bool:
        """Whether messages under this topic are of this dialect."""
        ...

    def sender(self, topic: str) -> str | None:
        """The sender that the topic names, as the `vehicle_id` where that is known; None: it names none."""
        del topic
        return None

    def identify(self, message: Message) -> str | None:
        """The van that every reading and drop of this message is of, without decoding it; see `Decoder.identify`."""
        ...

    def decode(self, message: Message, received_ms: int) -> Iterable[Item]:
        """The readings of one message, oldest first. An unusable element of an array is a `Rejected` in its place.

        Raises `Rejected` when the whole message is unusable.
        """
        ...

    def tick(self, time_ms: int, heard: Container[int] = (0,)) -> Iterable[Reading]:
        """The readings that only waited for time to pass: values that arrived one by one and belong together.

        Time passes for the vans of the sources in `heard` alone.
        """
        del time_ms, heard
        return ()

    def changed(self) -> dict[str, bytes]:
        """The memories that have changed since the last call, encoded, by vehicle."""
        return {}

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """Replace all memories by these."""
        del memories

    def findings(self) -> dict[str, str]:
        """What was learnt about a van or looks wrong with it, as text for people, by vehicle."""
        return {}
