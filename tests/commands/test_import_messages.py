"""A past from another logger: enters the journal as a running agent would have received it."""

import asyncio
import base64
import json
import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.commands.ports import free_port
from agent.intake import Intake
from agent.journal import Journal
from agent.messages import Batch, Message, MessageKind
from agent.mqtt.base import Delivery
from tests.doubles import FakeReceiver, until
from tests.memory_log import MemoryLog
from tests.servers.agent import Agent, wait_for
from tests.servers.publishing import drive

MIB = 1 << 20
T0_MS = 1_750_000_000_000
"""A full ten seconds, 15 June 2025."""
MINUTE_MS = 60_000
WEEK_MS = 604_800_000


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a journal that does not exist yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_JOURNAL__PATH", str(tmp_path / "journal.db"))
    monkeypatch.setenv("VANPULSE_JOURNAL__MAX_BYTES", str(64 * MIB))
    return tmp_path / "journal.db"


def line(received_ms: int, payload: Any = "x", topic: str = "t", **more: Any) -> str:
    return json.dumps({"topic": topic, "payload": payload, "received_ms": received_ms} | more)


def past(lines: Iterable[str], name: str = "past.jsonl") -> str:
    Path(name).write_text("".join(f"{text}\n" for text in lines), encoding="utf-8")
    return name


def journaled(path: Path) -> list[Batch]:
    journal = Journal.open(path, max_bytes=64 * MIB)
    try:
        return journal.read(0, max_messages=1 << 40)
    finally:
        journal.close()


def unrolled(batches: Sequence[Batch]) -> list[tuple[int, int, Message]]:
    """Each message with its arrival and since when the agent had been listening."""
    return [(batch.received_ms, batch.listening_since_ms, message) for batch in batches for message in batch.messages]


async def lived(arrivals: Sequence[tuple[int, Message]], end_ms: int) -> list[Batch]:
    """What the intake of a running agent journals of these messages, with a tick on each full ten seconds."""
    receiver, log = FakeReceiver(), MemoryLog()
    receiver.counters.subscribed_since_ms = arrivals[0][0]
    now_ms = 0
    intake = Intake(receiver, log, clock_ms=lambda: now_ms)
    running = asyncio.create_task(intake.run())
    moments = {received_ms for received_ms, _ in arrivals}
    for now_ms in sorted({*moments, *range(arrivals[0][0] // 10_000 * 10_000, end_ms + 1, 10_000)}):
        count = sum(len(batch.messages) for batch in log.batches)
        messages = [message for received_ms, message in arrivals if received_ms == now_ms]
        if messages:
            intake.on_delivery(Delivery(messages, [1] * len(messages), 1))
        if now_ms % 10_000 == 0:
            intake.tick()
        expected = count + len(messages) + (now_ms % 10_000 == 0)
        await until(lambda expected=expected: sum(len(b.messages) for b in log.batches) == expected)
    intake.close()
    await running
    return log.batches


async def test_the_journal_is_that_of_an_agent_that_ran_then(path: Path) -> None:
    arrivals = [
        (T0_MS, "on a tick"),
        (T0_MS, "together with the first"),
        (T0_MS + 1, "just behind it"),
        (T0_MS + 9_999, "just before the next tick"),
        (T0_MS + 10_000, "on the next one"),
        (T0_MS + 123_456, "after two minutes"),
    ]
    end_ms = T0_MS + 305_000
    file = past(line(received_ms, text, topic=f"vans/{n}/soc") for n, (received_ms, text) in enumerate(arrivals))
    assert main(["import", "messages", file, "--until", str(end_ms)]) == 0
    messages = [(at, Message(f"vans/{n}/soc", text.encode())) for n, (at, text) in enumerate(arrivals)]
    assert unrolled(journaled(path)) == unrolled(await lived(messages, end_ms))


PAYLOADS = [
    ("an object, as its JSON text", '"payload": {"time":1,  "soc_pct":80.0}', b'{"time":1,  "soc_pct":80.0}'),
    ("an array", '"payload": [{"a":1}]', b'[{"a":1}]'),
    ("a text, as it is", '"payload": "80"', b"80"),
    ("a text with escapes", r'"payload": "{\"a\":\"\u00e9\"}"', '{"a":"é"}'.encode()),
    ("a number", '"payload": 80.50', b"80.50"),
    ("a truth value", '"payload": true', b"true"),
    ("nothing, which clears a retained value", '"payload": ""', b""),
    ("bytes", f'"payload_base64": "{base64.b64encode(bytes([0x23, 0x23, 0, 255])).decode()}"', b"\x23\x23\x00\xff"),
]


@pytest.mark.parametrize(("payload", "expected"), [row[1:] for row in PAYLOADS], ids=[row[0] for row in PAYLOADS])
def test_payload(path: Path, payload: str, expected: bytes) -> None:
    file = past([f'{{"topic": "a/b", {payload}, "received_ms": {T0_MS}, "retained": true}}', "", "  "])
    assert main(["import", "messages", file]) == 0
    assert unrolled(journaled(path)) == [(T0_MS, T0_MS, Message("a/b", expected, qos=1, retained=True))]


def test_a_message_beyond_the_packet_limit_is_cut_as_the_receiver_cuts_it(path: Path) -> None:
    assert main(["import", "messages", past([line(T0_MS, "x" * 70_000)])]) == 0
    ((_, _, message),) = unrolled(journaled(path))
    assert (message.kind, len(message.payload)) == (MessageKind.OVERSIZE, 65_536)


GOOD = line(T0_MS)
REFUSED = [
    ("no JSON", "{'}", "JSON is malformed"),
    ("no object", "[]", "Expected `object`"),
    ("no topic", '{"payload": 1, "received_ms": 1750000000000}', "`topic`"),
    ("no payload", f'{{"topic": "t", "received_ms": {T0_MS}}}', "either payload or payload_base64"),
    ("a null payload", line(T0_MS, None), "either payload or payload_base64"),
    ("two payloads", line(T0_MS, payload_base64="eA=="), "either payload or payload_base64"),
    ("no base64", f'{{"topic": "t", "payload_base64": "?", "received_ms": {T0_MS}}}', "payload_base64"),
    ("a key that is another one's", line(T0_MS, retain=True), "`retain`"),
    ("a time as text", '{"topic": "t", "payload": 1, "received_ms": "2025-06-15T00:00:00Z"}', "$.received_ms"),
    ("a wildcard in the topic", line(T0_MS, topic="vans/+/soc"), "is empty or has a +, a # or a NUL"),
    ("seconds", line(T0_MS // 1000), "Use milliseconds since the epoch"),
    ("microseconds", line(T0_MS * 1000), "Use milliseconds since the epoch"),
    ("backwards", line(T0_MS - 1), "Sort the file by time"),
    ("years later", line(T0_MS + 53 * WEEK_MS), "split the file here"),
    ("no UTF-8", '{"topic": "\udcff", "payload": 1, "received_ms": 1750000000000}', "utf-8"),
]


@pytest.mark.parametrize(("bad", "why"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_one_bad_line_and_nothing_is_imported(
    path: Path, capsys: pytest.CaptureFixture[str], bad: str, why: str
) -> None:
    good = "\n".join([GOOD] * 300)
    Path("past.jsonl").write_bytes(f"{good}\n{bad}\n{GOOD}\n".encode(errors="surrogateescape"))
    assert main(["import", "messages", "past.jsonl"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("vanpulse: past.jsonl, line 301: ")
    assert why in err
    assert err.endswith("; nothing was imported\n")
    assert err.count("\n") == 1
    assert journaled(path) == []


def test_until_must_be_behind_the_last_message(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "messages", past([GOOD]), "--until", str(T0_MS - 1)]) == 2
    assert "--until 1749999999999 is before the last message" in capsys.readouterr().err
    assert journaled(path) == []


def test_a_journal_that_an_agent_has_open(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal.open(path, max_bytes=64 * MIB)
    assert main(["import", "messages", past([GOOD])]) == 1
    journal.close()
    assert capsys.readouterr().err == (
        f"vanpulse: an agent has the journal {path} open: stop it, import, then start it again\n"
    )
    assert journaled(path) == []


@pytest.mark.parametrize("when_full", ["pause", "drop_oldest"])
def test_what_does_not_fit_is_refused_before_the_journal_is_full(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, when_full: str
) -> None:
    """2 MiB less a sixteenth, of which 4 KiB a message: the 481st cannot fit, and what was there before stays."""
    monkeypatch.setenv("VANPULSE_JOURNAL__MAX_BYTES", str(2 * MIB))
    monkeypatch.setenv("VANPULSE_JOURNAL__WHEN_FULL", when_full)
    assert main(["import", "messages", past([GOOD])]) == 0
    capsys.readouterr()
    assert main(["import", "messages", past(line(T0_MS + n, "x" * 4096) for n in range(1, 600))]) == 1
    err = capsys.readouterr().err
    assert "past.jsonl does not fit into the journal" in err
    assert 0 < int(err.split("at line ")[1].split(";")[0]) <= 599
    assert "nothing was imported. Raise journal.max_bytes, or split the file" in err
    assert [received_ms for received_ms, _, _ in unrolled(journaled(path))] == [T0_MS]


def test_three_weeks_of_silence_are_ticked_each_ten_seconds(path: Path) -> None:
    file = past([line(T0_MS + 1), line(T0_MS + 3 * WEEK_MS)])
    assert main(["import", "messages", file]) == 0
    first, *ticks, last = unrolled(journaled(path))
    assert (first[0], last[0]) == (T0_MS + 1, T0_MS + 3 * WEEK_MS)
    # 21 d × 8640; the tick at the end comes behind the message of the same time, the one at T0 before the first.
    assert len(ticks) == 21 * 8640 - 1
    assert {message.kind for _, _, message in ticks} == {MessageKind.TICK}
    assert all(received_ms == int(message.payload.split()[0]) for received_ms, _, message in ticks)
    assert path.stat().st_size < 24 * MIB


def test_an_older_past_behind_a_newer_one_is_said(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "messages", past([line(T0_MS + 1000)])]) == 0
    assert capsys.readouterr().err == ""
    assert main(["import", "messages", past([GOOD])]) == 0
    assert "the log already has messages up to 2025-06-15T15:06:41.000Z" in capsys.readouterr().err


def test_an_empty_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "messages", past([])]) == 0
    assert capsys.readouterr() == ("past.jsonl has no messages\n", "")


def test_a_killed_import_leaves_the_journal_as_it_was(path: Path) -> None:
    """Killed while it waits for the rest of a pipe, with more than a megabyte inserted and not committed."""
    assert main(["import", "messages", past([GOOD])]) == 0
    words = [sys.executable, "-m", "agent", "import", "messages", "/dev/stdin"]
    importing = subprocess.Popen(words, stdin=subprocess.PIPE)
    assert importing.stdin is not None
    for n in range(1, 5000):
        importing.stdin.write(f"{line(T0_MS + n, 'x' * 1000)}\n".encode())
    importing.stdin.flush()
    wal = path.with_name("journal.db-wal")
    wait_for(lambda: wal.exists() and wal.stat().st_size > MIB, "the transaction to reach the disk")
    importing.kill()
    importing.wait(30)
    importing.stdin.close()
    assert len(unrolled(journaled(path))) == 1


def test_progress_is_shown_on_a_terminal_alone(path: Path) -> None:
    file = past([GOOD] * 20_000)
    words = [sys.executable, "-m", "agent", "import", "messages", file]
    terminal, inside = pty.openpty()
    shown = subprocess.run(words, stdout=subprocess.PIPE, stderr=inside, check=True, timeout=60)
    os.close(inside)
    assert b" lines, " in os.read(terminal, 65_536)
    os.close(terminal)
    assert b"20000 messages" in shown.stdout
    assert subprocess.run(words, capture_output=True, check=True, timeout=60).stderr == b""


def test_a_past_becomes_history_by_the_next_run(tmp_path: Path) -> None:
    """Three months old, far beyond the window of a week that holds against the arrival: 6 km, 1.5 kWh, one trip."""
    start_ms = (time.time_ns() // 1_000_000 - 90 * 86_400_000) // MINUTE_MS * MINUTE_MS
    lines = [line(payload["time"], payload, topic) for topic, payload in drive("van-1", start_ms=start_ms)]
    file = tmp_path / "past.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    agent = Agent(tmp_path / "agent", mqtt__url=f"mqtt://127.0.0.1:{free_port()}")
    agent.directory.mkdir(exist_ok=True)
    until_ms = start_ms + 180 * MINUTE_MS
    said = agent.command("import", "messages", str(file), "--until", str(until_ms)).stdout
    assert ": 180 messages, received from " in said
    assert "and 1081 ticks" in said
    agent.start(wait=False)
    try:
        wait_for(lambda: agent.get("/metrics")[0] == 200, "the agent to answer")
        agent.wait_processed(0)
        assert agent.dead_letters() == []
        (trip,) = agent.points("trip")
        assert trip["distance_km"] == pytest.approx(6.0, rel=0.02)
        assert trip["energy_kwh"] == pytest.approx(1.5, rel=0.05)
        assert len(agent.points("battery")) == 180
        *_, last = agent.points("energy")
        assert last["state"] == "offline"
        assert last["time_ms"] < until_ms
        minutes = [point["time_ms"] for point in agent.points("fleet") if point["time_ms"] <= until_ms]
        assert minutes == list(range(start_ms, until_ms + 1, MINUTE_MS))
        assert agent.stop() == 0
    finally:
        if agent.returncode is None:
            agent.kill()
