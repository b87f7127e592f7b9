"""The sources of the settings: their `[mqtt]` settings, and the decoder of all of them."""

from itertools import combinations
from typing import NamedTuple

from agent.config import MqttSettings, Settings
from agent.dialects.decoder import Decoder
from agent.dialects.native import NativeDialect
from agent.errors import SettingsError
from agent.shard.opening import decoder_of
from agent.shard.roster import Roster
from agent.source_settings import SourceSettings

ONLY_SOURCE = "mqtt"
"""The name of the source where the settings name none."""


class Source(NamedTuple):
    """One MQTT session with topics of its own."""

    name: str
    mqtt: MqttSettings
    decoder: Decoder


def sources_of(settings: Settings, roster: Roster) -> list[Source]:
    """In the order of their names. Raises `SettingsError` where two sources would receive the same message."""
    named: dict[str, SourceSettings | None] = {**settings.log.sources} if settings.log.sources else {ONLY_SOURCE: None}
    found = []
    for name in sorted(named):
        mqtt = settings.of_source(named[name], name)
        found.append(Source(name, mqtt, decoder_of(settings.model_copy(update={"mqtt": mqtt}), roster)))
    for one, other in combinations(found, 2):
        both = _common_filter(one, other)
        if both is not None:
            raise SettingsError(
                f"log.sources: {one.name!r} and {other.name!r} both receive {both!r} from {other.mqtt.url}: "
                "give each one topics or a broker of its own"
            )
    return found


def decoder_of_sources(settings: Settings, roster: Roster) -> Decoder:
    """The decoder for messages of any source. Raises `SettingsError`."""
    dialects = [dialect for source in sources_of(settings, roster) for dialect in source.decoder.dialects]
    distinct = {(each.name, *each.topic_filters()): each for each in dialects}
    # The longest prefix first, since `vans/east/` is below `vans/`.
    return Decoder(
        sorted(
            distinct.values(),
            key=lambda each: -len(each.topic_filters()[0]) if isinstance(each, NativeDialect) else 0,
        )
    )


def _common_filter(one: Source, other: Source) -> str | None:
    """A filter by which both would receive the same message of the same broker; None if there is none."""
    if not {*one.mqtt.url.split(",")} & {*other.mqtt.url.split(",")}:
        return None
    for a in one.decoder.topic_filters():
        for b in other.decoder.topic_filters():
            if _overlap(a.split("/"), b.split("/")):
                return b
    return None


def _overlap(one: list[str], other: list[str]) -> bool:
    """Whether a topic can match both of these topic filters, given by their levels."""
    for a, b in zip(one, other, strict=False):
        if "#" in (a, b):
            return True
        if a != b and "+" not in (a, b):
            return False
    shorter, longer = sorted((one, other), key=len)
    return len(one) == len(other) or longer[len(shorter) :] == ["#"]
