import contextlib
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from agent.errors import LogFull, SettingsError
from agent.journal import Journal, JournalInUse, JournalReader
from agent.journal import requests as journal_requests
from agent.log import StoreRefusal
from agent.messages import Batch, Message, MessageKind
from tests.journal.journals import MIB, letter, load, messages, open_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.db"


def test_appended_batches_are_read_back(path: Path) -> None:
    journal = open_journal(path)
    first = journal.append(messages("a", "b"), received_ms=10, listening_since_ms=5)
    second = journal.append([Message("", b"11", qos=0, kind=MessageKind.TICK)], received_ms=11, listening_since_ms=5)
    assert (first.offset, second.offset, second.end) == (0, 2, 3)
    assert journal.read(0, max_messages=100) == [first, second]
    assert journal.read(1, max_messages=100) == [Batch(1, 10, 5, messages("b")), second]
    assert journal.read(0, max_messages=1) == [first]
    assert journal.read(3, max_messages=1) == []
    journal.close()


def test_what_was_appended_is_there_after_opening_again(path: Path) -> None:
    journal = open_journal(path)
    batch = journal.append(messages("a"), received_ms=1, listening_since_ms=0)
    journal.close()
    journal = open_journal(path)
    assert journal.read(0, max_messages=9) == [batch]
    assert journal.append(messages("b"), received_ms=2, listening_since_ms=0).offset == 1
    journal.close()


def test_checkpoint_deletes_what_is_consumed_and_keeps_states(path: Path) -> None:
    journal = open_journal(path)
    journal.append(messages("a", "b"), received_ms=1, listening_since_ms=0)
    second = journal.append(messages("c", "d"), received_ms=2, listening_since_ms=0)
    journal.checkpoint(0, 3, {"a": b"1", "b": b"2"})
    journal.checkpoint(0, 3, {"b": b"3"})
    journal.close()
    journal = open_journal(path)
    assert load(journal) == (3, {"a": b"1", "b": b"3"})
    assert journal.read(0, max_messages=9) == [second]
    assert journal.status.oldest_received_ms == 2
    journal.close()


def test_offsets_go_on_after_the_journal_was_drained(path: Path) -> None:
    for start in (0, 3, 6):
        journal = open_journal(path)
        batch = journal.append(messages("a", "b", "c"), received_ms=1, listening_since_ms=0)
        assert batch.offset == start
        journal.checkpoint(0, batch.end, {})
        assert journal.status.oldest_received_ms is None
        journal.close()


def test_full_journal_refuses_and_is_usable_again_after_a_checkpoint(path: Path) -> None:
    journal = open_journal(path, max_bytes=MIB)
    batches = fill(journal)
    with pytest.raises(LogFull):
        journal.append(messages("x", size=50_000), received_ms=1, listening_since_ms=0)
    assert journal.status.full_since_s is not None
    assert journal.read(0, max_messages=10_000) == batches
    journal.checkpoint(0, batches[5].end, {"a": b"s"})
    batch = journal.append(messages("x", size=50_000), received_ms=1, listening_since_ms=0)
    assert batch.offset == batches[-1].end
    assert journal.status.full_since_s is None
    assert journal.status.bytes_used <= MIB
    journal.close()
    assert path.stat().st_size <= MIB


def fill(journal: Journal) -> list[Batch]:
    batches: list[Batch] = []
    with contextlib.suppress(LogFull):
        while len(batches) < 10_000:
            number = len(batches)
            batch = journal.append(messages(f"{number}", size=50_000), received_ms=number, listening_since_ms=0)
            batches.append(batch)
    return batches


def test_drop_oldest_keeps_the_newest_and_counts_what_is_gone(path: Path) -> None:
    journal = open_journal(path, max_bytes=MIB, when_full="drop_oldest")
    journal.checkpoint(0, 2, {})
    for number in range(100):
        journal.append(messages(f"{number}", size=50_000), received_ms=number, listening_since_ms=0)
        journal.tidy()
    kept = journal.read(2, max_messages=1000)
    assert kept[-1].received_ms == 99
    assert 10 < len(kept) < 22
    assert [batch.offset for batch in kept] == list(range(kept[0].offset, 102))
    assert journal.status.dropped_messages == 100 - len(kept)
    assert journal.status.oldest_received_ms == kept[0].received_ms
    with pytest.raises(LogFull):
        journal.append(messages("huge", size=2 * MIB), received_ms=1, listening_since_ms=0)
    assert journal.read(2, max_messages=1000) == kept
    journal.close()


def test_only_one_agent_can_have_it(path: Path) -> None:
    journal = open_journal(path)
    with pytest.raises(JournalInUse):
        open_journal(path)
    journal.close()
    open_journal(path).close()


def test_the_file_is_for_nobody_else(path: Path) -> None:
    journal = open_journal(path)
    journal.append(messages("a"), received_ms=1, listening_since_ms=0)
    for file in path.parent.iterdir():
        assert file.stat().st_mode & 0o077 == 0, file
    journal.close()


def test_settings_are_checked(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"journal\.max_bytes"):
        open_journal(tmp_path / "j.db", max_bytes=1000)
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"journal\.path"):
        open_journal(tmp_path / "file" / "j.db")


# -- dead letters


def test_dead_letters_are_kept_once(path: Path) -> None:
    journal = open_journal(path)
    letters = [letter(4), letter(4, 1, reason="out_of_range"), letter(5)]
    refusal = StoreRefusal(
        key=77, measurement="battery", line=b"battery soc_pct=1", newest_ms=7, detail="type conflict"
    )
    journal.add_dead_letters(letters[:2])
    journal.add_refusals([refusal])
    journal.add_dead_letters(letters[2:])
    journal.add_refusals([refusal])
    journal.add_dead_letters([letter(4, detail="other words"), letter(5)])
    assert list(journal.dead_letters()) == letters
    assert list(journal.dead_letters("out_of_range")) == [letters[1]]
    assert journal.status.dead_letters == 4
    with JournalReader(path) as reader:
        assert list(reader.dead_letters()) == letters
        assert reader.reasons() == {"out_of_range": 1, "rejected_by_store": 1, "schema": 2}
        assert reader.dead_letters_by_key([(5, 0), (9, 9)]) == [letters[2]]
        assert reader.refusals_by_key([77, 78]) == [refusal]
        assert list(reader.letters_and_refusals()) == [*letters[:2], refusal, letters[2]]
        assert list(reader.letters_and_refusals("rejected_by_store")) == [refusal]
        assert list(reader.letters_and_refusals("schema")) == [letters[0], letters[2]]
    journal.remove_refusals([77, 78])
    assert list(journal.refusals()) == []
    assert journal.status.dead_letters == 3
    journal.close()


def test_the_oldest_dead_letters_make_room(path: Path) -> None:
    journal = open_journal(path, dead_letter_bytes=100_000)
    for number in range(50):
        journal.add_dead_letters([letter(number, payload=b"p" * 5000)])
    kept = [found.offset for found in journal.dead_letters()]
    assert kept == list(range(kept[0], 50))
    assert journal.status.dead_letters_evicted == kept[0] > 25
    assert journal.status.dead_letter_bytes <= 100_000
    journal.add_dead_letters([letter(60, payload=b"p" * 80_000)])
    (*_, last) = journal.dead_letters()
    assert len(last.payload) == 12_500
    assert "was 80000 bytes" in last.detail
    journal.close()


def test_replayed_letters_become_messages_with_their_arrival_time(path: Path) -> None:
    journal = open_journal(path)
    end = journal.append(messages(*"abcdef"), received_ms=7, listening_since_ms=0).end
    letters = [
        letter(0, received_ms=8, payload=b"late", retained=True),
        letter(1),
        letter(2, 0, payload=b"[1,2]"),
        letter(2, 1, payload=b"[1,2]"),
        letter(3, reason="journal_corrupt"),
        letter(end, payload=b"not below the checkpoint"),
    ]
    journal.add_dead_letters(letters)
    journal.checkpoint(0, end, {})
    appended = journal.replay_dead_letters([found.key for found in letters] + [(99, 0)], now_ms=50)
    again = {"kind": MessageKind.REPLAYED, "other_arrival_ms": 50}
    assert appended == [
        Batch(6, 7, 7, [Message("vans/a/soc", b"{}", **again), Message("vans/a/soc", b"[1,2]", **again)]),
        Batch(8, 8, 8, [Message("vans/a/soc", b"late", retained=True, **again)]),
    ]
    assert journal.read(6, max_messages=99) == appended
    assert list(journal.dead_letters()) == letters[4:]
    assert journal.append(messages("g"), received_ms=9, listening_since_ms=0).offset == 9
    journal.close()


def test_a_request_left_by_a_command_is_carried_out_between_batches(path: Path) -> None:
    journal = open_journal(path)
    end = journal.append(messages(*"abc"), received_ms=7, listening_since_ms=0).end
    journal.add_dead_letters([letter(0), letter(2)])
    refusals = [
        StoreRefusal(key=key, measurement="battery", line=b"%d" % key, newest_ms=7, detail="") for key in (77, 78)
    ]
    journal.add_refusals(refusals)
    journal.checkpoint(0, end, {})
    assert journal_requests.ask(path, journal_requests.Request(replay=[(0, 0)], remove_refusals=[77]))
    assert not journal_requests.ask(path, journal_requests.Request(replay=[(2, 0)]))
    assert journal_requests.is_waiting(path)
    (batch,) = journal.tidy()
    (message,) = batch.messages
    assert (message.topic, message.payload, message.kind) == ("vans/a/soc", b"{}", MessageKind.REPLAYED)
    assert list(journal.dead_letters()) == [letter(2)]
    assert list(journal.refusals()) == refusals[1:]
    assert not journal_requests.is_waiting(path)
    journal.close()


def test_what_a_request_has_committed_is_handed_on_although_the_journal_fills_up(path: Path) -> None:
    journal = open_journal(path, max_bytes=MIB)
    request = journal_requests.Request(corrections=[(7, b"small"), (8, b"x" * 2 * MIB)])
    assert journal_requests.ask(path, request)
    (batch,) = journal.tidy()
    assert [message.payload for message in batch.messages] == [b"small"]
    assert journal.read(batch.offset, max_messages=10) == [batch]
    assert journal_requests.is_waiting(path)
    journal.close()


# -- the WAL


def test_the_wal_is_moved_between_batches_and_stays_small(path: Path) -> None:
    journal = open_journal(path)
    wal = path.with_name("journal.db-wal")
    for number in range(300):
        batch = journal.append(messages("a", size=40_000), received_ms=number, listening_since_ms=0)
        journal.tidy()
        if number % 10 == 9:
            journal.checkpoint(0, batch.end, {})
    assert wal.stat().st_size < 4 * MIB
    journal.close()


def test_a_reader_does_not_stop_the_writer(path: Path) -> None:
    journal = open_journal(path)
    journal.add_dead_letters([letter(number) for number in range(1000)])
    with JournalReader(path) as reader:
        reading = reader.dead_letters()
        next(reading)
        for _ in range(10):
            journal.append(messages("a"), received_ms=1, listening_since_ms=0)
        assert sum(1 for _ in reading) == 999
        assert reader.position() == (0, 10)
        assert reader.bytes_used() > 0
    journal.close()


def test_the_status_can_be_read_from_another_thread(path: Path) -> None:
    journal = open_journal(path)
    journal.append(messages("a", "b"), received_ms=5, listening_since_ms=0)
    seen: list[tuple[int, int, float]] = []

    def look() -> None:
        status = journal.status
        seen.append((status.appended_messages, status.next_offset, status.commit_seconds))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    ((appended, next_offset, commit_seconds),) = seen
    assert (appended, next_offset) == (2, 2)
    assert commit_seconds > 0
    journal.close()


# -- a process that is killed

WRITER = """
import sys
from agent.journal import Journal
from agent.messages import Message
journal = Journal.open(sys.argv[1], max_bytes=16 << 20, reserve_bytes=0)
number = journal.status.next_offset
while True:
    messages = [Message("t", b"%d" % n) for n in range(number, number + 5)]
    batch = journal.append(messages, received_ms=1, listening_since_ms=0)
    number = batch.end
    print(number, flush=True)
    if number % 50 == 0:
        end = number - 13
        journal.checkpoint(0, end, {"v": b"%d" % end})
        print(-end, flush=True)
    journal.tidy()
"""


@pytest.mark.timeout(300)  # more than a thousand syncs, which a disk may take its time for
def test_nothing_reported_as_committed_is_lost_when_the_writer_is_killed(path: Path) -> None:
    rounds = 8
    for number in range(rounds):
        with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            reported = [int(child.stdout.readline()) for _ in range(40 + 37 * number)]
            child.send_signal(signal.SIGKILL)
            reported += [int(line) for line in child.stdout.read().split()]
        journal = open_journal(path)
        end, checkpoint = max(reported), -min(0, *reported)
        assert journal.status.next_offset >= end
        offset, states = load(journal)
        assert offset >= checkpoint
        if offset:
            assert states == {"v": b"%d" % offset}
        kept = [message.payload for batch in journal.read(offset, max_messages=10**6) for message in batch.messages]
        assert kept == [b"%d" % n for n in range(offset, journal.status.next_offset)]
        journal.close()
