"""InfluxDB, and every other server that takes line protocol at `/api/v2/write`.

Those are InfluxDB 1.8 and later, 2.x, 3 Core, and VictoriaMetrics. `influxdb_answers.py` tells what each status means.

One call of `write` is one attempt; the caller repeats it for as long as it takes. A write that is refused is handled so
that each good line gets stored:

1. Too much at once: halve it, and remember the smaller size.
2. Lines older than the bucket keeps: reject that many of the oldest lines, and send the rest again.
3. A bad line: first send again some lines that this server has accepted lately. If those are refused now, the lines are
   not the reason: raise `StoreMisconfigured`. Otherwise find the bad lines by halving, and reject them one by one.
4. Too many rejected lines are no bad lines but a wrong set-up: raise `StoreMisconfigured`.

Rejected rows are returned and become dead letters. `StoreMisconfigured` rejects nothing.
"""

import asyncio
import ssl
import time
import zlib
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

import aiohttp

from agent.errors import StoreMisconfigured, StoreUnavailable
from agent.points.rows import Rows
from agent.stores.base import RejectedRow
from agent.stores.influxdb_address import InfluxAddress
from agent.stores.influxdb_answers import Answer, WriteOutcome, aged_lines, read_answer
from agent.stores.line_protocol import LineWriter, measurement_of, time_of, vehicle_of

MAX_REFUSALS: Final = 64
"""Bad lines in one write, or in a row of one measurement, beyond which the set-up is taken to be wrong."""
PROBE_AGE_S: Final = 1800.0
"""How long an accepted line can be used as a probe. A bucket's retention is at least an hour."""
_HALVE_AFTER_ERRORS: Final = 3
_GZIP: Final = 31
"""zlib's window bits for a gzip header."""


class _Accepted(NamedTuple):
    """A line that this server has stored, and when."""

    line: str
    stored_s: float


class _Rejected(NamedTuple):
    """The rejected lines of one write: bad ones, found one by one, and lines older than the bucket keeps."""

    refused: list[RejectedRow]
    aged: list[RejectedRow]


class InfluxStore:
    """Writes points as line protocol over HTTP; implements `Store`.

    Requests are compressed unless the server is on this machine; `compress` decides otherwise.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        batch_points: int = 5000,
        timeout_s: float = 30.0,
        compress: bool | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = InfluxAddress.parse(url)
        self.requests = 0
        self._compress = not self.address.is_local if compress is None else compress
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token:
            self._headers["Authorization"] = f"Token {token}"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._largest = batch_points
        self._size = batch_points
        self._server_errors = 0
        self._writer = LineWriter()
        self._clock_s = clock_s
        self._accepted: dict[str, _Accepted] = {}
        """The last line of each measurement known to be stored."""
        self._refused_in_a_row: Counter[str] = Counter()
        """Bad lines of each measurement since one of its lines was stored."""
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make ready; nothing is sent."""
        self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Post the rows; see `Store.write`."""
        return await self.write_lines(await asyncio.to_thread(self._writer.lines, rows))

    async def write_lines(self, lines: list[str]) -> list[RejectedRow]:
        """Post lines in requests of bounded size, one after the other."""
        rejected = _Rejected([], [])
        start = 0
        while start < len(lines):
            part = lines[start : start + self._size]
            answer = await self._send(part)
            if answer.outcome is not WriteOutcome.STORED:
                await self._store_the_good(part, answer, rejected)
            start += len(part)
        return [*rejected.refused, *rejected.aged]

    async def check(self) -> None:
        """Post an empty body: the server checks address, token, rights and bucket before it looks at the body."""
        await self._send([])

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    # One request.

    async def _send(self, lines: list[str]) -> Answer:
        """Post the lines once. Raises StoreUnavailable or StoreMisconfigured; any other outcome is returned."""
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
                answer = await read_answer(response, self.address.base)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError, ssl.SSLError) as error:
            raise StoreMisconfigured(f"{self.address.base}: {error}") from error
        except TimeoutError as error:
            raise StoreUnavailable(f"{self.address.base} did not answer in {self._timeout.total:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise StoreUnavailable(f"{self.address.base}: {str(error) or type(error).__name__}") from error
        if answer.outcome is WriteOutcome.UNAVAILABLE:
            self._note_server_error(answer.status)
            raise StoreUnavailable(answer.detail, retry_after_s=answer.retry_after_s)
        if answer.outcome is WriteOutcome.MISCONFIGURED:
            raise StoreMisconfigured(answer.detail)
        if answer.outcome is WriteOutcome.STORED and lines:
            self._note_stored(lines)
        return answer

    def _note_stored(self, lines: list[str]) -> None:
        self._server_errors = 0
        self._size = min(self._largest, max(self._size, 2 * len(lines)))
        # A sample of the lines is enough, unless a measurement had refusals: then its next stored line must be seen.
        step = 1 if self._refused_in_a_row else 50
        now_s = self._clock_s()
        stored = {measurement_of(line): _Accepted(line, now_s) for line in (*lines[::step], lines[-1])}
        self._accepted |= stored
        for name in stored:
            del self._refused_in_a_row[name]

    def _note_server_error(self, status: int) -> None:
        """Halve the size after several errors in a row: the server may fail on this much and manage less."""
        if status in {408, 429, 503}:
            return
        self._server_errors += 1
        if self._server_errors % _HALVE_AFTER_ERRORS == 0:
            self._size = max(1, self._size // 2)

    # A refused write.

    async def _store_the_good(self, lines: list[str], answer: Answer, rejected: _Rejected) -> None:
        """Store every line that can be stored; add the others to `rejected`.

        Good lines may be written several times on the way, which does not change the store. Raises `StoreMisconfigured`
        when the lines are not the reason.
        """
        if answer.outcome is WriteOutcome.REFUSED:
            await self._probe(lines, answer)
        waiting = self._reject_or_split(lines, answer, rejected)
        while waiting:
            part = waiting.pop()
            answer = await self._send(part)
            if answer.outcome is WriteOutcome.STORED:
                continue
            waiting += self._reject_or_split(part, answer, rejected)
            if len(rejected.refused) > MAX_REFUSALS:
                raise self._misconfigured(answer, f"more than {MAX_REFUSALS} lines of one write are refused")

    def _reject_or_split(self, lines: list[str], answer: Answer, rejected: _Rejected) -> list[list[str]]:
        """Reject what this answer decides; returns the other lines, in parts to send next."""
        if answer.outcome is WriteOutcome.AGED:
            number = max(1, aged_lines(answer.text) or 1)
            oldest_first = sorted(lines, key=time_of)
            rejected.aged.extend([_rejected_row(line, answer) for line in oldest_first[:number]])
            return [oldest_first[number:]] if number < len(lines) else []
        if len(lines) == 1:
            rejected.refused.append(self._reject(lines[0], answer))
            return []
        return self._split(lines, answer)

    def _split(self, lines: list[str], answer: Answer) -> list[list[str]]:
        """Smaller parts: the lines that the server has named apart from the rest, otherwise two halves."""
        if answer.outcome is WriteOutcome.TOO_LARGE:
            self._largest = self._size = max(1, min(self._largest, len(lines) // 2))
        else:
            named = [line for line in lines if line in answer.text]
            if 0 < len(named) < len(lines):
                return [[line] for line in named] + [[line for line in lines if line not in answer.text]]
        middle = len(lines) // 2
        return [lines[middle:], lines[:middle]]

    async def _probe(self, lines: list[str], refused: Answer) -> None:
        """Send accepted lines again. If they are refused now, the new lines are not the reason: StoreMisconfigured.

        A line proves nothing if it was accepted long ago, or if it is older by now than the bucket keeps.
        """
        since_s = self._clock_s() - PROBE_AGE_S
        self._accepted = {name: each for name, each in self._accepted.items() if each.stored_s >= since_s}
        names = dict.fromkeys(map(measurement_of, lines))
        probes = {name: self._accepted[name].line for name in names if name in self._accepted}
        probes = probes or {name: each.line for name, each in list(self._accepted.items())[:1]}
        if not probes:
            return
        answer = await self._send(list(probes.values()))
        if answer.outcome is WriteOutcome.AGED:
            for name in probes:
                self._accepted.pop(name, None)
        elif answer.outcome is not WriteOutcome.STORED:
            raise self._misconfigured(refused, "lines that were accepted before are refused now")

    def _reject(self, line: str, answer: Answer) -> RejectedRow:
        name = measurement_of(line)
        self._refused_in_a_row[name] += 1
        if self._refused_in_a_row[name] > MAX_REFUSALS:
            raise self._misconfigured(answer, f"no line of {name!r} is accepted any more")
        return _rejected_row(line, answer)

    def _misconfigured(self, answer: Answer, reason: str) -> StoreMisconfigured:
        return StoreMisconfigured(f"{self.address.base}: {reason}; it says: {answer.text[:300]}")


def _rejected_row(line: str, answer: Answer) -> RejectedRow:
    text = answer.text[:1000] or answer.outcome.value
    return RejectedRow(measurement_of(line), line, text, vehicle_of(line))


def _encode(lines: list[str], *, compress: bool) -> bytes:
    body = "\n".join(lines).encode()
    if not compress:
        return body
    packer = zlib.compressobj(1, zlib.DEFLATED, _GZIP)
    return packer.compress(body) + packer.flush()
