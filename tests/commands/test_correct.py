"""A stretch of a van that must not count: out of every sum, with its reason, whether or not the agent runs."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.commands.ports import free_port
from agent.fleet.books.corrections import Correction
from agent.journal import Journal
from agent.messages import Batch, Message, MessageKind
from agent.points.measurements import MEASUREMENTS
from tests.doubles import make_shard
from tests.servers.agent import Agent, wait_for
from tests.servers.publishing import drive

DAY_MS = 86_400_000
MINUTE_MS = 60_000
LEFT_MS = 10 * MINUTE_MS
"""`drive` stands for ten minutes, then drives 6 km in ten more, using 1.5 kWh."""


def day_ago(days: int) -> int:
    """Eight in the morning UTC."""
    return (time.time_ns() // 1_000_000 // DAY_MS - days) * DAY_MS + 8 * 60 * MINUTE_MS


FIRST_MS, SECOND_MS = day_ago(4), day_ago(3)


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Agent]:
    """Not running; its store has two days of van-1, 6 km on each."""
    agent = Agent(tmp_path / "agent", mqtt__url=f"mqtt://127.0.0.1:{free_port()}")
    sent = [
        {"topic": topic, "payload": payload, "received_ms": payload["time"]}
        for start_ms in (FIRST_MS, SECOND_MS)
        for topic, payload in drive("van-1", start_ms=start_ms)
    ]
    for message in sent[180:]:  # the odometer, place and charge go on from where they were
        message["payload"]["soc_pct"] = round(message["payload"]["soc_pct"] - 1.8, 2)
        message["payload"]["odometer_km"] = round(message["payload"]["odometer_km"] + 6.0, 1)
        message["payload"]["latitude_deg"] = round(message["payload"]["latitude_deg"] + 6.0 / 111.195, 6)
    (tmp_path / "past.jsonl").write_text("\n".join(json.dumps(message) for message in sent), encoding="utf-8")
    agent.command("import", "messages", str(tmp_path / "past.jsonl"), "--until", str(SECOND_MS + DAY_MS))
    run(agent)
    agent.stop()
    yield agent
    if agent.returncode is None:
        agent.kill()


def run(agent: Agent) -> None:
    """Start it and let it work through its journal; there is no broker."""
    agent.start(wait=False)
    wait_for(lambda: agent.get("/metrics")[0] == 200, "the agent to answer")
    agent.wait_processed(0)


def correct(agent: Agent, start_ms: int, end_ms: int, reason: str = "wheel swapped") -> Any:
    return agent.command(
        "correct", "van-1", "--from", str(start_ms), "--to", str(end_ms), "--reason", reason, check=False
    )


def report(agent: Agent, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(agent.command("report", "--format", "json", *words).stdout)
    return found


def days(agent: Agent) -> list[float]:
    return [round(day["distance_km"], 1) for day in agent.points("day", vehicle_id="van-1")]


def test_a_stretch_is_taken_out_while_the_agent_runs_and_another_while_it_does_not(agent: Agent) -> None:
    assert report(agent)["summary"]["distance_km"] == pytest.approx(12.0, abs=0.2)
    assert days(agent) == [6.0, 6.0]
    run(agent)
    done = correct(agent, SECOND_MS, SECOND_MS + 60 * MINUTE_MS)
    assert (done.returncode, done.stderr) == (0, "")
    assert " is excluded: 6.0 km, 1.5 kWh used, 0.0 kWh charged" in done.stdout
    wait_for(lambda: agent.points("correction"), "the correction to be stored")
    assert days(agent) == [6.0, 0.0]
    found = report(agent)
    assert found["summary"]["distance_km"] == pytest.approx(6.0, abs=0.1)
    assert found["summary"]["battery_kwh"] == pytest.approx(1.5, abs=0.1)
    kept, _ = found["trips"]
    assert found["summary"]["diesel_co2e_kg"] == pytest.approx(kept["diesel_co2e_g"] / 1000, rel=0.02)
    assert found["summary"]["trips"] == 1
    assert [trip["corrected"] for trip in found["trips"]] == [False, True]
    (correction,) = found["corrections"]
    assert (correction["vehicle_id"], correction["reason"]) == ("van-1", "wheel swapped")
    assert correction["distance_km"] == pytest.approx(6.0, abs=0.1)
    # The first day alone has nothing of it; the second alone is empty.
    first, between, last = (str(ms) for ms in (FIRST_MS - 60_000, SECOND_MS - 60_000, SECOND_MS + DAY_MS))
    alone = report(agent, "--from", first, "--to", between)
    assert alone["corrections"] == []
    assert alone["summary"]["distance_km"] == pytest.approx(6.0, abs=0.1)
    assert report(agent, "--from", between, "--to", last)["summary"]["distance_km"] == pytest.approx(0.0, abs=0.1)
    totals = [point["distance_km_total"] for point in agent.points("energy")]
    assert totals == sorted(totals)

    again = correct(agent, SECOND_MS + 30 * MINUTE_MS, SECOND_MS + 90 * MINUTE_MS)
    assert again.returncode == 1
    assert "already has a correction from " in again.stderr
    assert "(wheel swapped). A time can be excluded only once" in again.stderr

    assert agent.stop() == 0
    half = correct(agent, FIRST_MS, FIRST_MS + LEFT_MS + 5 * MINUTE_MS, "first half")
    assert "3.1 km, " in half.stdout, "31 readings of 0.1 km"
    assert half.stdout.endswith("The next `vanpulse run` applies the correction.\n")
    run(agent)
    assert report(agent)["summary"]["distance_km"] == pytest.approx(2.9, abs=0.1)
    assert days(agent) == pytest.approx([2.9, 0.0], abs=0.11)
    listed = agent.command("correct", "--list").stdout.splitlines()
    assert [line.split("\t")[4] for line in listed] == ["first half", "wheel swapped"]
    assert "Corrections by hand" in agent.command("report").stdout
    assert agent.dead_letters() == []
    assert agent.stop() == 0


WRONG = [
    ("no reason", ["van-1", "--from", "2026-06-01", "--to", "2026-06-02"], 2, "--reason, or --list"),
    ("no end", ["van-1", "--from", "2026-06-01", "--reason", "x"], 2, "--reason, or --list"),
    (
        "an empty reason",
        ["van-1", "--from", "2026-06-01", "--to", "2026-06-02", "--reason", " "],
        2,
        "--reason: give 1 to",
    ),
    ("too long", ["van-1", "--from", "2026-06-01", "--to", "2026-07-03", "--reason", "x"], 2, "31 days"),
    ("no such van", ["van-9", "--from", "2026-06-01", "--to", "2026-06-02", "--reason", "x"], 1, "no data of a van"),
]


def test_what_cannot_be_corrected_says_why(agent: Agent) -> None:
    for title, words, status, why in WRONG:
        done = agent.command("correct", *words, check=False)
        assert done.returncode == status, title
        assert why in done.stderr, title
        assert done.stderr.count("\n") == 1, title


def test_a_request_of_a_correction_is_journaled_once(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", max_bytes=1 << 20)
    (batch,) = journal.append_corrections([(1234, b"{}")])
    assert (batch.received_ms, batch.messages[0].payload) == (1234, b"{}")
    journal.close()


def test_a_correction_that_cannot_be_entered_is_a_dead_letter_and_the_rest_goes_on() -> None:
    shard = make_shard()
    asked = Correction("van-9", 1, 2, 3, "wheel swapped", "ann")
    payloads = [b"{", json.dumps({"vehicle_id": "van-1"}).encode(), msgspec.json.encode(asked)]
    messages = [Message("", payload, qos=0, kind=MessageKind.CORRECTION) for payload in payloads]
    (topic, values), *_ = drive("van-1", start_ms=FIRST_MS)
    messages.append(Message(topic, json.dumps(values).encode()))
    out = shard.process(Batch(0, FIRST_MS, FIRST_MS, messages))
    assert [letter.reason for letter in out.dead_letters] == ["malformed", "malformed", "unknown_vehicle"]
    assert shard.counters.accepted == 1


def test_a_restart_in_the_middle_of_a_stretch_changes_nothing() -> None:
    """The same messages, once in one go and once with the vans' states encoded and read again behind each of them."""
    asked = Correction("van-1", FIRST_MS + LEFT_MS + 60_000, FIRST_MS + LEFT_MS + 300_000, FIRST_MS, "dyno", "ann")
    messages = [Message(topic, json.dumps(values).encode()) for topic, values in drive("van-1", start_ms=FIRST_MS)]
    messages.insert(60, Message("", msgspec.json.encode(asked), qos=0, kind=MessageKind.CORRECTION))
    batch = Batch(0, FIRST_MS + DAY_MS, FIRST_MS, messages)
    whole, restarted = make_shard(), make_shard()
    rows = whole.process(batch).rows
    kept: dict[str, bytes] = {}
    found: dict[str, list[Any]] = {}
    for number in range(len(messages)):
        for name, some in restarted.process(batch, number, number + 1).rows.items():
            found.setdefault(name, []).extend(row[1:] for row in some)
        for chunk in restarted.snapshot():
            kept |= chunk
        restarted = make_shard()
        restarted.restore(kept.items())
    assert found == {name: [row[1:] for row in each] for name, each in rows.items()}
    # From a minute behind the departure to its fifth: 24 readings of 0.1 km.
    distance = MEASUREMENTS["correction"].field_names.index("distance_km")
    assert sum(row[2 + distance] for row in rows["correction"]) == pytest.approx(2.4, abs=0.11)
