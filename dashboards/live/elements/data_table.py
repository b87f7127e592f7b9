"""A sortable, searchable table whose rows are patched by key."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from nicegui.element import Element

ColumnType = Literal["text", "message", "link", "number", "soc", "state", "severity", "verdict", "time", "age", "span"]
DataRow = list[Any]
"""A row: [key, value, value, …], with the values in the order of the columns."""


class DataColumn(NamedTuple):
    """A column: its label, its unit and its format."""

    label: str
    type: ColumnType = "text"
    unit: str = ""
    digits: int = 0
    hide: Literal["", "phone", "tablet"] = ""
    help: str = ""

    def shown(self, value: Any) -> Any:
        """The value as the column shows it. Rounding here avoids sending changes that are not visible."""
        return round(value, self.digits) if isinstance(value, float) and self.type in ("number", "soc") else value


class DataTable(Element, component="data_table.js"):
    """A table that sends all rows once and then only changed rows."""

    def __init__(
        self,
        columns: Sequence[DataColumn],
        rows: list[DataRow],
        *,
        title: str = "",
        nothing: str = "Nothing yet.",
        searchable: bool = False,
        placeholder: str = "Search",
        sort: tuple[int, int] = (0, 1),
        link: str = "/van/{}",
        broadcast: bool = False,
        page: int = 250,
    ) -> None:
        super().__init__()
        self._columns = columns
        rows = self._shown(rows)
        self._props["columns"] = [column._asdict() for column in columns]
        self._props["rows"] = rows
        self._props["title"] = title
        self._props["nothing"] = nothing
        self._props["searchable"] = searchable
        self._props["placeholder"] = placeholder
        self._props["sort"] = list(sort)
        self._props["link"] = link
        self._props["broadcast"] = broadcast
        self._props["page"] = page
        self._sent: list[DataRow] = rows

    def patch(self, rows: list[DataRow]) -> None:
        """Send changed and new rows."""
        if rows:
            self.run_method("patch", self._shown(rows))

    def replace(self, rows: list[DataRow]) -> None:
        """Send all rows if they differ from those in the browser."""
        rows = self._shown(rows)
        if rows != self._sent:
            self._sent = rows
            self.run_method("replace", rows)

    def _shown(self, rows: list[DataRow]) -> list[DataRow]:
        return [
            [key, *(column.shown(value) for column, value in zip(self._columns, values, strict=True))]
            for key, *values in rows
        ]
