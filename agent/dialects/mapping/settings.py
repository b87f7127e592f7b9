"""The settings `[dialects.NAME]`: their keys and their checks. Errors name the key."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from agent.dialects.mapping.field_source import (
    DROP_FIELDS,
    FIELDS,
    READING_FIELDS,
    Fields,
    FieldSource,
    ParsedSection,
    Paths,
    Topic,
    When,
)
from agent.dialects.mapping.topics import VAN, TopicPattern, overlap


class NameSource(ParsedSection):
    """Where the payload names the van."""

    path: Paths = Field(description="path of the van's name, or of a name in the fleet file's `identities`")


class TimeSource(ParsedSection):
    """Where the payload has the time of its values."""

    path: Paths = Field(description="path of the time; the first that is there, of several")
    unit: Literal["s", "ms", "iso"] | None = Field(
        None, description="`s` or `ms` since the epoch, `iso` for text; empty: as in native payloads, `ms` or `iso`"
    )


class MappingSettings(ParsedSection):
    """A dialect of one's own, or a preset with other settings."""

    preset: str | None = Field(None, description="preset that this one starts from")
    topic: Topic | None = Field(None, description="topic with named levels, such as `acme/{vehicle_id}/status`")
    vehicle_id: NameSource | None = Field(None, description="where the payload names the van, if the topic does not")
    time: TimeSource | None = Field(None, description="where the time is; empty: the arrival")
    when: When | None = Field(None, description="condition under which a message counts; others are ignored")
    join_s: Annotated[float, Field(ge=0, le=60)] = Field(
        0.0, description="values that arrive within this time become one reading; 0: each message is a reading"
    )
    hold_s: Annotated[float, Field(ge=0, le=86_400)] = Field(
        0.0, description="with `join_s`: how long a value holds that is not repeated"
    )
    fields: Fields = Field(description="for each field where its value is")

    def sources(self) -> dict[str, FieldSource]:
        """The fields that the mapping fills, with their sources."""
        return {name: source for name in FIELDS if (source := getattr(self.fields, name)) is not None}

    def is_of_drops(self) -> bool:
        """Whether messages are drops: goods loaded or unloaded."""
        return "action" in self.sources()

    def topics(self) -> dict[str, TopicPattern]:
        """The patterns of the mapping, by their text."""
        patterns = [source.topic or self.topic for source in self.sources().values()]
        return {pattern.text: pattern for pattern in patterns if pattern is not None}

    @model_validator(mode="after")
    def _is_complete(self) -> "MappingSettings":
        sources = self.sources()
        if not sources:
            raise ValueError("fields: a mapping fills at least one field")
        for name, source in sources.items():
            if source.topic is None and self.topic is None:
                raise ValueError(f"topic is missing: neither the mapping nor fields.{name} has one")
        for pattern in self.topics().values():
            if (VAN in pattern.names) == (self.vehicle_id is not None):
                what = "twice, by a level and by vehicle_id" if self.vehicle_id else "nowhere"
                raise ValueError(
                    f"topic {pattern.text!r} names the van {what}: have a level {{vehicle_id}}, "
                    'or vehicle_id = {path = "…"}, one of them'
                )
        self._check_bare(sources)
        self._check_kind(sources)
        self._check_overlaps()
        if self.hold_s and not self.join_s:
            raise ValueError("hold_s needs join_s")
        if self.join_s and "seq" in sources:
            raise ValueError("fields.seq: a reading that is joined from several messages has no number")
        return self

    def _check_bare(self, sources: dict[str, FieldSource]) -> None:
        """A payload is one value, or JSON with values at paths."""
        bare: dict[str, str] = {}
        paths: dict[str, str] = {}
        for name, source in sources.items():
            topic = source.topic or self.topic
            if topic is not None:
                (paths if source.path else bare)[topic.text] = name
        if both := sorted(bare.keys() & paths.keys()):
            raise ValueError(
                f"fields.{bare[both[0]]}: path is missing: fields.{paths[both[0]]} reads JSON of the same topic"
            )
        if bare and (self.vehicle_id or self.time or self.when):
            name = next(iter(bare.values()))
            raise ValueError(
                f"fields.{name}: without a path the payload is one value: vehicle_id, time and when need JSON"
            )

    def _check_kind(self, sources: dict[str, FieldSource]) -> None:
        """Fields of drops and of readings do not mix."""
        known, what = (DROP_FIELDS, "a drop") if self.is_of_drops() else (READING_FIELDS, "a reading")
        for name in sources:
            if name not in known:
                raise ValueError(f"fields.{name} is no field of {what}; drops have fields.action, readings do not")
        if self.is_of_drops() and self.time is None:
            raise ValueError("time is missing: a drop without a time of its own counts twice if it comes twice")
        if self.is_of_drops() and (self.join_s or len(self.topics()) > 1):
            raise ValueError(
                "fields.action: a drop is one message under one topic: join_s and further topics do not apply"
            )

    def _check_overlaps(self) -> None:
        patterns = list(self.topics().values())
        for place, one in enumerate(patterns):
            for other in patterns[:place]:
                if overlap(one.topic_filter, other.topic_filter):
                    raise ValueError(f"the topics {other.text!r} and {one.text!r} may both match: keep them apart")
