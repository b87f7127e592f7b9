"""InfluxDB, and whatever else takes line protocol at `/api/v2/write`: 1.8 and later, 2.x, 3 Core, VictoriaMetrics.

What an answer means is decided in `_classify`, and only there:

    200, 201, 204            stored
    400, 422 with "beyond retention policy dropped=N"
                             the N oldest lines are older than the bucket keeps: returned as rejected, the rest stored
    400, 406, 422            some line is bad: found by halving, returned as rejected, everything else stored
    413                      too much at once: halved, and the smaller size remembered
    408, 429, 5xx, no answer the same lines again later (`StoreUnavailable`)
    everything else          address, token, rights or bucket are wrong (`StoreMisconfigured`): nothing is given up
"""

import asyncio
import re
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, NamedTuple

import aiohttp

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.rows import Rows
from agent.stores.base import RejectedRow
from agent.stores.influxdb_address import InfluxAddress
from agent.stores.line_protocol import LineWriter, measurement_of, time_of, vehicle_of

MAX_REFUSALS: Final = 64
"""Lines of one write, or of one measurement in a row, that may be refused before it is taken for a wrong set-up."""
_RETRY_AFTER_LIMIT_S: Final = 60.0
_HALVE_AFTER_ERRORS: Final = 3
_ANSWER_BYTES: Final = 1 << 16
WITNESS_S: Final = 1800.0
"""For how long a line that was taken bears witness: no retention is shorter than an hour."""
_BEYOND_RETENTION: Final = re.compile(r"beyond retention policy dropped=(\d+)")
_GZIP: Final = 31
"""zlib's window bits for a gzip header."""


class _Verdict(Enum):
    STORED = "stored"
    REFUSED = "refused"
    AGED = "older than the bucket keeps"
    TOO_LARGE = "too large"


class _Witness(NamedTuple):
    """A line that this server has taken, and when."""

    line: str
    stored_s: float


class _Rejected(NamedTuple):
    """What one write has found out: lines refused one by one, and lines older than the bucket keeps."""

    refused: list[RejectedRow]
    aged: list[RejectedRow]


class _Answer(NamedTuple):
    verdict: _Verdict
    text: str


class InfluxStore:
    """Writes lines; one call of `write` is one attempt, which the caller repeats for as long as it takes.

    Lines are compressed unless the server is on this machine; `compress` decides otherwise.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        batch_points: int = 5000,
        timeout_s: float = 30.0,
        compress: bool | None = None,
        max_refusals: int = MAX_REFUSALS,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = InfluxAddress.parse(url)
        self._compress = not self.address.is_local if compress is None else compress
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token:
            self._headers["Authorization"] = f"Token {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._max_refusals = max_refusals
        self._largest = batch_points
        self._size = batch_points
        self._server_errors = 0
        self._writer = LineWriter()
        self._clock_s = clock_s
        self._known_good: dict[str, _Witness] = {}
        self._refused_in_a_row: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None
        self.requests = 0
        self.bisections = 0

    async def open(self) -> None:
        """Make ready; nothing is sent."""
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Post the rows; see `Store.write`."""
        return await self.write_lines(await asyncio.to_thread(self._writer.lines, rows))

    async def write_lines(self, lines: list[str]) -> list[RejectedRow]:
        """Post lines that are made already, in requests of bounded size, one after the other."""
        rejected = _Rejected([], [])
        start = 0
        while start < len(lines):
            part = lines[start : start + self._size]
            answer = await self._send(part)
            if answer.verdict is not _Verdict.STORED:
                await self._separate(part, answer, rejected)
            start += len(part)
        return [*rejected.refused, *rejected.aged]

    async def check(self) -> None:
        """Post nothing: address, token, rights and bucket are looked at before the empty body is."""
        await self._send([])

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # -- one request

    async def _send(self, lines: list[str]) -> _Answer:
        if self._session is None:
            raise StoreUnavailable("the store is not open")
        headers = self._headers
        body: bytes = await asyncio.to_thread(_encode, lines, compress=self._compress)
        if self._compress:
            headers = {**headers, "Content-Encoding": "gzip"}
        self.requests += 1
        try:
            async with self._session.post(
                self.address.write_url, data=body, headers=headers, allow_redirects=False
            ) as response:
                answer = await self._classify(response)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
            raise StoreMisconfigured(f"{self.address.base}: {error}") from error
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.address.base} did not answer in {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{self.address.base}: {str(error) or type(error).__name__}") from error
        if answer.verdict is _Verdict.STORED and lines:
            self._note_stored(lines)
        return answer

    async def _classify(self, response: aiohttp.ClientResponse) -> _Answer:
        status = response.status
        text = (await _beginning(response)).strip()
        detail = f"{self.address.base} answered {status}: {text[:300] or response.reason}"
        of_a_database = "html" not in response.headers.get("Content-Type", "")
        if status == 204 or (status in {200, 201} and of_a_database):
            return _Answer(_Verdict.STORED, text)
        if status == 413:
            return _Answer(_Verdict.TOO_LARGE, text)
        if status in {400, 422} and _BEYOND_RETENTION.search(text):
            return _Answer(_Verdict.AGED, text)
        if status in {400, 406, 422} and of_a_database:
            return _Answer(_Verdict.REFUSED, text)
        if status in {408, 429} or status >= 500:
            self._note_server_error(status)
            raise StoreUnavailable(detail, retry_after_s=_retry_after_s(response))
        raise StoreMisconfigured(detail)

    def _note_stored(self, lines: list[str]) -> None:
        self._server_errors = 0
        self._size = min(self._largest, max(self._size, 2 * len(lines)))
        # A sample will do, unless somebody waits to hear that a measurement is taken again.
        step = 1 if self._refused_in_a_row else 50
        now_s = self._clock_s()
        stored = {measurement_of(line): _Witness(line, now_s) for line in (*lines[::step], lines[-1])}
        self._known_good |= stored
        for name in stored:
            del self._refused_in_a_row[name]

    def _note_server_error(self, status: int) -> None:
        """A server that fails on one request again and again may manage half of it."""
        if status in {408, 429, 503}:
            return
        self._server_errors += 1
        if self._server_errors % _HALVE_AFTER_ERRORS == 0:
            self._size = max(1, self._size // 2)

    # -- finding the bad line

    async def _separate(self, lines: list[str], answer: _Answer, rejected: _Rejected) -> None:
        """Store every line that can be stored; add to `rejected` those that are refused singly, or too old.

        Good lines may be written several times on the way, which changes nothing. Raises `StoreMisconfigured` when it
        is not the lines: a line that was taken before is refused now, or too many are.
        """
        self.bisections += 1
        if answer.verdict is _Verdict.REFUSED:
            await self._probe(lines, answer)
        waiting = self._sort_out(lines, answer, rejected)
        while waiting:
            part = waiting.pop()
            answer = await self._send(part)
            if answer.verdict is _Verdict.STORED:
                continue
            waiting += self._sort_out(part, answer, rejected)
            if len(rejected.refused) > self._max_refusals:
                raise self._misconfigured(answer, f"more than {self._max_refusals} lines of one write are refused")

    def _sort_out(self, lines: list[str], answer: _Answer, rejected: _Rejected) -> list[list[str]]:
        """Note what this answer says for good; the lines that are left, in parts to try again."""
        if answer.verdict is _Verdict.AGED:
            aged, rest = _oldest(lines, answer.text)
            rejected.aged.extend([_rejected_row(line, answer) for line in aged])
            return [rest] if rest else []
        if len(lines) == 1:
            rejected.refused.append(self._reject(lines[0], answer))
            return []
        return self._split(lines, answer)

    def _split(self, lines: list[str], answer: _Answer) -> list[list[str]]:
        """Smaller parts to try: the lines that the server has named apart from the rest, otherwise halves."""
        if answer.verdict is _Verdict.TOO_LARGE:
            self._largest = self._size = max(1, min(self._largest, len(lines) // 2))
        else:
            named = [line for line in lines if line in answer.text]
            if 0 < len(named) < len(lines):
                return [[line] for line in named] + [[line for line in lines if line not in answer.text]]
        middle = len(lines) // 2
        return [lines[middle:], lines[:middle]]

    async def _probe(self, lines: list[str], refused: _Answer) -> None:
        """Write lines again that this server has taken; when they are refused now, the new lines are not the reason.

        A line that was taken long ago, or that is older by now than the bucket keeps, says nothing.
        """
        since_s = self._clock_s() - WITNESS_S
        self._known_good = {name: each for name, each in self._known_good.items() if each.stored_s >= since_s}
        names = dict.fromkeys(map(measurement_of, lines))
        good = {name: self._known_good[name].line for name in names if name in self._known_good}
        good = good or {name: each.line for name, each in list(self._known_good.items())[:1]}
        if not good:
            return
        answer = await self._send(list(good.values()))
        if answer.verdict is _Verdict.AGED:
            for name in good:
                self._known_good.pop(name, None)
        elif answer.verdict is not _Verdict.STORED:
            raise self._misconfigured(refused, "lines that were taken before are refused now")

    def _reject(self, line: str, answer: _Answer) -> RejectedRow:
        name = measurement_of(line)
        self._refused_in_a_row[name] += 1
        if self._refused_in_a_row[name] > self._max_refusals:
            raise self._misconfigured(answer, f"no line of {name!r} is taken any more")
        return _rejected_row(line, answer)

    def _misconfigured(self, answer: _Answer, reason: str) -> StoreMisconfigured:
        return StoreMisconfigured(f"{self.address.base}: {reason}; it says: {answer.text[:300]}")


def _rejected_row(line: str, answer: _Answer) -> RejectedRow:
    text = answer.text[:1000] or answer.verdict.value
    return RejectedRow(measurement_of(line), line, text, vehicle_of(line))


def _oldest(lines: list[str], text: str) -> tuple[list[str], list[str]]:
    """The lines that the server has dropped for their age, by their number, and the rest."""
    found = _BEYOND_RETENTION.search(text)
    number = max(1, int(found[1])) if found else len(lines)
    in_order = sorted(lines, key=time_of)
    return in_order[:number], in_order[number:]


def _encode(lines: list[str], *, compress: bool) -> bytes:
    body = "\n".join(lines).encode()
    if not compress:
        return body
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()


async def _beginning(response: aiohttp.ClientResponse) -> str:
    content = bytearray()
    async for chunk in response.content.iter_chunked(4096):
        content += chunk
        if len(content) >= _ANSWER_BYTES:
            break
    return content.decode("utf-8", "replace")


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """`Retry-After` in seconds or as a date, the latter against the server's own clock; at most a minute."""
    text = response.headers.get("Retry-After", "").strip()
    if not text:
        return None
    if text.isdecimal():
        return min(float(text), _RETRY_AFTER_LIMIT_S)
    try:
        until = parsedate_to_datetime(text)
        date = response.headers.get("Date")
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
        return min(max((until - now).total_seconds(), 0.0), _RETRY_AFTER_LIMIT_S)
    except (ValueError, TypeError):
        return None
