import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.__main__ import main
from agent.errors import Reason
from agent.journal import Journal
from agent.log import DeadLetter, StoreRefusal
from agent.messages import Message, MessageKind
from tests.servers.influxdb import MISSING, FrontEnd, InfluxServer, influx_server

MIB = 1 << 20


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "journal.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VANPULSE_JOURNAL__PATH", str(path))
    monkeypatch.setenv("VANPULSE_JOURNAL__MAX_BYTES", str(16 * MIB))
    monkeypatch.setenv("VANPULSE_STORE__URL", f"sqlite:///{tmp_path}/history.db")
    return path


def letter(offset: int, reason: Reason, payload: bytes = b"{}", topic: str = "vans/a/soc") -> DeadLetter:
    return DeadLetter(
        offset=offset, reason=reason, topic=topic, payload=payload, received_ms=1000 + offset, detail=f"why {offset}"
    )


LETTERS = [
    letter(0, "schema"),
    letter(1, "malformed", b"\xff\x00\x1b[31m"),
    letter(2, "too_old", b'{"time":1}'),
    letter(3, "oversize", b"x" * 500),
    letter(9, "schema", b'{"new":1}'),
]


@pytest.fixture
def journal(path: Path) -> Iterator[Journal]:
    """Open, as by a running agent; letter 9 is not behind the checkpoint yet."""
    journal = Journal.open(path, max_bytes=16 * MIB)
    journal.append([Message("t", b"")] * 10, received_ms=1, listening_since_ms=0)
    journal.add_dead_letters(LETTERS)
    journal.checkpoint(0, 5, {})
    yield journal
    journal.close()


def keys(journal: Journal) -> list[int]:
    return [found.offset for found in journal.dead_letters()]


def test_list_is_one_line_each_and_safe_for_a_terminal(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deadletters", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["0.0", "1.0", "2.0", "3.0", "9.0"]
    assert lines[0].split("\t")[1:] == ["1970-01-01T00:00:01.000Z", "schema", "'vans/a/soc'", "'why 0'", "'{}'"]
    assert all(line.isprintable() for text in lines for line in text.split("\t"))


def test_show_has_the_whole_payload(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deadletters", "show", "--reason", "oversize"]) == 0
    out = capsys.readouterr().out
    assert "x" * 500 in out
    assert out.count("key ") == 1
    assert main(["deadletters", "show", "1", "2.0"]) == 0
    assert capsys.readouterr().out.count("key ") == 2


def test_a_key_that_is_not_there(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deadletters", "show", "1", "77"]) == 1
    out, err = capsys.readouterr()
    assert out.count("key ") == 1
    assert err == "vanpulse: 1 of these keys have no dead letter. `deadletters list` prints all keys.\n"
    assert main(["deadletters", "list", "1", "--reason", "schema"]) == 1
    assert "no dead letter with reason schema" in capsys.readouterr().err


def test_store_refusals_are_listed_in_their_turn_with_a_key_of_their_own(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.add_refusals(
        [
            StoreRefusal(
                key=77, measurement="battery", line=b"battery soc_pct=1 5", newest_ms=2000, detail="type conflict"
            )
        ]
    )
    journal.add_dead_letters([letter(7, "schema")])
    assert main(["deadletters", "list"]) == 0
    lines = [line.split("\t") for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["0.0", "1.0", "2.0", "3.0", "9.0", "store.77", "7.0"]
    assert lines[5][1:] == [
        "1970-01-01T00:00:02.000Z",
        "rejected_by_store",
        "'battery'",
        "'type conflict'",
        "'battery soc_pct=1 5'",
    ]
    assert main(["deadletters", "list", "--reason", "rejected_by_store"]) == 0
    assert capsys.readouterr().out.split("\t")[0] == "store.77"
    assert main(["deadletters", "show", "store.77"]) == 0
    assert "key       store.77\n" in capsys.readouterr().out


def test_without_an_action(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["deadletters"])
    assert ended.value.code == 2
    assert "are required: action;" in capsys.readouterr().err


def test_jsonl(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deadletters", "list", "--format", "jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == {
        "key": "0.0",
        "received": "1970-01-01T00:00:01.000Z",
        "reason": "schema",
        "detail": "why 0",
        "topic": "vans/a/soc",
        "payload": "{}",
    }
    assert lines[1]["payload_base64"] == "/wAbWzMxbQ=="


def test_replay_while_no_agent_runs(journal: Journal, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal.close()
    assert main(["deadletters", "replay"]) == 1
    out, err = capsys.readouterr()
    assert out == "3 of 5 dead letters will be processed again\n"
    assert "1 with reason oversize are not replayed: only the beginning" in err
    assert "1 with reason schema are not replayed: their message is not checkpointed yet" in err
    again = Journal.open(path, max_bytes=16 * MIB)
    assert keys(again) == [3, 9]
    batches = again.read(10, max_messages=100)
    assert [(batch.received_ms, [m.payload for m in batch.messages]) for batch in batches] == [
        (1000, [LETTERS[0].payload]),
        (1001, [LETTERS[1].payload]),
        (1002, [LETTERS[2].payload]),
    ]
    again.close()


def test_replay_of_one_reason_while_the_agent_runs(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    found: list[Any] = []
    stop = threading.Event()

    def agent() -> None:
        while not stop.wait(0.05):
            found.extend(journal.tidy())

    thread = threading.Thread(target=agent)
    thread.start()
    try:
        assert main(["deadletters", "replay", "--reason", "too_old"]) == 0
    finally:
        stop.set()
        thread.join()
    assert capsys.readouterr().out == "1 of 1 dead letters will be processed again\n"
    (message,) = [message for batch in found for message in batch.messages]
    assert (message.topic, message.payload, message.kind) == ("vans/a/soc", b'{"time":1}', MessageKind.REPLAYED)
    assert keys(journal) == [0, 1, 3, 9]


def test_replay_of_lines_that_the_store_refused(
    path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not InfluxServer.is_installed():
        pytest.skip(MISSING)
    journal = Journal.open(path, max_bytes=16 * MIB)
    lines = [b"battery,vehicle_id=v soc_pct=1.0 1", b"battery,vehicle_id=v soc_pct=2.0 2"]
    refusals = [
        StoreRefusal(key=n + 1, measurement="battery", line=line, newest_ms=1000 + n, detail=f"why {n}")
        for n, line in enumerate(lines)
    ]
    journal.add_refusals(refusals)
    journal.close()
    with influx_server() as server:
        server.create_database("fleet")

        async def serve(work: Any) -> None:
            async with FrontEnd(server, refuses=lambda line: line.endswith(" 2")) as front_end:
                monkeypatch.setenv("VANPULSE_STORE__URL", front_end.store_url("fleet"))
                await asyncio.to_thread(work)

        asyncio.run(serve(lambda: main(["deadletters", "replay"])))
        assert capsys.readouterr().out == "1 of 2 dead letters will be processed again\n"
        assert server.query("SELECT soc_pct FROM battery", "fleet")[0]["values"] == [[1, 1]]
    journal = Journal.open(path, max_bytes=16 * MIB)
    assert list(journal.refusals()) == refusals[1:]
    journal.close()


def test_no_journal_yet(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["deadletters", "list"]) == 0
    assert "no journal" in capsys.readouterr().err
    assert not path.exists()
