"""What payloads mean: one file per sender, and the decoder that picks the one a topic belongs to."""

from collections.abc import Iterable, Sequence

from agent.dialects.base import Dialect
from agent.dialects.native import NativeDialect
from agent.dialects.timestamps import DAY_MS, MINUTE_MS
from agent.errors import Rejected, SettingsError
from agent.messages import Message
from agent.readings import Reading

NAMES = ("native",)
"""The dialects that `mqtt.dialects` may name."""


def make_dialects(
    names: Sequence[str],
    *,
    prefix: str = "vans",
    max_age_ms: int = 7 * DAY_MS,
    max_ahead_ms: int = 5 * MINUTE_MS,
    max_elements: int = 5000,
) -> list[Dialect]:
    """The dialects of these names, in this order; raises `SettingsError` for one that does not exist."""
    unknown = [name for name in names if name not in NAMES]
    if unknown or not names:
        raise SettingsError(f"mqtt.dialects: {', '.join(unknown) or 'empty'}; choose from {', '.join(NAMES)}")
    return [
        NativeDialect(prefix=prefix, max_age_ms=max_age_ms, max_ahead_ms=max_ahead_ms, max_elements=max_elements)
        for _ in names
    ]


class Decoder:
    """Gives each message to the dialect that claims its topic: the first one that does."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self.dialects = tuple(dialects)
        self._routes = tuple((dialect.claims, dialect.decode) for dialect in dialects)

    def topic_filters(self) -> list[str]:
        """MQTT topic filters to subscribe to, each once."""
        return list(dict.fromkeys(each for dialect in self.dialects for each in dialect.topic_filters()))

    def decode(self, message: Message, received_ms: int) -> Iterable[Reading | Rejected]:
        """The readings of one message, oldest first, a `Rejected` in the place of an unusable element.

        Raises `Rejected` when the message as a whole is unusable.
        """
        topic = message.topic
        for claims, decode in self._routes:
            if claims(topic):
                return decode(message, received_ms)
        raise Rejected("unknown_topic", f"{topic[:200]!r} belongs to none of the dialects that are set")
