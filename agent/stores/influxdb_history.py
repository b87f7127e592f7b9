"""Reads points from InfluxDB with InfluxQL, the query language that 1.x, 2.x and 3 Core have in common."""

import http.client
import json
import re
from collections.abc import Collection, Iterator
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.measurements import MEASUREMENTS, Measurement
from agent.stores.influxdb_address import InfluxAddress

_CHUNK_POINTS: Final = 5000


class InfluxHistory:
    """Streams one measurement at a time; implements `History`. In InfluxQL the bucket is the database of that name."""

    def __init__(self, url: str, *, token: str = "", timeout_s: float = 60.0) -> None:
        self.address = InfluxAddress.parse(url)
        self._headers = {"Authorization": f"Token {token}"} if token else {}
        self._timeout_s = timeout_s

    def select(
        self,
        measurement: str,
        *,
        vehicle_id: str | Collection[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        latest: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """See `History.select`."""
        described = MEASUREMENTS[measurement]
        columns = described.field_names if latest else (*described.tags, *described.field_names)
        conditions = [
            *([_of_vans(vehicle_id)] if vehicle_id is not None else []),
            *([f"time >= {start_ms}ms"] if start_ms is not None else []),
            *([f"time < {end_ms}ms"] if end_ms is not None else []),
        ]
        query = "SELECT " + ", ".join(f'"{name}"' for name in columns) + f' FROM "{measurement}"'  # noqa: S608
        if conditions:
            query += " WHERE " + " AND ".join(conditions)
        if latest:
            if described.tags:
                query += " GROUP BY " + ", ".join(f'"{tag}"' for tag in described.tags)
            points = list(self._points(described, f"{query} ORDER BY time DESC LIMIT 1"))
            yield from sorted(points, key=lambda point: int(point["time_ms"]))
        else:
            yield from self._points(described, f"{query} ORDER BY time ASC")

    def vehicle_ids(
        self, *, depot: str | None = None, containing: str = "", offset: int = 0, limit: int = 1000
    ) -> list[str]:
        """See `History.vehicle_ids`. A van that has changed its depot is found in both."""
        conditions = [
            *([f"\"depot\" = '{_escape(depot)}'"] if depot is not None else []),
            *([f'"vehicle_id" =~ /(?i){_pattern(containing)}/'] if containing else []),
        ]
        query = 'SHOW TAG VALUES FROM "energy" WITH KEY = "vehicle_id"'
        if conditions:
            query += " WHERE " + " AND ".join(conditions)
        found = self.query(f"{query} LIMIT {limit} OFFSET {offset}")
        return [value for series in found for _, value in series["values"]]

    def _points(self, measurement: Measurement, query: str) -> Iterator[dict[str, Any]]:
        floats = {field.name for field in measurement.fields if field.type == "float"}
        for series in self.query(query):
            tags = {name: text for name, text in series.get("tags", {}).items() if text}
            names = series["columns"]
            for values in series["values"]:
                point: dict[str, Any] = {"time_ms": values[0], **tags}
                for name, value in zip(names[1:], values[1:], strict=True):
                    if value is not None and value != "":
                        # JSON does not tell 80.0 from 80.
                        point[name] = float(value) if name in floats else value
                yield point

    def query(self, query: str) -> Iterator[dict[str, Any]]:
        """Yields the series of an InfluxQL query as they arrive; times in milliseconds."""
        database, policy = self.address.database
        parameters = {
            "db": database,
            **({"rp": policy} if policy else {}),
            "epoch": "ms",
            "q": query,
            "chunked": "true",
            "chunk_size": _CHUNK_POINTS,
        }
        request = Request(f"{self.address.base}/query?{urlencode(parameters)}", headers=self._headers)  # noqa: S310
        try:
            with urlopen(request, timeout=self._timeout_s) as answer:  # noqa: S310  # http or https by construction
                for line in answer:
                    if line.strip():
                        yield from _series(json.loads(line))
        except HTTPError as error:
            detail = f"{self.address.base} answered {error.code}: {error.read(300).decode('utf-8', 'replace').strip()}"
            kind = StoreMisconfigured if error.code in {400, 401, 403, 404, 405} else StoreUnavailable
            raise kind(detail) from error
        except (URLError, OSError, http.client.HTTPException, json.JSONDecodeError) as error:
            reason = getattr(error, "reason", error)
            raise StoreUnavailable(f"{self.address.base}: {getattr(reason, 'strerror', None) or reason}") from error

    def close(self) -> None:
        """Nothing to release: no connection stays open between queries."""


def _series(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    if "error" in document:
        raise StoreMisconfigured(f"InfluxDB says: {document['error']}")
    for result in document.get("results", ()):
        if "error" in result:
            raise StoreMisconfigured(f"InfluxDB says: {result['error']}")
        yield from result.get("series", ())


def _of_vans(vehicle_id: str | Collection[str]) -> str:
    """The condition that a point is of one of these vans."""
    if isinstance(vehicle_id, str):
        return f"\"vehicle_id\" = '{_escape(vehicle_id)}'"
    names = "|".join(_pattern(name) for name in vehicle_id)
    return f'"vehicle_id" =~ /^({names})$/'


def _pattern(text: str) -> str:
    """The text as part of a regular expression between slashes."""
    return re.escape(text).replace("/", "\\/")


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
