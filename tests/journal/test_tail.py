"""The newest batches in memory."""

from agent.journal.tail import TAIL_BYTES, TAIL_MESSAGES, Tail
from agent.messages import Batch, Message


def test_the_tail_is_bounded_by_messages_and_by_bytes() -> None:
    tail = Tail(0)
    for number in range(TAIL_MESSAGES + 10):
        tail.add(Batch(number, 1, 1, [Message("t", b"")]))
    assert tail.end == TAIL_MESSAGES + 10
    assert tail.take(0) is None
    assert tail.take(TAIL_MESSAGES) is not None
    assert tail.take(TAIL_MESSAGES - 1) is None  # older ones have been let go
    tail.add(Batch(TAIL_MESSAGES + 10, 1, 1, [Message("t", b"x" * (TAIL_BYTES + 1))]))
    assert tail.take(TAIL_MESSAGES + 10) is None
    assert tail.end == TAIL_MESSAGES + 11


def test_the_tail_gives_the_rest_of_a_batch() -> None:
    tail = Tail(0)
    batch = Batch(0, 1, 1, [Message("t", b"")] * 10)
    tail.add(batch)
    assert tail.take(0) == batch
    assert tail.take(5) == Batch(5, 1, 1, [Message("t", b"")] * 5)
    assert tail.take(10) is None


def test_the_tail_knows_only_what_was_committed_since_the_start() -> None:
    tail = Tail(100)
    assert (tail.take(0), tail.take(100)) == (None, None)
    batch = Batch(100, 1, 1, [Message("t", b"")])
    tail.add(batch)
    assert tail.take(99) is None
    assert tail.take(100) == batch


def test_a_batch_that_was_missed_is_left_to_the_file() -> None:
    tail = Tail(0)
    tail.add(Batch(0, 1, 1, [Message("t", b"")]))
    batch = Batch(2, 1, 1, [Message("t", b"")])  # whoever appended message 1 was cancelled
    tail.add(batch)
    assert [tail.take(offset) for offset in (0, 1, 2)] == [None, None, batch]
