"""What a store is: takes rows, confirms them, and lets them be read again."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, Protocol

from agent.points.rows import Rows

SERIES_KEPT: Final = 262_144
"""A store's cache by series is emptied when it has so many, some 60 MB, since vans come and go."""


class RejectedRow(NamedTuple):
    """One row that the store will never take, with its own words."""

    measurement: str
    line: str
    detail: str
    vehicle_id: str = ""
    """The van that it is about; empty for none."""


class Store(Protocol):
    """The writing side. Writing the same rows twice leaves the store as if once."""

    async def open(self) -> None:
        """Make ready to write; returns also when the store is unreachable, since it may come later.

        Raises `SettingsError` when what is there can never be used.
        """
        ...

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Return when the rows are durable; the rows refused for good are returned, everything else is stored.

        Raises `StoreUnavailable` or `StoreMisconfigured`; the caller then tries the same rows again.
        """
        ...

    async def check(self) -> None:
        """Raise `StoreUnavailable` or `StoreMisconfigured` if a write would fail now."""
        ...

    async def close(self) -> None:
        """Release what `open` took."""
        ...


class History(Protocol):
    """The reading side, for exports and pages: one measurement at a time, never a lock on the writer."""

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Points in order of time, each {"time_ms": …, tags…, fields…}; absent fields are left out.

        `start_ms` is included, `end_ms` is not. `latest` gives only the newest point of each series.
        """
        ...

    def close(self) -> None:
        """Release the connection."""
        ...
