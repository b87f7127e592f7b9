"""Messages of our own in the log."""

from agent.messages import Batch, Message, MessageKind, tick_message, tick_times

BATCH = Batch(0, 5_000, 2_000, [])


def test_a_tick_says_since_when_its_sender_has_listened() -> None:
    tick = tick_message(5_000, 1_000)
    assert (tick.kind, tick.topic, tick.qos) == (MessageKind.TICK, "", 0)
    assert tick_times(tick, BATCH) == (5_000, 1_000)


def test_a_tick_of_an_older_journal_goes_by_its_batch() -> None:
    assert tick_times(Message("", b"5000", qos=0, kind=MessageKind.TICK), BATCH) == (5_000, 2_000)
