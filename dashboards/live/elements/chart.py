"""A chart of lines over time or bars over hours."""

from typing import Any, Literal, NamedTuple

from nicegui.element import Element
from nicegui.elements import echart as _echart  # noqa: F401  # registers the bundled library the element imports


class ChartSeries(NamedTuple):
    """One line or one series of bars. `data` is [[ms, value], …]; an unknown value is None."""

    name: str
    color: str
    """The name of a colour in the style sheet."""
    data: list[Any]
    type: Literal["line", "bar"] = "line"
    area: bool = False
    stack: str | None = None
    dashed: bool = False
    step: bool = False


class Chart(Element, component="chart.js"):
    """A chart with a title and a unit."""

    def __init__(
        self,
        title: str,
        unit: str,
        series: list[ChartSeries],
        *,
        note: str = "",
        digits: int = 1,
        low: float | None = None,
        high: float | None = None,
        bar_ms: int = 3_600_000,
    ) -> None:
        super().__init__()
        self._sent = [one._asdict() for one in series]
        self._props["title"] = title
        self._props["unit"] = unit
        self._props["note"] = note
        self._props["digits"] = digits
        self._props["series"] = self._sent
        self._props["bar-ms"] = bar_ms
        if low is not None:
            self._props["low"] = low
        if high is not None:
            self._props["high"] = high

    def set(self, series: list[ChartSeries]) -> None:
        """Send the data if it has changed."""
        wanted = [one._asdict() for one in series]
        if wanted != self._sent:
            self._sent = wanted
            self.run_method("set", wanted)
