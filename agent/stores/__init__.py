"""Stores of points: the SQLite history file or InfluxDB, chosen by `store.url`."""

import os
from pathlib import Path

from agent.errors import SettingsError
from agent.stores.base import History, RejectedRow, Store
from agent.stores.influxdb import InfluxStore
from agent.stores.influxdb_history import InfluxHistory
from agent.stores.sqlite import SqliteStore
from agent.stores.sqlite_history import SqliteHistory

__all__ = ["History", "RejectedRow", "Store", "make_history", "make_store", "sqlite_path"]


def make_store(
    url: str,
    *,
    token: str = "",
    batch_points: int = 5000,
    keep_days: float | None = None,
    hot_days: int | None = None,
    timeout_s: float = 30.0,
) -> Store:
    """The writing side of `store.url`. Raises `SettingsError` for an address of no known form."""
    if url.startswith("sqlite:"):
        return SqliteStore(sqlite_path(url), keep_days=keep_days, hot_days=hot_days)
    if keep_days is not None:
        raise SettingsError("store.keep_days is for SQLite only: set the retention of the InfluxDB bucket instead")
    return InfluxStore(url, token=token, batch_points=batch_points, timeout_s=timeout_s)


def make_history(url: str, *, token: str = "") -> History:
    """The reading side of `store.url`."""
    if url.startswith("sqlite:"):
        return SqliteHistory(sqlite_path(url))
    return InfluxHistory(url, token=token)


def sqlite_path(url: str) -> Path:
    """The file of `sqlite:///relative.db` or `sqlite:////absolute.db`."""
    prefix = "sqlite:///"
    path = url.removeprefix(prefix)
    if not url.startswith(prefix) or not path or path.endswith("/"):
        shown = "" if "@" in url else f" = {url!r}"  # somebody may have put a password there
        raise SettingsError(f"store.url{shown}: expected sqlite:///history.db or sqlite:////var/lib/history.db")
    if os.path.isdir(path):  # noqa: PTH112  # pathlib's raises where it may not look
        raise SettingsError(f"store.url = {url!r}: this is a directory; name a file in it")
    return Path(path)
