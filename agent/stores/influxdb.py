"""InfluxDB, and whatever else takes line protocol at `/api/v2/write`: 1.8 and later, 2.x, 3 Core, VictoriaMetrics.

What an answer means is decided in `_classify`, and only there:

    200, 201, 204            stored
    400, 406, 422            some line is bad: found by halving, returned as rejected, everything else stored
    413                      too much at once: halved, and the smaller size remembered
    408, 429, 5xx, no answer the same lines again later (`StoreUnavailable`)
    everything else          address, token, rights or bucket are wrong (`StoreMisconfigured`): nothing is given up
"""

import asyncio
import ssl
import zlib
from collections import Counter
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, NamedTuple

import aiohttp

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points import Rows
from agent.stores.base import RejectedRow
from agent.stores.influxdb_address import InfluxAddress
from agent.stores.line_protocol import LineWriter, measurement_of

MAX_REFUSALS: Final = 64
"""Lines of one write, or of one measurement in a row, that may be refused before it is taken for a wrong set-up."""
_RETRY_AFTER_LIMIT_S: Final = 60.0
_HALVE_AFTER_ERRORS: Final = 3
_ANSWER_BYTES: Final = 1 << 16
_GZIP: Final = 31
"""zlib's window bits for a gzip header."""


class _Verdict(Enum):
    STORED = "stored"
    REFUSED = "refused"
    TOO_LARGE = "too large"


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
        self._known_good: dict[str, str] = {}
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
        rejected: list[RejectedRow] = []
        start = 0
        while start < len(lines):
            part = lines[start : start + self._size]
            answer = await self._send(part)
            if answer.verdict is not _Verdict.STORED:
                rejected += await self._separate(part, answer, self._max_refusals - len(rejected))
            start += len(part)
        return rejected

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
        stored = {measurement_of(line): line for line in (*lines[::step], lines[-1])}
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

    async def _separate(self, lines: list[str], answer: _Answer, allowed: int) -> list[RejectedRow]:
        """Store every line that can be stored; return those that are refused singly.

        Good lines may be written several times on the way, which changes nothing. Raises `StoreMisconfigured` when it
        is not the lines: a line that was taken before is refused now, or too many are.
        """
        self.bisections += 1
        if answer.verdict is _Verdict.REFUSED:
            await self._probe(lines, answer)
        rejected: list[RejectedRow] = []
        waiting = self._split(lines, answer)
        if len(lines) == 1:
            rejected.append(self._reject(lines[0], answer))
        while waiting:
            part = waiting.pop()
            answer = await self._send(part)
            if answer.verdict is _Verdict.STORED:
                continue
            if len(part) > 1:
                waiting += self._split(part, answer)
                continue
            rejected.append(self._reject(part[0], answer))
            if len(rejected) > allowed:
                raise self._misconfigured(answer, f"more than {self._max_refusals} lines of one write are refused")
        return rejected

    def _split(self, lines: list[str], answer: _Answer) -> list[list[str]]:
        """Smaller parts to try: the lines that the server has named apart from the rest, otherwise halves."""
        if len(lines) == 1:
            return []
        if answer.verdict is _Verdict.TOO_LARGE:
            self._largest = self._size = max(1, min(self._largest, len(lines) // 2))
        else:
            named = [line for line in lines if line in answer.text]
            if 0 < len(named) < len(lines):
                return [[line] for line in named] + [[line for line in lines if line not in answer.text]]
        middle = len(lines) // 2
        return [lines[middle:], lines[:middle]]

    async def _probe(self, lines: list[str], refused: _Answer) -> None:
        """Write lines again that this server has taken; when they are refused now, the new lines are not the reason."""
        names = dict.fromkeys(map(measurement_of, lines))
        good = [self._known_good[name] for name in names if name in self._known_good]
        good = good or list(self._known_good.values())[:1]
        if good and (await self._send(good)).verdict is not _Verdict.STORED:
            raise self._misconfigured(refused, "lines that were taken before are refused now")

    def _reject(self, line: str, answer: _Answer) -> RejectedRow:
        name = measurement_of(line)
        self._refused_in_a_row[name] += 1
        if self._refused_in_a_row[name] > self._max_refusals:
            raise self._misconfigured(answer, f"no line of {name!r} is taken any more")
        return RejectedRow(name, line, answer.text[:1000] or answer.verdict.value)

    def _misconfigured(self, answer: _Answer, reason: str) -> StoreMisconfigured:
        return StoreMisconfigured(f"{self.address.base}: {reason}; it says: {answer.text[:300]}")


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
