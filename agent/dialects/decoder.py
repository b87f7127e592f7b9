"""The decoder: gives each message to the dialect that its topic belongs to."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Final

from agent.dialects.base import LONGEST_KEPT, Dialect, Item
from agent.dialects.drops import MANIFEST
from agent.dialects.gbt32960 import Coordinates, Gbt32960Dialect
from agent.dialects.gbt32960_current import CurrentSign
from agent.dialects.identity import is_vehicle_id
from agent.dialects.mapping.apart import all_mappings, check_apart
from agent.dialects.mapping.dialect import MappingDialect
from agent.dialects.mapping.joined import JoinedMappingDialect
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.memories import MAX_VANS
from agent.dialects.names import NAMES
from agent.dialects.native import NativeDialect
from agent.dialects.ovms import OvmsDialect
from agent.dialects.presets import PRESETS
from agent.dialects.saic import SaicDialect
from agent.dialects.teslamate import TeslaMateDialect
from agent.dialects.timestamps import DAY_MS, MINUTE_MS, parse_zone
from agent.dialects.vss import VssDialect
from agent.errors import Rejected, SettingsError
from agent.messages import Message
from agent.readings import Reading

_TOPICS_KEPT: Final = 16_384
"""Topics whose dialect is kept."""

Decode = Callable[[Message, int], Iterable[Item]]


def make_dialects(
    names: Sequence[str],
    *,
    prefix: str = "vans",
    identities: Mapping[str, str] | None = None,
    max_age_ms: int = 7 * DAY_MS,
    max_ahead_ms: int = 5 * MINUTE_MS,
    max_elements: int = 5000,
    max_vans: int = MAX_VANS,
    gbt32960_subscribed: bool = True,
    gbt32960_utc_offset: str = "+08:00",
    gbt32960_coordinates: Coordinates = "wgs84",
    gbt32960_current_sign: CurrentSign = "learn",
    ovms_counters: bool = False,
    mappings: Mapping[str, MappingSettings] | None = None,
) -> list[Dialect]:
    """Make the dialects of these names, in this order, but mappings last. Raises `SettingsError` for an unknown name.

    `prefix` is the prefix of the native topics; the other dialects have the defaults of their senders. `identities`
    gives the `vehicle_id` of a sender that is known by another name, such as a VIN. `max_vans` bounds the vans that a
    dialect remembers. Without `gbt32960_subscribed` the frames of that dialect come from the listener alone. `mappings`
    are the dialects that the settings describe; a preset needs no entry there.
    """
    table = dict(identities or {})
    wrong = next((vehicle_id for vehicle_id in table.values() if not is_vehicle_id(vehicle_id)), None)
    if wrong is not None:
        raise SettingsError(f"identities: {wrong!r} cannot be a vehicle_id (1 to 64 of A-Z a-z 0-9 . _ -)")
    makers: dict[str, Callable[[], Dialect]] = {
        "native": lambda: NativeDialect(
            prefix=prefix, max_elements=max_elements, max_age_ms=max_age_ms, max_ahead_ms=max_ahead_ms
        ),
        "gbt32960": lambda: Gbt32960Dialect(
            identities=table,
            subscribed=gbt32960_subscribed,
            utc_offset_minutes=parse_zone(gbt32960_utc_offset),
            coordinates=gbt32960_coordinates,
            current_sign=gbt32960_current_sign,
            max_vans=max_vans,
            max_age_ms=max_age_ms,
            max_ahead_ms=max_ahead_ms,
        ),
        "ovms": lambda: OvmsDialect(identities=table, max_vans=max_vans, counters=ovms_counters),
        "saic": lambda: SaicDialect(identities=table, max_vans=max_vans),
        "vss": lambda: VssDialect(
            identities=table,
            max_vans=max_vans,
            max_elements=max_elements,
            max_age_ms=max_age_ms,
            max_ahead_ms=max_ahead_ms,
        ),
        "teslamate": lambda: TeslaMateDialect(identities=table, max_vans=max_vans),
    }
    described = all_mappings(names, mappings or {})
    unknown = [name for name in names if name not in makers and name not in described]
    if unknown or not names:
        known = ", ".join([*NAMES, *PRESETS, *(mappings or {})])
        raise SettingsError(
            f"mqtt.dialects: {', '.join(unknown) or 'none'}; choose from {known}, or add [dialects.NAME]"
        )
    dialects = [makers[name]() for name in dict.fromkeys(names) if name in makers]
    for name, described_as in described.items():
        joined = JoinedMappingDialect if described_as.join_s else MappingDialect
        dialects.append(
            joined(
                name,
                described_as,
                identities=table,
                max_age_ms=max_age_ms,
                max_ahead_ms=max_ahead_ms,
                max_elements=max_elements,
            )
        )
    check_apart(dialects)
    return dialects


class Decoder:
    """Gives each message to the first dialect that claims its topic.

    It owns what the dialects remember of their vans: `changed` hands it out for a checkpoint, `restore` takes it back.
    """

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self.dialects = tuple(dialects)
        self._remembering = tuple(each for each in self.dialects if not isinstance(each, NativeDialect))
        native = [each for each in self.dialects if isinstance(each, NativeDialect)]
        self._manifests = native[0] if native else NativeDialect()
        alone = len(self.dialects) == 1 and bool(native)
        self._decoders: dict[str, Decode] = {}
        self.decode: Decode = native[0].decode if alone else self._decode_any
        """`Dialect.decode` of the dialect that claims the message's topic."""

    def topic_filters(self) -> list[str]:
        """MQTT topic filters to subscribe to, each once."""
        return list(dict.fromkeys(each for dialect in self.dialects for each in dialect.topic_filters()))

    def identify(self, message: Message) -> str | None:
        """The van that every reading and drop of this message is of, found without decoding it.

        None: the message names no van, so `decode` gives no reading of it. A message may be keyed by this to bring all
        messages of a van to the same shard, in their order. It changes nothing and remembers nothing. Decoding does not
        need it.
        """
        dialect = self.dialect_of(message.topic)
        return None if dialect is None else dialect.identify(message)

    def sender(self, topic: str) -> str | None:
        """The sender that the topic names, for limits and quotas; None where it names none."""
        for dialect in self.dialects:
            if dialect.claims(topic):
                return dialect.sender(topic)
        return None

    def begin(self, source: int) -> None:
        """The messages that follow come from this source."""
        for dialect in self._remembering:
            dialect.source = source

    def tick(self, time_ms: int, heard: Container[int] = (0,)) -> Iterable[Reading]:
        """The readings that only waited for time to pass, of vans of the sources in `heard`.

        To be asked for at every tick, before the vans' own tick.
        """
        for dialect in self._remembering:
            yield from dialect.tick(time_ms, heard)

    def changed(self) -> dict[str, bytes]:
        """What the dialects remember and has changed since the last call, to be kept with the vans' states.

        The keys are `dialect/vehicle_id`. No `vehicle_id` has a slash.
        """
        return {
            f"{dialect.name}/{vehicle_id}": memory
            for dialect in self._remembering
            for vehicle_id, memory in dialect.changed().items()
        }

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """Replace all memories by what `changed` once gave. Keys of other dialects are ignored."""
        for dialect in self.dialects:
            start = f"{dialect.name}/"
            dialect.restore(
                {key.removeprefix(start): memory for key, memory in memories.items() if key.startswith(start)}
            )

    def findings(self) -> dict[str, str]:
        """What the dialects have learnt about their vans or find suspicious, by `dialect/vehicle_id`."""
        return {
            f"{dialect.name}/{vehicle_id}": finding
            for dialect in self._remembering
            for vehicle_id, finding in dialect.findings().items()
        }

    def dialect_of(self, topic: str) -> Dialect | None:
        """The dialect that claims a topic; None if there is none."""
        for dialect in self.dialects:
            if dialect.claims(topic):
                return dialect
        return self._manifests if topic.startswith(MANIFEST) else None

    def _decode_any(self, message: Message, received_ms: int) -> Iterable[Item]:
        decode = self._decoders.get(message.topic)
        if decode is not None:
            return decode(message, received_ms)
        dialect = self.dialect_of(message.topic)
        if dialect is None:
            raise Rejected("unknown_topic", f"{message.topic[:200]!r} belongs to none of the dialects that are set")
        if len(self._decoders) >= _TOPICS_KEPT:
            self._decoders.clear()
        if len(message.topic) <= LONGEST_KEPT:
            self._decoders[message.topic] = dialect.decode
        return dialect.decode(message, received_ms)
