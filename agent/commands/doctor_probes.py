"""The measurements of `vanpulse doctor`: the broker, the journal's disk, the store."""

import asyncio
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Final, Self

import aiohttp
import msgspec

from agent.commands.storage import store_of
from agent.config import Settings
from agent.errors import StoreError
from agent.mqtt.base import BrokerLimits, Delivery, Receiver
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.stores.influxdb_address import InfluxAddress

ANSWER_WITHIN_S: Final = 15.0
COMMITS: Final = 200
COMMIT_BYTES: Final = 20_000
FRAME_BYTES: Final = 20
"""Bytes that the journal adds to topic and payload of a message."""
SYS_VERSION: Final = "$SYS/broker/version"
SYS_DROPPED: Final = "$SYS/broker/publish/messages/dropped"
SESSION_S: Final = 60


class BrokerReport(msgspec.Struct, kw_only=True):
    """What the probe's own MQTT client learned about the broker."""

    error: str = ""
    limits: BrokerLimits | None = None
    session_kept: bool = False
    session_expiry_s: int | None = None
    """What the broker granted of `mqtt.session_expiry_s`; None under MQTT 3.1.1, which has no such answer."""
    seconds: float = 0.0
    messages: int = 0
    qos0: int = 0
    message_bytes: int = 0
    """Bytes of topic and payload of all these messages."""
    version: str | None = None
    dropped: int | None = None


class DiskReport(msgspec.Struct, kw_only=True):
    """The disk that holds the journal."""

    error: str = ""
    filesystem: str = "unknown"
    free_bytes: int = 0
    used_bytes: int = 0
    """Bytes that the journal uses now."""
    commit_median_s: float = 0.0
    commit_p99_s: float = 0.0


class StoreReport(msgspec.Struct, kw_only=True):
    """Whether the store accepts writes, and how far its clock is from ours."""

    error: str = ""
    clock_offset_s: float | None = None


async def look_at_broker(settings: Settings, filters: list[str], *, seconds: float) -> BrokerReport:
    """Subscribe as the agent does but with another client id, listen, reconnect, and remove the session."""
    report = BrokerReport()

    def note(delivery: Delivery) -> None:
        live = [message for message in delivery.messages if not message.retained]
        report.messages += len(live)
        report.qos0 += sum(message.qos == 0 for message in live)
        report.message_bytes += sum(len(message.payload) + len(message.topic) for message in live)

    options = msgspec.structs.replace(
        MqttOptions.from_settings(settings.mqtt, filters),
        client_id=f"{settings.mqtt.client_id}-doctor",
        session_expiry_s=SESSION_S,
    )
    first = make_receiver(options)
    async with _Listening(first, note) as listening:
        report.error = await listening.subscribed()
        report.limits = first.limits
        if not report.error:
            report.messages = report.qos0 = report.message_bytes = 0
            began_s = time.monotonic()
            await asyncio.sleep(seconds)
            report.seconds = time.monotonic() - began_s
    if first.limits is None:
        return report
    again = make_receiver(msgspec.structs.replace(options, session_expiry_s=settings.mqtt.session_expiry_s))
    async with _Listening(again, lambda _: None) as listening:
        await listening.subscribed()
        if again.limits is not None:
            report.session_kept = again.limits.session_present
            report.session_expiry_s = again.limits.session_expiry_s
    await _look_at_sys(options, report)
    return report


async def _look_at_sys(options: MqttOptions, report: BrokerReport) -> None:
    """Read the broker's version and drop counter, where it permits that, and end the probe's session."""
    values: dict[str, bytes] = {}
    receiver = make_receiver(msgspec.structs.replace(options, filters=(SYS_VERSION, SYS_DROPPED), session_expiry_s=0))

    def note(delivery: Delivery) -> None:
        values.update({message.topic: message.payload for message in delivery.messages})

    async with _Listening(receiver, note) as listening:
        if not await listening.subscribed():
            await _until(lambda: len(values) == 2, within_s=2.0)
    if options.protocol == "3.1.1":  # where only a clean session ends the one that the broker keeps
        last = make_receiver(msgspec.structs.replace(options, filters=(), clean_start=True))
        async with _Listening(last, lambda _: None) as listening:
            await listening.subscribed()
    version, dropped = values.get(SYS_VERSION), values.get(SYS_DROPPED, b"")
    report.version = version.decode(errors="replace") if version is not None else None
    report.dropped = int(dropped) if dropped.isdigit() else None


class _Listening:
    """A receiver that runs during a block and acknowledges each message at once."""

    def __init__(self, receiver: Receiver, note: Callable[[Delivery], None]) -> None:
        self._receiver = receiver
        self._note = note

    async def subscribed(self) -> str:
        """Wait for the subscription. Returns the error if there is one, else an empty text."""
        counters = self._receiver.counters
        await _until(lambda: bool(counters.subscribed_since_ms or counters.last_error), within_s=ANSWER_WITHIN_S)
        return "" if counters.subscribed_since_ms else counters.last_error or "the broker did not answer"

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._receiver.run(self._take), name="doctor")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._receiver.stop()
        await self._task

    def _take(self, delivery: Delivery) -> None:
        self._note(delivery)
        self._receiver.acknowledge(delivery)


async def _until(condition: Callable[[], bool], *, within_s: float) -> None:
    try:
        async with asyncio.timeout(within_s):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.01)
    except TimeoutError:
        return


def look_at_disk(path: Path) -> DiskReport:
    """Free space, file system, and the time of commits of the journal's size in a temporary file beside it."""
    directory = next(parent for parent in [path.absolute().parent, *path.absolute().parents] if parent.is_dir())
    report = DiskReport(filesystem=_filesystem(directory))
    try:
        report.free_bytes = shutil.disk_usage(directory).free
        report.used_bytes = _used_bytes(path)
        times_s = sorted(_commit_times_s(directory))
    except (OSError, sqlite3.Error) as error:
        report.error = str(error)
        return report
    report.commit_median_s = times_s[len(times_s) // 2]
    report.commit_p99_s = times_s[len(times_s) * 99 // 100]
    return report


def _commit_times_s(directory: Path) -> list[float]:
    times_s = []
    with (
        tempfile.TemporaryDirectory(prefix=".vanpulse-doctor-", dir=directory) as scratch,
        closing(sqlite3.connect(Path(scratch) / "commits.db", isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE batch (offset INTEGER PRIMARY KEY, blob BLOB)")
        for offset in range(COMMITS):
            began_s = time.perf_counter()
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("INSERT INTO batch VALUES (?, ?)", (offset, bytes(COMMIT_BYTES)))
            connection.execute("COMMIT")
            times_s.append(time.perf_counter() - began_s)
    return times_s


def _used_bytes(path: Path) -> int:
    if not path.exists():
        return 0
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        pages, free, size = (
            connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
        return int((pages - free) * size)


def _filesystem(directory: Path) -> str:
    """The file system of the directory; "unknown" where the system does not report it."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    holding = [(point, kind) for point, kind in mounts if directory.is_relative_to(point)]
    return max(holding, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]


async def look_at_store(settings: Settings) -> StoreReport:
    """Check address, rights and room with a write of nothing."""
    report = StoreReport()
    store = store_of(settings.store, timeout_s=ANSWER_WITHIN_S)
    try:
        await store.open()
        await store.check()
    except StoreError as error:
        report.error = str(error)
    finally:
        await store.close()
    if not settings.store.url.startswith("sqlite:") and not report.error:
        report.clock_offset_s = await _clock_offset_s(InfluxAddress.parse(settings.store.url).base)
    return report


async def _clock_offset_s(base: str) -> float | None:
    """Our clock minus the server's, from its Date header, to about a second."""
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{base}/ping") as response:
            date = response.headers.get("Date")
    except (aiohttp.ClientError, TimeoutError):
        return None
    if date is None:
        return None
    return (datetime.now(UTC) - parsedate_to_datetime(date)).total_seconds()
