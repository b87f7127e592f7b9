"""How much of a journal that fills up one sender may take."""

import pytest

from agent.log import LogStatus
from agent.messages import Message
from agent.shares import Shares

KIB = 1 << 10


def sender_of(topic: str) -> str | None:
    return topic.split("/")[1] if topic.startswith("vans/") else None


def message(sender: str, size: int) -> Message:
    """A message that counts for exactly this size: topic, payload and 16 bytes."""
    topic = f"vans/{sender}/soc"
    return Message(topic, b"x" * (size - len(topic) - 16))


class Filling:
    """A journal of 1 MiB that nobody empties."""

    def __init__(self, used: int = 0) -> None:
        self.status = LogStatus(max_bytes=1024 * KIB, bytes_used=used)
        self.shares = Shares(sender_of, self.status)
        self.taken: dict[str, int] = {}

    def send(self, sender: str, size: int = KIB) -> bool:
        taken = not self.shares.refuse([message(sender, size)]) and self.status.bytes_used + size <= 1024 * KIB
        if taken:
            self.status.bytes_used += size
            self.taken[sender] = self.taken.get(sender, 0) + size
        return taken


def test_a_flood_leaves_room_for_the_others() -> None:
    filling = Filling()
    for turn in range(20_000):
        filling.send("van-bad")
        if turn % 50 == 0:
            assert all(filling.send(f"van-{n}", 100) for n in range(20)) or turn > 10_000
    # 20 vans with 100 bytes each in 50 turns send 40 bytes a turn: 10,000 turns are 400 KB, of which none was refused.
    assert sum(size for sender, size in filling.taken.items() if sender != "van-bad") >= 400_000
    # The flood got what was free while nobody was counted, and later an eighth of what was left.
    assert filling.taken["van-bad"] < 600 * KIB
    refused = filling.shares.take_refused()
    assert refused["van-bad"] > 19_000
    assert filling.shares.take_refused() == {}


def test_where_all_send_alike_nobody_is_refused() -> None:
    filling = Filling()
    while all(filling.send(f"van-{n}") for n in range(10)):
        pass
    assert filling.status.bytes_used > 1023 * KIB
    assert filling.shares.take_refused() == {}


def test_one_sender_alone_has_all_the_room() -> None:
    filling = Filling()
    while filling.send("van-1"):
        pass
    assert filling.status.bytes_used > 1022 * KIB
    assert filling.shares.take_refused() == {}


def test_a_van_that_sends_some_times_as_much_as_others_is_no_flood() -> None:
    filling = Filling()
    while all(filling.send(f"van-{n}", 100) for n in range(30)) and filling.send("van-busy", 700):
        pass
    assert filling.status.bytes_used > 1020 * KIB
    assert filling.shares.take_refused() == {}


def test_an_emptied_journal_forgives() -> None:
    filling = Filling()
    for _ in range(2000):
        filling.send("van-bad")
        filling.send("van-1", 100)
    assert filling.shares.take_refused()["van-bad"] > 0
    filling.status.bytes_used = 100 * KIB
    assert filling.send("van-bad")
    filling.status.bytes_used = 500 * KIB
    assert filling.send("van-bad")


@pytest.mark.parametrize("topic", ["elsewhere/a", ""])
def test_a_topic_that_names_nobody_is_not_limited(topic: str) -> None:
    filling = Filling(used=1000 * KIB)
    assert filling.shares.refuse([Message(topic, b"x" * 5000)] * 100) == []
