"""Parses `store.url` of the form `influxdb://HOST:8086?org=O&bucket=B`."""

from typing import NamedTuple, Self
from urllib.parse import parse_qs, urlencode, urlsplit

from agent.errors import SettingsError


class InfluxAddress(NamedTuple):
    """The server and the bucket."""

    base: str
    """`http://host:port`, and a path when the server is behind one."""
    host: str
    org: str
    bucket: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Raises `SettingsError` unless the URL is `influxdb://` or `influxdbs://` (TLS) with a bucket."""
        if "@" in url:
            raise SettingsError("store.url: user and password do not belong into the address; set store.token")
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port or 8086
            query = parse_qs(parts.query, strict_parsing=bool(parts.query))
        except ValueError as error:
            raise SettingsError(f"store.url = {url!r}: {error}") from error
        if parts.scheme not in {"influxdb", "influxdbs"} or not host:
            raise SettingsError(f"store.url = {url!r}: expected influxdb://HOST:8086?org=O&bucket=B")
        unknown = sorted(query.keys() - {"org", "bucket"})
        if unknown:
            raise SettingsError(f"store.url = {url!r}: unknown parameter {unknown[0]!r}; known are org and bucket")
        if "bucket" not in query:
            raise SettingsError(f"store.url = {url!r}: the bucket is missing: influxdb://HOST:8086?org=O&bucket=B")
        scheme = "https" if parts.scheme == "influxdbs" else "http"
        netloc = f"[{host}]" if ":" in host else host
        base = f"{scheme}://{netloc}:{port}{parts.path.rstrip('/')}"
        return cls(base, host, query.get("org", [""])[-1], query["bucket"][-1])

    @property
    def database(self) -> tuple[str, str]:
        """Database and retention policy for InfluxQL; the policy is empty where the database's default holds.

        InfluxDB 1.8 reads the bucket of a write as `DATABASE/POLICY`, so queries have to do the same.
        """
        database, _, policy = self.bucket.partition("/")
        return database, policy

    @property
    def write_url(self) -> str:
        """Where lines are posted. The precision is always given, because the servers' defaults differ."""
        query = {"org": self.org, "bucket": self.bucket, "precision": "ms"}
        return f"{self.base}/api/v2/write?{urlencode(query)}"

    @property
    def is_local(self) -> bool:
        """Whether the server is on this machine."""
        return self.host in {"127.0.0.1", "::1", "localhost"}
