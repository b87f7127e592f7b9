"""What leaves a shard: rows, dead letters, changed alerts and errors, as one value."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from agent.log import DeadLetter
from agent.points.measurements import MEASUREMENTS
from agent.points.rows import Rows, empty_rows
from agent.shard.rollup import RollUpPart


class InternalError(NamedTuple):
    """An error of this program."""

    what: str
    """What was being worked on."""
    error: BaseException


class Point(NamedTuple):
    """A row with its names: what a time series store calls a point."""

    measurement: str
    tags: dict[str, str]
    time_ms: int
    fields: dict[str, Any]
    """The fields that are known; `docs/measurements.md` has their units."""


class ShardOutput:
    """What a shard made of some messages."""

    __slots__ = ("alerting", "dead_letters", "error", "roll_ups", "row_count", "rows")

    def __init__(self) -> None:
        self.rows: Rows = empty_rows()
        """By measurement, in the form that stores take."""
        self.row_count = 0
        self.dead_letters: list[DeadLetter] = []
        """The messages that could not be used, each with its reason."""
        self.roll_ups: list[RollUpPart] = []
        """What the shard says of each depot at each full minute, if it is one of several."""
        self.alerting: dict[str, None] = {}
        """The vans whose alerts changed, in order; `Shard.active_alerts` has the alerts."""
        self.error: InternalError | None = None
        """The first error of this program that was met; `ShardCounters.internal_errors` counts all of them."""

    def add(self, later: "ShardOutput") -> None:
        """Append the output of the messages that follow."""
        if later.row_count:
            rows = self.rows
            for measurement, more in later.rows.items():
                if more:
                    rows[measurement] += more
            self.row_count += later.row_count
        self.dead_letters += later.dead_letters
        self.roll_ups += later.roll_ups
        self.alerting |= later.alerting
        self.error = self.error or later.error

    def take_rows(self) -> tuple[Rows, int]:
        """The rows, and how many; they leave the output."""
        taken = self.rows, self.row_count
        self.rows, self.row_count = empty_rows(), 0
        return taken

    def take_dead_letters(self) -> list[DeadLetter]:
        """The dead letters; they leave the output."""
        taken, self.dead_letters = self.dead_letters, []
        return taken

    def take_roll_ups(self) -> list[RollUpPart]:
        """The parts of roll-ups; they leave the output."""
        taken, self.roll_ups = self.roll_ups, []
        return taken

    def points(self) -> Iterator[Point]:
        """The rows with the names of their tags and fields."""
        for measurement, rows in self.rows.items():
            names = MEASUREMENTS[measurement].field_names
            for series, time_ms, *values in rows:
                known = {name: value for name, value in zip(names, values, strict=True) if value is not None}
                yield Point(measurement, dict(series.tags()), time_ms, known)
