"""Patterns of topics with named levels: `acme/{vehicle_id}/status`.

`{vehicle_id}` is the level that names the van, `{user}` the level to which the broker ties the rights of the sender.
Other names, and `+`, stand for any level. `#` at the end stands for any further levels.
"""

import re
from typing import Final, NamedTuple

VAN: Final = "vehicle_id"
USER: Final = "user"
LONGEST_PATTERN: Final = 256

_NAMED: Final = re.compile(r"\{([a-z][a-z0-9_]{0,31})\}")


class TopicPattern(NamedTuple):
    """A pattern as it was written, the filter to subscribe to, and what finds its named levels."""

    text: str
    topic_filter: str
    expression: re.Pattern[str]

    @property
    def names(self) -> frozenset[str]:
        """The names of its levels."""
        return frozenset(self.expression.groupindex)

    def match(self, topic: str) -> dict[str, str] | None:
        """The named levels of a topic; None if the topic does not fit. Topics with `$` are the broker's or our own."""
        found = None if topic.startswith("$") else self.expression.fullmatch(topic)
        return found.groupdict() if found else None


def parse_topic(text: str) -> TopicPattern:
    """Read a pattern. Raises `ValueError` that names the level."""
    if not text or len(text) > LONGEST_PATTERN or "\x00" in text:
        raise ValueError(f"a topic has 1 to {LONGEST_PATTERN} characters")
    if text.startswith("$"):
        raise ValueError("a topic that begins with $ is the broker's own")
    levels = text.split("/")
    seen: set[str] = set()
    parts: list[str] = []
    filters: list[str] = []
    for place, level in enumerate(levels):
        named = _NAMED.fullmatch(level)
        if level == "#":
            if place != len(levels) - 1 or place == 0:
                raise ValueError("# stands for further levels and has to be the last of several")
            parts.append("(?:/.*)?")
            filters.append("#")
            break
        if named and named[1] in seen:
            raise ValueError(f"level {level} occurs twice")
        if not named and re.search(r"[+#{}]", level) and level != "+":
            raise ValueError(f"level {level!r} has to be a whole name in braces, +, or plain text")
        seen.add(named[1] if named else "")
        part = f"(?P<{named[1]}>[^/]+)" if named else "[^/]*" if level == "+" else re.escape(level)
        parts.append(f"/{part}" if place else part)
        filters.append("+" if named else level)
    return TopicPattern(text, "/".join(filters), re.compile("".join(parts), re.DOTALL))


def overlap(one: str, other: str) -> bool:
    """Whether a topic exists that both topic filters match."""
    first, second = one.split("/"), other.split("/")
    for left, right in zip(first, second, strict=False):
        if "#" in (left, right):
            return True
        if left != right and "+" not in (left, right):
            return False
    longer = first[len(second) :] or second[len(first) :]
    return not longer or longer == ["#"]
