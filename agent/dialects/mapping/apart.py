"""Several mappings in one agent: which are in use, and whether their topics are apart."""

from collections.abc import Mapping, Sequence

from agent.dialects.base import Dialect
from agent.dialects.mapping.dialect import MappingDialect
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.mapping.topics import overlap
from agent.dialects.presets import PRESETS, preset
from agent.errors import SettingsError


def all_mappings(names: Sequence[str], mappings: Mapping[str, MappingSettings]) -> dict[str, MappingSettings]:
    """The mappings with these names, in the order in which a topic is offered to them.

    A name without an entry may be that of a preset. Mappings whose topic begins with any level come last.
    """
    found = {
        name: mappings[name] if name in mappings else MappingSettings.model_validate(preset(name))
        for name in dict.fromkeys(names)
        if name in mappings or name in PRESETS
    }
    return dict(
        sorted(found.items(), key=lambda item: any(_begins_with_any(t.topic_filter) for t in item[1].topics().values()))
    )


def check_apart(dialects: Sequence[Dialect]) -> None:
    """Raise `SettingsError` if a topic of a mapping may also be one of another dialect.

    A filter that begins with `+` does not count beside one that begins with a name: the name comes first.
    """
    known: list[tuple[Dialect, str]] = []
    for dialect in dialects:
        own = dialect.topic_filters()
        for one in own:
            for other_dialect, other in known:
                mapped = isinstance(dialect, MappingDialect) or isinstance(other_dialect, MappingDialect)
                if mapped and _begins_with_any(one) == _begins_with_any(other) and overlap(one, other):
                    raise SettingsError(
                        f"dialects.{dialect.name}: topic {one!r} may also be one of {other_dialect.name!r}, {other!r}"
                    )
        known += [(dialect, each) for each in own]


def _begins_with_any(topic_filter: str) -> bool:
    return topic_filter.startswith("+")
