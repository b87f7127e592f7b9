"""What an answer of InfluxDB to a write means. `outcome_of` decides it.

    200, 201, 204            stored
    400, 422 with "beyond retention policy dropped=N"
                             the N oldest lines are older than the bucket keeps; the rest may be stored
    400, 406, 422            at least one line is bad
    413                      too much at once
    408, 429, 5xx            the server is unavailable: try the same lines again later
    everything else          address, token, rights or bucket are wrong

A proxy's HTML page with status 200 or 400 does not come from a database, so it means a wrong address.
"""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Final, NamedTuple

import aiohttp

_RETRY_AFTER_LIMIT_S: Final = 60.0
_ANSWER_BYTES: Final = 1 << 16
_BEYOND_RETENTION: Final = re.compile(r"beyond retention policy dropped=(\d+)")


class WriteOutcome(Enum):
    """What the server has done with the lines of a request."""

    STORED = "stored"
    REFUSED = "refused"
    AGED = "older than the bucket keeps"
    TOO_LARGE = "too large"
    UNAVAILABLE = "unavailable"
    MISCONFIGURED = "misconfigured"


class Answer(NamedTuple):
    """One answer: the outcome, the server's own text, and a line for the log."""

    outcome: WriteOutcome
    status: int
    text: str
    detail: str
    retry_after_s: float | None = None


def outcome_of(status: int, text: str, *, is_html: bool) -> WriteOutcome:
    """The meaning of a status, as in the table above."""
    if status == 204 or (status in {200, 201} and not is_html):
        return WriteOutcome.STORED
    if status == 413:
        return WriteOutcome.TOO_LARGE
    if status in {400, 422} and _BEYOND_RETENTION.search(text):
        return WriteOutcome.AGED
    if status in {400, 406, 422} and not is_html:
        return WriteOutcome.REFUSED
    if status in {408, 429} or status >= 500:
        return WriteOutcome.UNAVAILABLE
    return WriteOutcome.MISCONFIGURED


def aged_lines(text: str) -> int | None:
    """How many lines the server dropped for their age; None if it does not say so."""
    found = _BEYOND_RETENTION.search(text)
    return int(found[1]) if found else None


async def read_answer(response: aiohttp.ClientResponse, base: str) -> Answer:
    """Read an answer, up to 64 KiB of its text; `base` is the server's address."""
    text = (await _beginning(response)).strip()
    is_html = "html" in response.headers.get("Content-Type", "")
    return Answer(
        outcome_of(response.status, text, is_html=is_html),
        response.status,
        text,
        f"{base} answered {response.status}: {text[:300] or response.reason}",
        _retry_after_s(response),
    )


async def _beginning(response: aiohttp.ClientResponse) -> str:
    content = bytearray()
    async for chunk in response.content.iter_chunked(4096):
        content += chunk
        if len(content) >= _ANSWER_BYTES:
            break
    return content.decode("utf-8", "replace")


def _retry_after_s(response: aiohttp.ClientResponse) -> float | None:
    """`Retry-After` in seconds, or as a date compared with the server's own clock; at most a minute."""
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
