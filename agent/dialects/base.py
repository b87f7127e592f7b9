"""What a dialect is: the meaning of one sender's topics and payloads."""

from collections.abc import Iterable
from typing import Protocol

from agent.errors import Rejected
from agent.messages import Message
from agent.readings import Reading


class Dialect(Protocol):
    """Turns messages of one kind of sender into canonical readings.

    Decoding depends on the message and its arrival time alone, so that a replay of the journal gives the same readings.
    """

    name: str

    def topic_filters(self) -> list[str]:
        """MQTT topic filters to subscribe to."""
        ...

    def claims(self, topic: str) -> bool:
        """Whether messages under this topic are of this dialect."""
        ...

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The readings of one message, oldest first; an unusable element of an array as a `Rejected` in its place.

        Raises `Rejected` when the message as a whole is unusable.
        """
        ...
