"""The interfaces of a store: `Store` writes rows, `History` reads points."""

from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple, Protocol

from agent.points.rows import Rows

SERIES_KEPT: Final = 262_144
"""A store's cache by series is cleared at this size, some 60 MB, since the series of vans that left stay in it."""


class RejectedRow(NamedTuple):
    """A row that the store refused for good, with the store's message."""

    measurement: str
    line: str
    detail: str
    vehicle_id: str = ""
    """The van of the row; empty for none."""


class Store(Protocol):
    """The writing side. It is idempotent: writing the same rows twice gives the same result as writing them once."""

    async def open(self) -> None:
        """Prepare for writing. An unreachable store is no error here, since it may come back.

        Raises `SettingsError` if the store can never be used.
        """
        ...

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Return when the rows are durable. Returns the rows that were refused for good; all others are stored.

        Raises `StoreUnavailable` or `StoreMisconfigured`. The caller then writes the same rows again.
        """
        ...

    async def check(self) -> None:
        """Raise `StoreUnavailable` or `StoreMisconfigured` if a write would fail now."""
        ...

    async def close(self) -> None:
        """Release the resources of `open`."""
        ...


class History(Protocol):
    """The reading side, for exports and pages: one measurement at a time, without blocking the writer."""

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | Collection[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Points in order of time, each {"time_ms": …, tags…, fields…} without absent fields.

        `vehicle_id` is one van, several vans, or None for all. `start_ms` is included, `end_ms` is not. With `latest`,
        only the newest point of each series.
        """
        ...

    def vehicle_ids(
        self, *, depot: str | None = None, containing: str = "", offset: int = 0, limit: int = 1000
    ) -> list[str]:
        """Vans in order of their names, from the `offset`-th on; those of one depot, or whose name holds a text.

        The case of letters does not matter for the text.
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...
