"""Conditions: under which a value counts, in a part of JMESPath's notation.

`gps.ok` holds if the value is `true` or a number other than 0. `gps.ok != false` also holds if the value is not there.
`fix >= 2`, `state == 'DRIVING'`, `a && b`, `a || b`, `!a` and parentheses are as in JMESPath.
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from agent.dialects.mapping.paths import LONGEST_PATH, Path, scan_path, value_at

_SPACE: Final = re.compile(r"\s*")
_NUMBER: Final = re.compile(r"-?\d{1,15}(\.\d{1,15})?(?![\w.])", re.ASCII)
_TEXT: Final = re.compile(r"'([^'\\\x00-\x1f]*)'")
_WORD: Final = re.compile(r"(true|false|null)(?![\w.$\[-])")
_OPERATOR: Final = re.compile(r"==|!=|<=|>=|<|>")
_WORDS: Final = {"true": True, "false": False, "null": None}
_DEEPEST: Final = 16


class Literal(NamedTuple):
    """A value that is written in the condition."""

    value: Any


class Holds(NamedTuple):
    """The value is `true`, or a number other than 0."""

    operand: Path | Literal


class Compare(NamedTuple):
    """Two values compared."""

    operator: str
    left: Path | Literal
    right: Path | Literal


class Not(NamedTuple):
    """The opposite."""

    part: "Part"


class Both(NamedTuple):
    """Two parts that both hold."""

    left: "Part"
    right: "Part"


class Either(NamedTuple):
    """Two parts of which one holds."""

    left: "Part"
    right: "Part"


Part = Holds | Compare | Not | Both | Either


class Condition(NamedTuple):
    """A condition as it was written, and its parts."""

    text: str
    part: Part

    def holds(self, record: Any) -> bool:
        """Whether the condition holds for this JSON value."""
        return _holds(self.part, record)

    def paths(self) -> list[Path]:
        """The paths that it reads, in their order."""
        return list(_paths(self.part))


def parse_condition(text: str) -> Condition:
    """Read a condition. Raises `ValueError` that says where it cannot be read."""
    if len(text) > LONGEST_PATH:
        raise ValueError(f"a condition has at most {LONGEST_PATH} characters")
    reader = _Reader(text)
    part = reader.either(0)
    if reader.at != len(text):
        raise reader.error()
    return Condition(text, part)


def expression_of(part: Part, name_of: Callable[[Path | Literal], str]) -> str:
    """The condition as a Python expression, for `quick.py`. `name_of` gives the variable of a path or a literal."""
    match part:
        case Holds(operand):
            name = name_of(operand)
            return f"({name} is True or ({name} is not None and {name} is not False and is_true({name})))"
        case Compare(operator, left, right):
            return _comparison(operator, name_of(left), name_of(right), right)
        case Not(inner):
            return f"(not {expression_of(inner, name_of)})"
        case Both(left, right):
            return f"({expression_of(left, name_of)} and {expression_of(right, name_of)})"
        case Either(left, right):
            return f"({expression_of(left, name_of)} or {expression_of(right, name_of)})"


def _comparison(operator: str, left: str, right: str, operand: Path | Literal) -> str:
    """As `compare`, without a call where a value is compared with a literal."""
    negated = "not " if operator == "!=" else ""
    if operator in {"==", "!="} and isinstance(operand, Literal):
        if operand.value is None or isinstance(operand.value, bool):
            return f"({negated}{left} is {right})"
        if isinstance(operand.value, str):
            return f"({negated}{left} == {right})"
        return f"({negated}({left} == {right} and {left}.__class__ is not bool))"
    return f"compare({operator!r}, {left}, {right})"


def is_true(value: Any) -> bool:
    """Whether a value is `true`, or a number other than 0."""
    return value is True or (type(value) in {int, float} and value != 0)


def compare(operator: str, left: Any, right: Any) -> bool:
    """Compare two JSON values. A boolean is no number. Only numbers have an order; other values are not ordered."""
    if operator in {"==", "!="}:
        equal = left == right and isinstance(left, bool) == isinstance(right, bool)
        return equal == (operator == "==")
    if type(left) not in {int, float} or type(right) not in {int, float}:
        return False
    match operator:
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
    return bool(left >= right)


def _holds(part: Part, record: Any) -> bool:
    match part:
        case Holds(operand):
            return is_true(_value(operand, record))
        case Compare(operator, left, right):
            return compare(operator, _value(left, record), _value(right, record))
        case Not(inner):
            return not _holds(inner, record)
        case Both(left, right):
            return _holds(left, record) and _holds(right, record)
        case Either(left, right):
            return _holds(left, record) or _holds(right, record)


def _value(operand: Path | Literal, record: Any) -> Any:
    return operand.value if isinstance(operand, Literal) else value_at(record, operand)


def _paths(part: Part) -> list[Path]:
    match part:
        case Holds(operand):
            return [operand] if isinstance(operand, Path) else []
        case Compare(_, left, right):
            return [each for each in (left, right) if isinstance(each, Path)]
        case Not(inner):
            return _paths(inner)
        case Both(left, right) | Either(left, right):
            return _paths(left) + _paths(right)


class _Reader:
    """Reads a condition from left to right. `at` is behind what has been read and the spaces that follow it."""

    def __init__(self, text: str) -> None:
        self._text = text
        self.at = 0
        self._skip(0)

    def error(self) -> ValueError:
        there = repr(self._text[self.at :][:20]) if self.at < len(self._text) else "its end"
        return ValueError(f"this condition cannot be read from {there} on; examples: gps.ok, fix >= 2, state == 'ON'")

    def either(self, depth: int) -> Part:
        part = self._both(depth)
        while self._take("||"):
            part = Either(part, self._both(depth))
        return part

    def _both(self, depth: int) -> Part:
        part = self._single(depth)
        while self._take("&&"):
            part = Both(part, self._single(depth))
        return part

    def _single(self, depth: int) -> Part:
        if depth > _DEEPEST:
            raise ValueError("this condition has too many parentheses")
        if not self._text.startswith("!=", self.at) and self._take("!"):
            return Not(self._single(depth + 1))
        if self._take("("):
            part = self.either(depth + 1)
            if not self._take(")"):
                raise self.error()
            return part
        left = self._operand()
        if match := _OPERATOR.match(self._text, self.at):
            self._skip(match.end())
            return Compare(match[0], left, self._operand())
        return Holds(left)

    def _operand(self) -> Path | Literal:
        text, at = self._text, self.at
        if match := _NUMBER.match(text, at):
            self._skip(match.end())
            return Literal(float(match[0]) if "." in match[0] else int(match[0]))
        if match := _TEXT.match(text, at):
            self._skip(match.end())
            return Literal(match[1])
        if match := _WORD.match(text, at):
            self._skip(match.end())
            return Literal(_WORDS[match[1]])
        path, end = scan_path(text, at)
        if path is None:
            raise self.error()
        self._skip(end)
        return path

    def _take(self, sign: str) -> bool:
        if not self._text.startswith(sign, self.at):
            return False
        self._skip(self.at + len(sign))
        return True

    def _skip(self, to: int) -> None:
        match = _SPACE.match(self._text, to)
        self.at = match.end() if match else to
