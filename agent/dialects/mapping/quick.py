"""The quick way to read the usual payloads of a route; `route.py` is the plain way, and says what the result is.

A function is compiled for each route at the start. It decodes only the members that the mapping reads, and computes
with them what `Route.say` does. Whatever is unusual (an array, a wrong type, a value out of range, an escaped text) it
leaves to the plain way by raising an error.
"""

from collections.abc import Callable, Mapping
from itertools import dropwhile
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta, defstruct
from msgspec.json import Decoder

from agent.dialects.mapping.conditions import Condition, Literal, compare, expression_of, is_true
from agent.dialects.mapping.paths import Path, value_at
from agent.dialects.mapping.route import MOST_BRACKETS, Route
from agent.dialects.mapping.sources import MappedField
from agent.dialects.timestamps import parse_time
from agent.fast.compiled import compile_function
from agent.readings import Reading

QuickReader = Callable[[bytes, str | None, int, bool], tuple[Reading, ...]]
"""From a payload, the topic's van, the arrival and whether the message was retained to its reading, or to nothing."""

DIGITS: Final = b"0123456789.+-"
MOST_SHAPE_BYTES: Final = 4_000_000
"""The known shapes of a route together have at most so many bytes."""


class UnusualPayload(Exception):
    """The payload has to be read in the plain way."""


class _Shapes:
    """Finds what the decoder does not: an escaped name, deep nesting, a name that occurs twice, bytes not in UTF-8.

    The shape of a payload is the payload without the characters of numbers. It has each name as often as the payload,
    or more often. So a payload of a shape that has been found to be usual is usual. Most payloads have a known shape.
    """

    def __init__(self, names: Mapping[str, int]) -> None:
        quoted = {f'"{name}"'.encode(): number for name, number in names.items()}
        self.with_digits = {name: number for name, number in quoted.items() if name.translate(None, DIGITS) != name}
        """Names that a shape does not show, and how often each may occur."""
        self._without = {name: number for name, number in quoted.items() if name not in self.with_digits}
        self.known: set[bytes] = set()
        self._bytes = 0

    def check(self, payload: bytes) -> None:
        """Add the shape of a payload. Raises `UnusualPayload` if it is not usual."""
        shape = payload.translate(None, DIGITS)
        if b"\\" in shape or shape.count(b"[") + shape.count(b"{") > MOST_BRACKETS:
            raise UnusualPayload
        if any(shape.count(name) > number for name, number in self._without.items()):
            raise UnusualPayload
        if not payload.isascii():
            payload.decode()
            return
        self._bytes += len(shape)
        if self._bytes > MOST_SHAPE_BYTES:
            self.known.clear()
            self._bytes = len(shape)
        self.known.add(shape)


class _Member:
    """An object in the payload, or a value in it."""

    def __init__(self) -> None:
        self.members: dict[str, _Member] = {}
        self.types: set[Any] = set()
        self.variable = ""


class _Source:
    """Composes the function. Everything from the settings is a constant of it, never a part of its text."""

    def __init__(self, route: Route) -> None:
        self._root = _Member()
        self._constants: dict[str, object] = {}
        self._names = 0
        self.lines: list[str] = []
        for path in route.paths():
            self._member(path)

    def _member(self, path: Path) -> _Member:
        """The member at the names that a path begins with."""
        member = self._root
        for step in path.steps:
            if not isinstance(step, str):
                break
            member = member.members.setdefault(step, _Member())
        return member

    def take(self, path: Path, kind: Any) -> str:
        """The variable of the value at a path; `kind` is the type that it is used with."""
        member = self._member(path)
        if any(not isinstance(step, str) for step in path.steps):
            member.types.add(Any)
            rest = tuple(dropwhile(lambda step: isinstance(step, str), path.steps))
            return f"value_at({self._variable(member)}, {self.constant(Path('', rest))})"
        member.types.add(kind)
        return self._variable(member)

    def type_of(self, path: Path) -> Any:
        """The type with which the member at a path is decoded."""
        kinds = self._member(path).types
        return next(iter(kinds)) if len(kinds) == 1 else Any

    def begin_again(self) -> None:
        """Forget the lines, but not the types."""
        self.lines.clear()
        self._constants.clear()

    def constant(self, value: object) -> str:
        """The name of a constant."""
        name = f"c{len(self._constants)}"
        self._constants[name] = value
        return name

    def compile(self) -> Callable[..., Any] | None:
        """The function; None if a path leads through a value that another path reads."""
        reads: list[str] = []
        try:
            decoder = Decoder(self._struct(self._root, "root", reads))
        except ValueError:
            return None
        head = ["def compiled(payload, vehicle_id, received_ms, retained):", *self._checks(), "root = decode(payload)"]
        self._constants |= {
            "DIGITS": DIGITS,
            "decode": decoder.decode,
            "is_true": is_true,
            "compare": compare,
            "value_at": value_at,
            "parse_time": parse_time,
            "Reading": Reading,
            "UnusualPayload": UnusualPayload,
        }
        return compile_function("\n    ".join([*head, *reads, *self.lines]) + "\n", self._constants)

    def _variable(self, member: _Member) -> str:
        if not member.variable:
            member.variable = self._name("v")
        return member.variable

    def _name(self, letter: str) -> str:
        self._names += 1
        return f"{letter}{self._names}"

    def _checks(self) -> list[str]:
        """What the decoder does not notice; see `_Shapes`."""
        names: dict[str, int] = {}
        self._count_names(self._root, names)
        self._constants["shapes"] = (shapes := _Shapes(names)).known
        self._constants["check"] = shapes.check
        lines = ["if payload.translate(None, DIGITS) not in shapes: check(payload)"]
        for name, number in shapes.with_digits.items():
            lines.append(f"if payload.count({self.constant(name)}) > {number}: raise UnusualPayload")
        return lines

    def _count_names(self, member: _Member, names: dict[str, int]) -> None:
        for name, inner in member.members.items():
            names[name] = names.get(name, 0) + 1
            self._count_names(inner, names)

    def _struct(self, member: _Member, variable: str, reads: list[str]) -> type[msgspec.Struct]:
        """The struct of an object's members. Adds the lines that read its members into variables."""
        described: list[tuple[str, Any, Any]] = []
        renamed: dict[str, str] = {}
        for place, (name, inner) in enumerate(member.members.items()):
            field = f"m{place}"
            renamed[field] = name
            if inner.members and inner.types:
                raise ValueError
            if inner.members:
                own = self._name("s")
                reads.append(f"{own} = {variable}.{field}")
                struct = self._struct(inner, own, reads)
                described.append((field, struct, struct()))
            else:
                (kind,) = inner.types if len(inner.types) == 1 else (Any,)
                described.append((field, Any if kind is Any else kind | None, None))
                if inner.variable:
                    reads.append(f"{inner.variable} = {variable}.{field}")
        return defstruct("Members", described, rename=renamed, frozen=True, gc=False, module=__name__)


def quick_reader(
    route: Route, known_names: Mapping[str, str], *, max_age_ms: int, max_ahead_ms: int
) -> QuickReader | None:
    """The function of a route; None if its payloads are bare values, or a path needs the plain way.

    `known_names` are the vans by the names that payloads gave them so far. Raises `UnusualPayload`, or another error,
    for what has to be read in the plain way.
    """
    if route.is_bare or any(not path.steps for path in route.paths()):
        return None
    return _Reader(route, known_names, max_age_ms, max_ahead_ms).compile()


class _Reader:
    """Composes the lines of the function in the order of `Route.say`."""

    def __init__(self, route: Route, known_names: Mapping[str, str], max_age_ms: int, max_ahead_ms: int) -> None:
        self._route = route
        self._known_names = known_names
        self._window = f"received_ms - {max_age_ms:d} <= time_ms <= received_ms + {max_ahead_ms:d}"
        self._source = _Source(route)
        self._conditions: dict[str, str] = {}

    def compile(self) -> QuickReader | None:
        """The function, or None; see `quick_reader`."""
        self._compose()  # a first time, to learn with which types each member is used
        self._source.begin_again()
        self._conditions = {}
        self._compose()
        return self._source.compile()

    def _compose(self) -> None:
        route, lines = self._route, self._source.lines
        if route.when is not None:
            lines.append(f"if not {self._condition(route.when)}: return ()")
        if route.name_paths:
            self._add_first("name", [self._source.take(path, str) for path in route.name_paths])
            lines.append(f"vehicle_id = {self._source.constant(self._known_names)}.get(name)")
            lines.append("if vehicle_id is None: raise UnusualPayload")
        self._add_time()
        given = {field.name: f"x{place}" for place, field in enumerate(route.fields)}
        for field in route.fields:
            self._add_field(field, given[field.name])
        lines.append(f"if {' and '.join(f'{each} is None' for each in given.values())}: raise UnusualPayload")
        latitude, longitude = given.get("latitude_deg", "None"), given.get("longitude_deg", "None")
        if latitude != longitude:
            lines.append(f"if ({latitude} is None) != ({longitude} is None): raise UnusualPayload")
        values = "".join(f", {name}={variable}" for name, variable in given.items())
        stale = "retained" if route.time is None else "False"
        lines.append(f"return (Reading(vehicle_id=vehicle_id, time_ms=time_ms, stale={stale}{values}),)")

    def _add_first(self, variable: str, expressions: list[str], is_unknown: str = "") -> None:
        lines = self._source.lines
        lines.append(f"{variable} = {expressions[0]}")
        lines.extend(f"if {is_unknown or f'{variable} is None'}: {variable} = {each}" for each in expressions[1:])

    def _add_time(self) -> None:
        """Add the lines of `time_ms`."""
        time, lines = self._route.time, self._source.lines
        if time is None:
            lines.append("time_ms = received_ms")
            return
        kind = {"s": float, "ms": int, "iso": str, None: Any}[time.unit]
        self._add_first("time_ms", [self._source.take(path, kind) for path in time.path])
        if time.unit == "s":
            lines.append("if time_ms.__class__ is bool: raise UnusualPayload")
            lines.append("time_ms = round(time_ms * 1000)")
        elif time.unit == "ms":
            lines.append("if time_ms.__class__ is not int: raise UnusualPayload")
        else:
            if time.unit == "iso":
                lines.append("if time_ms.__class__ is not str: raise UnusualPayload")
            lines.append("time_ms = parse_time(time_ms)")
        lines.append(f"if not {self._window}: raise UnusualPayload")

    def _condition(self, condition: Condition) -> str:
        """The expression of a condition. It is computed once, before the first field that needs it."""
        if condition.text not in self._conditions:
            name = f"w{len(self._conditions)}"
            self._source.lines.append(f"{name} = {expression_of(condition.part, self._operand)}")
            self._conditions[condition.text] = name
        return self._conditions[condition.text]

    def _operand(self, operand: Path | Literal) -> str:
        source = self._source
        return source.constant(operand.value) if isinstance(operand, Literal) else source.take(operand, Any)

    def _add_field(self, field: MappedField, variable: str) -> None:
        """Add the lines that compute one field, as `MappedField.look` does."""
        source, lines = self._source, self._source.lines
        kind = _kind_of(field)
        expressions = [source.take(path, kind) for path in field.paths]
        typed = kind is not Any and all(source.type_of(path) == kind for path in field.paths)
        own = source.constant(field)
        unknown = f"{own}.is_sentinel({variable})" if field.sentinels else ""
        if typed and field.is_number and field.sentinels:
            numbers = frozenset(float(each) for each in field.sentinels if type(each) in {int, float})
            unknown = f"{variable} in {source.constant(numbers)}"
        when = self._condition(field.when) if field.when is not None else ""
        self._add_first(variable, expressions, f"{variable} is None or {unknown}" if unknown else "")
        value = self._value_lines(field, variable, own, typed=typed, in_range=kind not in {float, Any})
        choices = [f"if {variable} is None: pass"]
        if unknown:
            choices.append(f"elif {unknown}: {variable} = None")
        if when:
            choices.append(f"elif not {when}: {variable} = None")
        if value:
            choices += ["else:", *(f"    {line}" for line in value)]
        if len(choices) > 1:
            lines.extend(choices)

    def _value_lines(self, field: MappedField, variable: str, own: str, *, typed: bool, in_range: bool) -> list[str]:
        """The lines from a raw value that counts to the field's value; none if they are the same."""
        if typed and in_range:
            return []
        if field.values is not None:
            listed = self._source.constant({text: field.value_of(text) for text in field.values})
            return [
                f"{variable} = {listed}.get({variable}) if {variable}.__class__ is str else {own}.value_of({variable})"
            ]
        if not typed:
            return [f"{variable} = {own}.value_of({variable})"]
        expression = variable
        if field.is_converted:
            expression = f"{variable} * {field.scale!r}" if field.scale != 1.0 else variable
            expression = f"({expression} + {field.offset!r})" if field.offset else expression
            expression += f" * {field.multiply!r}" if field.multiply != 1.0 else ""
            expression += f" / {field.divide!r}" if field.divide != 1.0 else ""
            expression += f" + {field.add!r}"
        limits = f"if not {field.low!r} <= {variable} <= {field.high!r}: raise UnusualPayload"
        return [f"{variable} = {expression}", limits] if field.is_converted else [limits]


def _kind_of(field: MappedField) -> Any:
    """The type with which a field reads its members."""
    if field.is_flag and not field.values:
        return bool
    if not field.is_number:
        return Any
    if field.is_converted or field.sentinels:
        return Any if field.is_count else float
    if field.is_count:
        return Annotated[int, Meta(ge=int(field.low), le=int(field.high))]
    return Annotated[float, Meta(ge=field.low, le=field.high)]
