"""`vanpulse import messages FILE`: imports recorded messages into the log with their times of arrival.

A line is `{"topic", "payload", "received_ms", "retained"}`. The import adds the ticks that a running agent would have
journaled between the messages, one on each full ten seconds. The next `vanpulse run` processes everything like any
backlog. Either the whole file is imported or nothing of it.
"""

import argparse
import base64
import binascii
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from agent.commands.moments import format_moment, parse_moment
from agent.commands.storage import open_journal
from agent.config import Settings
from agent.errors import LogFull, SettingsError, VanpulseError
from agent.intake import COMMIT_BYTES, COMMIT_MESSAGES
from agent.journal import Arrival, JournalInUse
from agent.log_settings import JOURNAL_URL
from agent.messages import Message, MessageKind, tick_message
from agent.shard.shard import MINUTE_KEY

TICK_MS: Final = 10_000
DAY_MS: Final = 86_400_000
EARLIEST_MS: Final = 946_684_800_000
"""The year 2000: an earlier time was given in seconds, or by a clock that was not set."""
AHEAD_MS: Final = DAY_MS
"""How far a time of arrival may be ahead of this machine's clock."""
LONGEST_GAP_MS: Final = 366 * DAY_MS
LINE_BYTES: Final = 32 * 1024 * 1024
PACKET_OVERHEAD_BYTES: Final = 5
"""Bytes of an MQTT 5 PUBLISH at QoS 1 besides topic and payload."""
PROGRESS_EVERY_S: Final = 0.5
PROGRESS_LINES: Final = 2000


class ImportRefused(VanpulseError):
    """The file cannot be imported as it is. Nothing of it was imported."""


class Line(msgspec.Struct, forbid_unknown_fields=True):
    """One line of the file."""

    topic: str
    received_ms: int
    payload: msgspec.Raw = msgspec.Raw()
    """Empty if there is none."""
    payload_base64: str | None = None
    retained: bool = False
    qos: int = 1


_DECODER: Final = msgspec.json.Decoder(Line)
_TEXT: Final = msgspec.json.Decoder(str)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The file, and the time until which ticks follow its last message."""
    parser.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help='JSON lines {"topic", "payload", "received_ms", "retained"}, oldest first; a text '
        "payload is taken as it is, any other as JSON; payload_base64 for binary payloads",
    )
    parser.add_argument(
        "--until", metavar="T", help="add ticks up to this time behind the last message, so that silence ends trips"
    )
    parser.epilog = "Stop the agent first. The next `vanpulse run` processes the imported messages."


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Import the file."""
    path = settings.journal.path
    now_ms = time.time_ns() // 1_000_000
    until_ms = None if arguments.until is None else parse_moment(arguments.until, "--until", settings.fleet.timezone)
    if until_ms is not None and until_ms > now_ms + AHEAD_MS:
        raise SettingsError(f"--until {arguments.until} is more than a day in the future")
    with arguments.file.open("rb") as file:
        past = Past(
            file,
            name=str(arguments.file),
            latest_ms=now_ms + AHEAD_MS,
            until_ms=until_ms,
            max_packet_bytes=settings.mqtt.max_packet_bytes,
        )
        try:
            write = _journal if settings.log.url == JOURNAL_URL else _produce
            lived_ms = write(past, settings)
        finally:
            past.progress.clear()
    _say(past, str(path) if settings.log.url == JOURNAL_URL else settings.log.url, lived_ms)
    return 0


def _journal(past: "Past", settings: Settings) -> int | None:
    """Journal the messages. Returns up to when the journal's vans had lived before."""
    try:
        journal = open_journal(settings.journal)
    except JournalInUse as error:
        raise ImportRefused(
            f"an agent has the journal {settings.journal.path} open: stop it, import, then start it again"
        ) from error
    try:
        lived_ms = journal.last_arrival_ms(MINUTE_KEY)
        journal.append_past(past)
    except LogFull as error:
        raise ImportRefused(
            f"{past.name} does not fit into the journal: {error}, at line {past.number}; nothing was imported. "
            "Raise journal.max_bytes, or split the file before that line and let `vanpulse run` process each part"
        ) from error
    finally:
        journal.close()
    return lived_ms


def _produce(past: "Past", settings: Settings) -> int | None:
    """Write the messages to Kafka. Returns up to when the vans of the log had lived before."""
    from agent.commands.kafka_desk import KafkaDesk  # the client of Kafka is an extra

    desk = KafkaDesk(settings)
    if desk.is_fed():
        raise ImportRefused(
            "an ingesting agent has written to the log within the last 30 s: its ticks and those of the import would "
            "contradict each other. Stop all ingesting agents, import, then start them again; the brokers keep their "
            "messages meanwhile"
        )
    lived_ms = desk.last_arrival_ms()
    desk.append_past(past, name="import")
    return lived_ms


def _say(past: "Past", place: str, lived_ms: int | None) -> None:
    if not past.messages:
        sys.stdout.write(f"{past.name} has no messages\n")
        return
    sys.stdout.write(
        f"imported into {place}: {past.messages} messages, received from {format_moment(past.first_ms)} "
        f"to {format_moment(past.last_ms)}, and {past.ticks} ticks. `vanpulse run` processes them.\n"
    )
    if lived_ms is not None and past.first_ms < lived_ms:
        sys.stderr.write(
            f"vanpulse: the log already has messages up to {format_moment(lived_ms)}. For a van with newer "
            "readings, the imported ones become points but do not change its totals.\n"
        )


class Past:
    """The file's messages in batches, with the ticks between them. It can be iterated once."""

    def __init__(
        self, file: BinaryIO, *, name: str, latest_ms: int, until_ms: int | None, max_packet_bytes: int
    ) -> None:
        self.name = name
        self.number = 0
        """The number of the line that was read last."""
        self.messages = 0
        self.ticks = 0
        self.first_ms = 0
        self.last_ms = 0
        self.progress = ProgressLine(file)
        self._file = file
        self._latest_ms = latest_ms
        self._until_ms = until_ms
        self._max_packet_bytes = max_packet_bytes
        self._next_tick_ms = 0

    def __iter__(self) -> Iterator[Arrival]:
        """Raises `ImportRefused` for the first bad line."""
        gathered: list[Message] = []
        size = 0
        for received_ms, message in self._lines():
            if not self.messages:
                self._begin(received_ms)
            changed = received_ms != self.last_ms
            if gathered and (changed or len(gathered) >= COMMIT_MESSAGES or size >= COMMIT_BYTES):
                yield Arrival(self.last_ms, self.first_ms, gathered)
                gathered, size = [], 0
            if changed:
                yield from self._ticks_before(received_ms)
                self.last_ms = received_ms
            gathered.append(message)
            size += len(message.payload)
            self.messages += 1
        if gathered:
            yield Arrival(self.last_ms, self.first_ms, gathered)
            yield from self._rest()

    def _begin(self, received_ms: int) -> None:
        self.first_ms = self.last_ms = received_ms
        self._next_tick_ms = -(-received_ms // TICK_MS) * TICK_MS

    def _ticks_before(self, end_ms: int) -> Iterator[Arrival]:
        """A batch for each tick, since a batch has one time of arrival. A message precedes a tick of the same time."""
        while self._next_tick_ms < end_ms:
            time_ms = self._next_tick_ms
            self._next_tick_ms += TICK_MS
            self.ticks += 1
            yield Arrival(time_ms, self.first_ms, (tick_message(time_ms, self.first_ms),))

    def _rest(self) -> Iterator[Arrival]:
        if self._until_ms is None:
            return
        if self._until_ms < self.last_ms:
            raise SettingsError(
                f"--until {self._until_ms} is before the last message, received_ms {self.last_ms}; nothing was imported"
            )
        if self._until_ms - self.last_ms > LONGEST_GAP_MS:
            raise SettingsError("--until is more than a year after the last message; nothing was imported")
        yield from self._ticks_before(self._until_ms + 1)

    def _lines(self) -> Iterator[tuple[int, Message]]:
        before_ms: int | None = None
        while line := self._file.readline(LINE_BYTES + 1):
            self.number += 1
            self.progress.add(self.number, len(line))
            if len(line) > LINE_BYTES:
                raise self._refused(f"the line is longer than {LINE_BYTES} bytes")
            if line.isspace():
                continue
            try:
                said = _DECODER.decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError) as error:
                raise self._refused(str(error)) from error
            received_ms = said.received_ms
            self._check_time(received_ms, before_ms)
            before_ms = received_ms
            yield received_ms, self._message(said)

    def _check_time(self, received_ms: int, before_ms: int | None) -> None:
        if not EARLIEST_MS <= received_ms <= self._latest_ms:
            raise self._refused(
                f"received_ms {received_ms} is before 2000 or in the future. Use milliseconds since the epoch"
            )
        if before_ms is None:
            return
        if received_ms < before_ms:
            raise self._refused(
                f"received_ms {received_ms} is earlier than {before_ms} on the line above. Sort the file by time"
            )
        if received_ms - before_ms > LONGEST_GAP_MS:
            raise self._refused(
                "received_ms is more than a year later than on the line above. If that is right, split the file here "
                "and import the parts one after the other"
            )

    def _message(self, said: Line) -> Message:
        topic = said.topic
        if not topic or "+" in topic or "#" in topic or "\0" in topic:
            raise self._refused(f"topic {topic[:100]!r} is empty or has a +, a # or a NUL in it")
        if said.qos not in {0, 1, 2}:
            raise self._refused(f"qos {said.qos} is not 0, 1 or 2")
        payload, kind, limit = self._payload(said), MessageKind.PUBLISH, self._max_packet_bytes
        if len(payload) + len(topic.encode()) + PACKET_OVERHEAD_BYTES > limit:
            payload, kind = payload[:limit], MessageKind.OVERSIZE
        return Message(topic, payload, said.qos, said.retained, int(kind))

    def _payload(self, said: Line) -> bytes:
        """The bytes of a text payload, or of any other payload its JSON text as in the file."""
        raw = bytes(said.payload)
        if said.payload_base64 is not None and not raw:
            try:
                return base64.b64decode(said.payload_base64, validate=True)
            except (binascii.Error, ValueError) as error:
                raise self._refused(f"payload_base64: {error}") from error
        if said.payload_base64 is not None or raw in {b"", b"null"}:
            raise self._refused('give either payload or payload_base64; an empty payload is ""')
        return _TEXT.decode(raw).encode() if raw.startswith(b'"') else raw

    def _refused(self, why: str) -> ImportRefused:
        return ImportRefused(f"{self.name}, line {self.number}: {why}; nothing was imported")


class ProgressLine:
    """Shows the progress on a terminal, and nothing in a pipe."""

    def __init__(self, file: BinaryIO) -> None:
        self._shown = sys.stderr.isatty()
        self._total = Path(file.name).stat().st_size
        self._done = 0
        self._due_s = 0.0

    def add(self, number: int, size: int) -> None:
        """Note that a line of so many bytes was read."""
        self._done += size
        if self._shown and number % PROGRESS_LINES == 0 and time.monotonic() >= self._due_s:
            self._due_s = time.monotonic() + PROGRESS_EVERY_S
            share = f", {100 * self._done // self._total} %" if self._total else ""
            sys.stderr.write(f"\r{number} lines{share}\x1b[K")
            sys.stderr.flush()

    def clear(self) -> None:
        """Remove the progress from the terminal."""
        if self._shown:
            sys.stderr.write("\r\x1b[K")
