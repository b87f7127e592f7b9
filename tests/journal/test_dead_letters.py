"""Dead letters have a bounded place, and every sender a fair share of it."""

import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from agent.journal import Journal, JournalReader, schema
from agent.journal.dead_letters import DeadLetterTable
from agent.journal.file import beside
from agent.journal.losses import Loss, LossTable
from agent.log import DeadLetter
from tests.journal.wal import largest_transaction_bytes

MIB = 1 << 20
KIB = 1 << 10


def letter(offset: int, sender: str, size: int) -> DeadLetter:
    """A letter that counts for exactly `size` bytes: 100 of them are overhead."""
    payload = b"p" * (size - 100 - len("t") - len("d") - len(sender))
    return DeadLetter(
        offset=offset, reason="schema", topic="t", payload=payload, received_ms=1, detail="d", sender=sender
    )


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal.open(tmp_path / "journal.db", max_bytes=16 * MIB, reserve_bytes=0, dead_letter_bytes=100 * KIB)


def kept(journal: Journal) -> Counter[str]:
    return Counter(found.sender for found in journal.dead_letters())


def test_a_flood_replaces_its_own_letters(journal: Journal) -> None:
    journal.add_dead_letters([letter(n, "van-good", KIB) for n in range(10)])
    for n in range(100, 1100):
        journal.add_dead_letters([letter(n, "van-bad", 2 * KIB)])
    # 100 KiB hold the 10 KiB of the good van, and at most 45 letters of the other.
    assert kept(journal)["van-good"] == 10
    assert 40 <= kept(journal)["van-bad"] <= 45
    bad = [found.offset for found in journal.dead_letters() if found.sender == "van-bad"]
    assert bad == list(range(bad[0], 1100))
    with JournalReader(journal.path) as reader:
        assert reader.losses() == {"van-bad": Loss(letters=1000 - len(bad))}
    assert journal.status.dead_letters_evicted == 1000 - len(bad)


def test_who_comes_after_a_flood_gets_room_from_it(journal: Journal) -> None:
    journal.add_dead_letters([letter(n, "van-bad", 2 * KIB) for n in range(200)])
    journal.add_dead_letters([letter(1000 + n, "van-good", KIB) for n in range(20)])
    assert kept(journal)["van-good"] == 20
    assert journal.status.dead_letter_bytes <= 100 * KIB
    # Until the two have as much: then each gives up its own.
    journal.add_dead_letters([letter(2000 + n, "van-good", KIB) for n in range(200)])
    assert 38 <= kept(journal)["van-good"] <= 51
    assert 20 <= kept(journal)["van-bad"] <= 25


def test_shares_are_known_after_a_restart(journal: Journal) -> None:
    journal.add_dead_letters([letter(n, "van-good", KIB) for n in range(10)])
    journal.add_dead_letters([letter(100 + n, "van-bad", KIB) for n in range(150)])
    journal.close()
    again = Journal.open(journal.path, max_bytes=16 * MIB, reserve_bytes=0, dead_letter_bytes=100 * KIB)
    lost = again.status.dead_letters_evicted
    assert lost == 160 - again.status.dead_letters
    again.add_dead_letters([letter(1000 + n, "van-bad", KIB) for n in range(150)])
    assert kept(again)["van-good"] == 10
    assert again.status.dead_letters_evicted > lost
    again.close()


def test_one_transaction_takes_a_bounded_number_of_bytes(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal.db", max_bytes=64 * MIB, reserve_bytes=0, dead_letter_bytes=16 * MIB)
    journal.add_dead_letters([letter(n, "van-bad", 60_000) for n in range(400)])
    # 24 MB of letters at once: a transaction holds 1 MiB of them, and some pages of indexes and of free pages.
    assert largest_transaction_bytes(beside(journal.path, "wal")) < 1.5 * MIB
    assert journal.status.dead_letter_bytes <= 16 * MIB
    assert journal.path.stat().st_size < 18 * MIB
    assert beside(journal.path, "wal").stat().st_size < 6 * MIB
    journal.close()


def test_senders_are_bounded(journal: Journal) -> None:
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema.TABLES)
    table = DeadLetterTable(connection, 100 * KIB, max_senders=5)
    table.add([letter(n, f"van-{n}", KIB) for n in range(9)])
    rows = connection.execute("SELECT sender, count(*) FROM dead_letters GROUP BY sender ORDER BY sender").fetchall()
    assert rows == [("", 4), *[(f"van-{n}", 1) for n in range(5)]]


def test_the_worst_losers_have_a_row_and_the_rest_share_one() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE losses (sender TEXT PRIMARY KEY, letters INTEGER, messages INTEGER)")
    table = LossTable(connection, max_rows=3)
    table.add({"a": Loss(letters=100), "b": Loss(messages=5), "c": Loss(letters=1, messages=1)})
    table.add({"d": Loss(letters=1), "e": Loss(letters=7), "a": Loss(letters=1)})
    again = LossTable(connection)
    assert table.letters == again.letters == 110
    rows = connection.execute("SELECT * FROM losses ORDER BY sender").fetchall()
    # c (2) gives way to d, which with its 1 gives way to e.
    assert rows == [("", 2, 1), ("a", 101, 0), ("b", 0, 5), ("e", 7, 0)]
