"""The settings of one field of a mapping, `[dialects.NAME.fields]`: their keys and their checks."""

import math
from functools import partial
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, ConfigDict, Field, PlainValidator, create_model, field_validator

from agent.dialects.mapping.conditions import Condition, parse_condition
from agent.dialects.mapping.paths import Path, parse_path
from agent.dialects.mapping.topics import TopicPattern, parse_topic
from agent.dialects.mapping.units import conversion
from agent.readings import DROP_RANGES, RANGES, Reading
from agent.section import Section

FLAGS: Final = ("charging", "plugged_in")
DROP_TEXTS: Final = ("action", "consignment_id", "customer_id")
COUNTS: Final = ("seq", "parcels", "items")
READING_FIELDS: Final = tuple(
    name for name in Reading.__struct_fields__ if name not in {"vehicle_id", "time_ms", "stale"}
)
DROP_FIELDS: Final = ("seq", *DROP_TEXTS, *DROP_RANGES)
FIELDS: Final = tuple(dict.fromkeys((*READING_FIELDS, *DROP_FIELDS)))
"""Every field that a mapping may fill: those of readings, and those of drops."""

MOST_ALTERNATIVES: Final = 8
MOST_VALUES: Final = 64


def _paths(given: Any) -> Any:
    """One path, or several of which the first that is there counts."""
    texts = given if isinstance(given, list | tuple) else [given]
    if not 1 <= len(texts) <= MOST_ALTERNATIVES or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"a path, or a list of 1 to {MOST_ALTERNATIVES} paths, is expected")
    return tuple(parse_path(text) for text in texts)


def _condition(given: Any) -> Any:
    if not isinstance(given, str):
        raise ValueError("a condition is expected, such as 'gps.ok'")  # noqa: TRY004  # pydantic reports it
    return parse_condition(given)


def _topic(given: Any) -> Any:
    if not isinstance(given, str):
        raise ValueError("a topic is expected, such as 'acme/{vehicle_id}/a'")  # noqa: TRY004  # pydantic reports it
    return parse_topic(given)


Paths = Annotated[tuple[Path, ...], PlainValidator(_paths)]
Topic = Annotated[TopicPattern, PlainValidator(_topic)]
When = Annotated[Condition, PlainValidator(_condition)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class ParsedSection(Section):
    """A table that holds paths, conditions or topics, which are checked when they are read."""

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True, validate_default=True)


class FieldSource(ParsedSection):
    """Where the value of one field is, and how it becomes the field's own value."""

    path: Paths | None = Field(None, description="path of the value, or a list of paths; empty: the whole payload")
    topic: Topic | None = Field(None, description="topic of this field, if it is not that of the mapping")
    unit: str | None = Field(None, description="unit of the value; empty: the field's own")
    scale: Finite = Field(1.0, description="the value is multiplied by this first")
    offset: Finite = Field(0.0, description="this is added next")
    sign: Literal[1, -1] = Field(1, description="-1 turns the sign: power and current are positive into the battery")
    sentinels: tuple[float | str | bool, ...] = Field(
        (), max_length=MOST_VALUES, description="values that mean unknown"
    )
    when: When | None = Field(None, description="condition under which the value counts")
    values: dict[str, float | bool | str] | None = Field(
        None, min_length=1, max_length=MOST_VALUES, description="what each value means; others are unknown"
    )
    text: bool = Field(default=False, description="the number is sent as text")
    separator: str | None = Field(None, min_length=1, max_length=8, description="what separates the parts of a text")
    part: int = Field(0, ge=0, le=63, description="which part of the text is the number, counted from 0")

    @field_validator("scale")
    @classmethod
    def _scale_is_not_zero(cls, scale: float) -> float:
        if scale == 0:
            raise ValueError("a scale of 0 makes every value 0")
        return scale

    @field_validator("sentinels", mode="before")
    @classmethod
    def _sentinels_are_values(cls, sentinels: Any) -> Any:
        for each in sentinels if isinstance(sentinels, list | tuple) else ():
            if not isinstance(each, bool | int | float | str) or (isinstance(each, float) and not math.isfinite(each)):
                raise ValueError(f"{each!r} is neither a finite number, text nor a boolean")
        return sentinels


def _fits(name: str, source: FieldSource) -> FieldSource:
    """Check what depends on the field. Raises `ValueError`."""
    if source.unit is not None:
        conversion(source.unit, name)
    if source.path is None and source.when is not None:
        raise ValueError("when needs JSON, and without a path the payload is one value")
    if source.path is None and name in FLAGS and source.values is None:
        raise ValueError(f"values is missing: without a path it says which text means that {name} is true or false")
    if source.part and source.separator is None:
        raise ValueError("part needs a separator")
    of_numbers = {
        key for key in ("unit", "scale", "offset", "sign", "text", "separator") if key in source.model_fields_set
    }
    if of_numbers and (name in FLAGS or name in DROP_TEXTS):
        raise ValueError(f"{', '.join(sorted(of_numbers))}: for numbers only, and {name} is none")
    if of_numbers and source.values:
        raise ValueError(f"{', '.join(sorted(of_numbers))}: values already are in the field's unit")
    if name == "action" and not set((source.values or {}).values()) <= {"load", "unload"}:
        raise ValueError("values: an action is 'load' or 'unload'")
    for text, value in (source.values or {}).items():
        _check_value(name, text, value)
    return source


def _check_value(name: str, text: str, value: Any) -> None:
    """Check one of `values`. Raises `ValueError`."""
    kind = bool if isinstance(value, bool) else float if isinstance(value, int | float) else str
    wanted = bool if name in FLAGS else str if name in DROP_TEXTS else float
    if kind is not wanted:
        expected = {bool: "true or false", float: "a number", str: "text"}[wanted]
        raise ValueError(f"values.{text} = {value!r}: {name} is {expected}")
    low, high = RANGES.get(name) or DROP_RANGES.get(name) or (-math.inf, math.inf)
    if not isinstance(value, str) and not low <= value <= high:
        raise ValueError(f"values.{text} = {value!r} is not within {low:g} to {high:g}")


Fields: Any = create_model(
    "Fields",
    __base__=Section,
    **{
        name: (Annotated[FieldSource, AfterValidator(partial(_fits, name))] | None, None)  # type: ignore[call-overload]
        for name in FIELDS
    },
)
"""The table `fields`: one `FieldSource` for each field that the mapping fills."""
