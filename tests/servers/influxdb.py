"""A real InfluxDB 1.6.7 for tests, and before it what turns `/api/v2/write` into its `/write`.

Debian's package has the InfluxQL engine but no v2 interface. The front end adds it with the semantics of InfluxDB 2.9
(a malformed line refuses the whole request; conflicts and retention are 422), checks lines with a parser of its own,
and breaks on command: see `FrontEnd.fail`.
"""

import asyncio
import contextlib
import io
import json
import re
import shutil
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import aiohttp
from aiohttp import web

from agent.commands.ports import free_port

MISSING = "influxd is not installed: apt-get install influxdb"


class InfluxServer:
    """`influxd` 1.6.7 with a fresh folder on a free loopback port; `data_settings` are further lines of `[data]`."""

    def __init__(self, data_settings: str = "") -> None:
        self._data_settings = data_settings
        self.folder = Path(tempfile.mkdtemp(prefix="influxd-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("influxd") is not None

    def start(self) -> Self:
        config = self.folder / "influxdb.conf"
        config.write_text(
            f"""
reporting-enabled = false
bind-address = "127.0.0.1:{free_port()}"
[meta]
dir = "{self.folder}/meta"
[data]
dir = "{self.folder}/data"
wal-dir = "{self.folder}/wal"
query-log-enabled = false
{self._data_settings}
[http]
bind-address = "127.0.0.1:{self.port}"
log-enabled = false
[monitor]
store-enabled = false
"""
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(["influxd", "-config", str(config)], stdout=log, stderr=log)
        deadline = time.monotonic() + 30
        while True:
            try:
                with urlopen(f"{self.url}/ping", timeout=5):
                    return self
            except (URLError, OSError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    def create_database(self, name: str, *, duration: str = "INF") -> None:
        self.query(f'CREATE DATABASE "{name}" WITH DURATION {duration} REPLICATION 1')

    def query(self, query: str, database: str = "") -> list[dict[str, Any]]:
        """The series of an InfluxQL query, times in ms."""
        body = urlencode({"q": query, "db": database, "epoch": "ms"}).encode()
        with urlopen(Request(f"{self.url}/query", data=body), timeout=60) as answer:
            results = json.load(answer)["results"]
        assert "error" not in results[0], results[0]
        series: list[dict[str, Any]] = results[0].get("series", [])
        return series

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def influx_server() -> Iterator[InfluxServer]:
    server = InfluxServer()
    try:
        yield server.start()
    finally:
        server.stop()


FaultKind = Literal["hang", "delay", "answer", "lost", "close"]


@dataclass
class Fault:
    """What goes wrong with one request.

    hang: no answer until the front end stops · delay: `seconds` late · answer: `status`, `headers`, `body` instead of
    the database's · lost: the database takes it, the answer is never sent · close: the connection ends, nothing taken
    """

    kind: FaultKind
    status: int = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: float = 0.0


Semantics = Literal["2.9", "1.8", "3 core", "victoria"]


@dataclass
class FrontEnd:
    """`/api/v2/write`, `/query`, `/health` and `/ping` before an InfluxDB 1.6.7.

    `refuses` names lines that count as malformed; `max_lines` and `max_bytes` answer 413; `write_tokens` None means no
    check. `taken` are the line counts of the requests that the database has taken whole, `answers` all statuses.
    """

    server: InfluxServer
    semantics: Semantics = "2.9"
    write_tokens: set[str] | None = None
    read_tokens: set[str] = field(default_factory=set)
    refuses: Callable[[str], bool] | None = None
    refusal_status: int = 400
    max_lines: int | None = None
    max_bytes: int = 25_000_000
    port: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    always: Fault | None = None
    answers: list[int] = field(default_factory=list)
    taken: list[int] = field(default_factory=list)
    _runner: web.AppRunner | None = None
    _session: aiohttp.ClientSession | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=1 << 30)
        application.router.add_post("/api/v2/write", self._write)
        application.router.add_route("*", "/query", self._query)
        application.router.add_get("/health", self._health)
        application.router.add_get("/ping", self._ping)
        self._session = aiohttp.ClientSession()
        self._runner = web.AppRunner(application, shutdown_timeout=1, access_log=None)
        await self._runner.setup()
        self.port = self.port or free_port()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stopping.set()
        assert self._runner is not None
        assert self._session is not None
        await self._runner.cleanup()
        await self._session.close()

    def store_url(self, bucket: str, *, org: str = "test") -> str:
        return f"influxdb://127.0.0.1:{self.port}?org={org}&bucket={bucket}"

    def fail(self, kind: FaultKind, *, times: int = 1, **options: Any) -> None:
        """The next `times` writes go wrong in this way."""
        self.faults.extend(Fault(kind, **options) for _ in range(times))

    async def _health(self, _: web.Request) -> web.Response:
        return web.json_response({"name": "influxdb", "status": "pass", "version": "v2.9.1"})

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.9.1"})

    def _denied(self, request: web.Request, *, write: bool) -> web.Response | None:
        if self.write_tokens is None:
            return None
        token = request.headers.get("Authorization", "").removeprefix("Token ").removeprefix("Bearer ")
        if token in self.write_tokens:
            return None
        if token in self.read_tokens:
            return _error(403, "forbidden", "insufficient permissions for write") if write else None
        return _error(401, "unauthorized", "unauthorized access")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        denied = self._denied(request, write=False)
        if denied is not None:
            return denied
        assert self._session is not None
        parameters = {**request.query, **(await request.post())}
        async with self._session.get(f"{self.server.url}/query", params=parameters) as answer:
            response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
            await response.prepare(request)
            with contextlib.suppress(ConnectionResetError):  # a reader that has seen enough
                async for chunk in answer.content.iter_any():
                    await response.write(chunk)
                await response.write_eof()
            return response

    async def _write(self, request: web.Request) -> web.StreamResponse:
        fault = self.faults.popleft() if self.faults else self.always
        body = await request.read()
        if fault is None:
            response = await self._store(request, body)
        else:
            response = await self._store_badly(request, body, fault)
        self.answers.append(response.status)
        return response

    async def _store_badly(self, request: web.Request, body: bytes, fault: Fault) -> web.StreamResponse:
        match fault.kind:
            case "hang":
                await self._stopping.wait()
                return web.Response(status=503)
            case "delay":
                await asyncio.sleep(fault.seconds)
                return await self._store(request, body)
            case "answer":
                return web.Response(status=fault.status, headers=fault.headers, text=fault.body)
            case "lost":
                await self._store(request, body)
        if request.transport is not None:  # else the client has gone first
            request.transport.abort()
        return web.Response(status=499)

    async def _store(self, request: web.Request, body: bytes) -> web.Response:
        denied = self._denied(request, write=True)
        if denied is not None:
            return denied
        precision = {"ns": "n", "us": "u", "ms": "ms", "s": "s"}.get(request.query.get("precision", "ns"))
        if precision is None:
            return _error(400, "invalid", "precision must be one of: ns us ms s")
        bucket = request.query.get("bucket", "")
        if len(body) > self.max_bytes:
            return _error(413, "request too large", "request body too large")
        if not body and not self._exists(bucket):
            return _error(404, "not found", f'bucket "{bucket}" not found')
        lines = split_lines(body.decode())
        if self.max_lines is not None and len(lines) > self.max_lines:
            return _error(413, "request too large", "too many lines")
        bad = [line for line in lines if not is_well_formed(line) or (self.refuses and self.refuses(line))]
        refused = set(bad)
        good = [line for line in lines if line not in refused]
        if bad and self.semantics in {"2.9", "3 core"} and self.refusal_status == 400:
            return _error(400, "invalid", f"unable to parse '{bad[0]}': refused by the test")
        return await self._forward(bucket, precision, good, bad)

    def _exists(self, bucket: str) -> bool:
        names = self.server.query("SHOW DATABASES")[0].get("values", [])
        return [bucket.split("/")[0]] in names

    async def _forward(self, bucket: str, precision: str, good: list[str], bad: list[str]) -> web.Response:
        database, _, policy = bucket.partition("/")
        parameters = {"db": database, "precision": precision} | ({"rp": policy} if policy else {})
        assert self._session is not None
        async with self._session.post(
            f"{self.server.url}/write", params=parameters, data=io.BytesIO("\n".join(good).encode())
        ) as answer:
            status, text = answer.status, await answer.text()
        if status == 204:
            self.taken.append(len(good))
        if self.semantics == "victoria" and status in {204, 400}:
            return web.Response(status=204)
        if status == 404:
            return _error(404, "not found", f'bucket "{bucket}" not found')
        if status == 400 and "partial write" in text and self.semantics == "2.9":
            return _error(422, "unprocessable entity", f"failure writing points to database: {text}")
        if status == 204 and bad:
            return _error(self.refusal_status, "unprocessable entity", f"partial write: dropped={len(bad)}")
        return web.Response(status=status, text=None if status == 204 else text)


def _error(status: int, code: str, message: str) -> web.Response:
    return web.json_response({"code": code, "message": message}, status=status)


_NAME = r"(?:\\.|[^,= \n\\]|\\(?=[^,= \n]))+"
_NUMBER = r"[-+]?\d+i|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_VALUE = rf'(?:{_NUMBER}|t|T|true|True|TRUE|f|F|false|False|FALSE|"(?:\\.|[^"\\])*")'
LINE = re.compile(rf"{_NAME}(?:,{_NAME}={_NAME})* {_NAME}={_VALUE}(?:,{_NAME}={_VALUE})*(?: -?\d+)?", re.DOTALL)
"""Line protocol as its documentation describes it; shares nothing with the agent's serializer."""


@lru_cache(maxsize=1 << 16)
def is_well_formed(line: str) -> bool:
    """Whether a server would understand the line; remembered, since looking for bad lines sends good ones often."""
    return LINE.fullmatch(line) is not None


_KEY_AND_FIELDS = re.compile(r'(?:\\.|[^\\ \n]|\\(?=\n))+ (?:"(?:\\.|[^"\\])*"|[^"\n])*|[^\n]+', re.DOTALL)


def split_lines(body: str) -> list[str]:
    """Lines of a body; a line break inside a quoted text ends none, and a quote in a tag opens no text."""
    return [line for line in _KEY_AND_FIELDS.findall(body) if line.strip()]
