"""A tokenizer for the subset of InfluxQL that InfluxDB 1.8+, 2.x and 3 Core all answer."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

AGGREGATES = {"count", "distinct", "integral", "mean", "median", "mode", "spread", "stddev", "sum"}
SELECTORS = {"bottom", "first", "last", "max", "min", "percentile", "top"}
MATHEMATICS = {"abs", "ceil", "floor", "round", "pow", "sqrt", "ln", "log", "log2", "log10", "exp"}
TRANSFORMATIONS = {
    "cumulative_sum",
    "derivative",
    "difference",
    "elapsed",
    "moving_average",
    "non_negative_derivative",
    "non_negative_difference",
}
CALLS = {"time", "fill", "tz", "now"}
FUNCTIONS = AGGREGATES | SELECTORS | MATHEMATICS | TRANSFORMATIONS | CALLS
KEYWORDS = {
    *("select", "from", "where", "group", "order", "by", "as", "and", "or", "asc", "desc", "limit", "offset"),
    *("show", "tag", "field", "values", "keys", "measurements", "with", "key", "in"),
    *("true", "false", "null", "none", "previous", "linear"),
}
VARIABLES = {"$timeFilter", "$__interval", "$depot", "$model", "$van", "$min_km"}
"""What Grafana fills in. The last four are variables of the dashboards."""

TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<name>"(?:[^"\\]|\\.)*")
  | (?P<text>'(?:[^'\\]|\\.)*')
  | (?P<regex>/(?:[^/\\\s]|\\.)+/)
  | (?P<variable>\$[A-Za-z_]+)
  | (?P<duration>\d+(?:ns|us|u|ms|s|m|h|d|w)\b)
  | (?P<number>\d+(?:\.\d+)?)
  | (?P<word>[A-Za-z_][A-Za-z_0-9]*)
  | (?P<operator>=~|!~|!=|<>|<=|>=|[=<>+\-*/%(),])
    """,
    re.VERBOSE,
)


class Token(NamedTuple):
    kind: str
    text: str


class NotPortable(Exception):
    """A query uses something that some InfluxDB versions do not answer."""


def tokens(query: str) -> list[Token]:
    found, position = [], 0
    while position < len(query):
        match = TOKEN.match(query, position)
        if not match:
            raise NotPortable(f"unexpected {query[position : position + 20]!r}")
        if match.lastgroup != "space":
            found.append(Token(match.lastgroup or "", match.group()))
        position = match.end()
    return found


def check(query: str) -> None:
    """Raise `NotPortable` for anything outside the subset."""
    parts = tokens(query)
    for index, part in enumerate(parts):
        following = parts[index + 1].text if index + 1 < len(parts) else ""
        if part.kind == "word":
            known = FUNCTIONS if following == "(" and part.text.lower() not in KEYWORDS else KEYWORDS | {"time"}
            if part.text.lower() not in known:
                raise NotPortable(f"{part.text!r} is not part of the subset")
        if part.kind == "regex":
            for variable in re.findall(r"\$[A-Za-z_]+", part.text):
                _check_variable(variable)
        if part.kind == "variable":
            _check_variable(part.text)
        if part.text == "*" and index and parts[index - 1].text.lower() in ("select", "("):
            raise NotPortable("SELECT * is not part of the subset")
        if (part.kind == "name" and following == ".") or part.text == ";":
            raise NotPortable("one statement, and no database in front of a measurement")


def _check_variable(name: str) -> None:
    if name not in VARIABLES:
        raise NotPortable(f"{name} is no variable of the dashboards")


def sources(query: str) -> set[str]:
    """The measurements a query reads."""
    parts = tokens(query)
    return {
        _unquoted(part.text)
        for before, part in pairwise(parts)
        if part.kind == "name" and before.text.lower() == "from"
    }


def names(query: str) -> set[str]:
    """The fields and tags of a query: every quoted name except measurements and what a sub-query defines by AS."""
    scopes: list[_Scope] = [_Scope()]
    found: set[str] = set()
    for before, part, after in _triples(tokens(query)):
        if part.text == "(":
            scopes.append(_Scope(query=after.text.lower() == "select"))
        elif part.text == ")":
            closed = scopes.pop()
            if closed.query:
                found |= closed.real()
                scopes[-1].offered |= closed.made
            else:
                scopes[-1].take(closed)
        elif part.kind == "name":
            word = before.text.lower()
            target = scopes[-1].made if word == "as" else scopes[-1].read if word != "from" else set()
            target.add(_unquoted(part.text))
    return found | scopes[0].real()


class _Scope:
    """A query, or a pair of parentheses in one."""

    def __init__(self, *, query: bool = True) -> None:
        self.query = query
        self.read: set[str] = set()
        self.made: set[str] = set()
        self.offered: set[str] = set()
        """The names that its sub-queries define."""

    def take(self, inner: "_Scope") -> None:
        self.read |= inner.read
        self.made |= inner.made
        self.offered |= inner.offered

    def real(self) -> set[str]:
        return self.read - self.offered


def _triples(parts: list[Token]) -> Iterator[tuple[Token, Token, Token]]:
    nothing = Token("", "")
    return zip([nothing, *parts], parts, [*parts[1:], nothing], strict=False)


def _unquoted(text: str) -> str:
    return text.strip('"')
