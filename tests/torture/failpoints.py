"""The agent, which kills itself at a named point: `python -m tests.torture.failpoints NAME COUNT [FLAW]`.

The program has no such points. This module wraps its methods before it starts. A flaw is a defect that breaks the
guarantee; a test checks that the oracle finds it.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from agent import __main__ as entry
from agent.intake import Intake
from agent.journal import Journal
from agent.mqtt.base import Delivery
from agent.mqtt.session import Session
from agent.shard.output import ShardOutput
from agent.stores.compaction import Compaction
from agent.stores.influxdb import InfluxStore
from agent.stores.sqlite import SqliteStore
from agent.units import Unit
from agent.writer import Writer

_left = 0
_signal = signal.SIGKILL


def arm(count: int, number: signal.Signals = signal.SIGKILL) -> None:
    """Let the signal come at the COUNTth call of `die`."""
    global _left, _signal
    _left, _signal = count, number


def die() -> None:
    """Send the signal to this process at the COUNTth call. A process that was only stopped is not stopped again."""
    global _left
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), _signal)


def before(kind: type, name: str) -> None:
    """Die before the method does anything."""
    original: Callable[..., Any] = getattr(kind, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        die()
        return original(self, *args, **kwargs)

    setattr(kind, name, wrapped)


def after(kind: type, name: str) -> None:
    """Die when the method has done its work, before its caller learns of it."""
    original: Callable[..., Any] = getattr(kind, name)

    def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        die()
        return result

    setattr(kind, name, wrapped)


def after_awaited(kind: type, name: str) -> None:
    """The same for a coroutine."""
    original: Callable[..., Any] = getattr(kind, name)

    async def wrapped(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = await original(self, *args, **kwargs)
        die()
        return result

    setattr(kind, name, wrapped)


def inside_checkpoint() -> None:
    """Die in the middle of a checkpoint's transaction, at its last statement before the commit."""
    original = Journal.checkpoint

    def wrapped(self: Journal, *args: Any, **kwargs: Any) -> bool:
        def trace(statement: str) -> None:
            if statement.lstrip().upper().startswith("DELETE FROM BATCHES"):
                die()

        self._connection.set_trace_callback(trace)
        deleted = original(self, *args, **kwargs)
        self._connection.set_trace_callback(None)
        return deleted

    Journal.checkpoint = wrapped  # type: ignore[method-assign]


def around_writes(wrap: Callable[[type, str], None]) -> None:
    """The same point in every store."""
    wrap(SqliteStore, "write")
    wrap(InfluxStore, "write")


POINTS: dict[str, Callable[[], None]] = {
    "received, not committed": lambda: before(Journal, "append"),
    "committed, not acknowledged": lambda: after(Journal, "append"),
    "acknowledged, not processed": lambda: after(Session, "acknowledge"),
    "processed, not written": lambda: after(ShardOutput, "take_rows"),
    "written, not checkpointed": lambda: around_writes(after_awaited),
    "before a checkpoint": lambda: before(Journal, "checkpoint"),
    "inside a checkpoint": inside_checkpoint,
    "after a checkpoint": lambda: after(Journal, "checkpoint"),
}


CLOSING: dict[str, Callable[[], None]] = {
    "before days of some vans are closed": lambda: before(Compaction, "_close_series"),
    "days of some vans are closed": lambda: after(Compaction, "_close_series"),
    "before closed points are deleted": lambda: before(Compaction, "_delete_some"),
    "some closed points are deleted": lambda: after(Compaction, "_delete_some"),
}
"""Points in the compaction of the history file."""


def acknowledge_before_the_commit() -> None:
    """Acknowledge before the commit, as most clients do: the only copy of the message is then in memory."""
    original = Intake.on_delivery

    def wrapped(self: Intake, delivery: Delivery) -> None:
        self._receiver.acknowledge(delivery)
        original(self, Delivery(delivery.messages, [], delivery.generation))

    Intake.on_delivery = wrapped  # type: ignore[method-assign]


def checkpoint_before_the_store() -> None:
    """Checkpoint rows that the store has not confirmed."""
    original = Writer._write

    async def wrapped(self: Writer, unit: Unit) -> Any:
        if unit.states is not None:
            await self._log.checkpoint(0, unit.end, unit.states)
        return await original(self, unit)

    Writer._write = wrapped  # type: ignore[method-assign]


def forget_states() -> None:
    """Checkpoint the offset without the states of the vans."""
    original = Journal.checkpoint

    def wrapped(self: Journal, shard: int, offset: int, states: Any) -> bool:
        kept = dict(list(states.items())[::2])
        return original(self, shard, offset, kept)

    Journal.checkpoint = wrapped  # type: ignore[method-assign]


FLAWS: dict[str, Callable[[], None]] = {
    "acknowledges before the commit": acknowledge_before_the_commit,
    "checkpoints before the store": checkpoint_before_the_store,
    "forgets states": forget_states,
}


def main() -> int:
    """Arm the point and run the agent."""
    name, count, *flaws = sys.argv[1:]
    arm(int(count))
    for flaw in flaws:
        FLAWS[flaw]()
    (POINTS | CLOSING)[name]()
    return entry.main(["run"])


if __name__ == "__main__":
    sys.exit(main())
