"""What a dialect is: the meaning of one sender's topics and payloads."""

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

from agent.errors import Rejected
from agent.messages import Message
from agent.readings import DropReading, Reading

Item = Reading | DropReading | Rejected
"""What a message holds: readings, drops, and elements that cannot be used."""

LONGEST_SENDER: Final = 130


def first_levels(topic: str) -> str:
    """The first two levels of a topic, which is what the rights at a broker are given by."""
    return "/".join(topic.split("/", 2)[:2])[:LONGEST_SENDER]


class Dialect(Protocol):
    """Turns messages of one kind of sender into canonical readings.

    Decoding depends on the messages so far and their arrival times alone, so that a replay of the journal gives the
    same readings. Most dialects need nothing but the message in hand; one that has to remember something of a van keeps
    it in `Memories` and hands it out through `changed` and `restore`.
    """

    name: str

    def topic_filters(self) -> list[str]:
        """MQTT topic filters to subscribe to."""
        ...

    def claims(self, topic: str) -> bool:
        """Whether messages under this topic are of this dialect."""
        ...

    def sender(self, topic: str) -> str | None:
        """Whom the topic names as the sender, as the `vehicle_id` where that is known; None: it names nobody."""
        del topic
        return None

    def decode(self, message: Message, received_ms: int) -> Iterable[Item]:
        """The readings of one message, oldest first; an unusable element of an array as a `Rejected` in its place.

        Raises `Rejected` when the message as a whole is unusable.
        """
        ...

    def tick(self, time_ms: int) -> Iterable[Reading]:
        """The readings that only waited for time to pass: bare values that belong together."""
        del time_ms
        return ()

    def changed(self) -> dict[str, bytes]:
        """The memories of the vans that have changed since the last call, by vehicle."""
        return {}

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """Forget everything and go on from these memories."""
        del memories

    def findings(self) -> dict[str, str]:
        """What has been learnt or looks wrong, by vehicle: for people to read."""
        return {}
