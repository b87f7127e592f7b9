"""The agent as it is, but killing itself at a named point: `python -m tests.torture.failpoints NAME COUNT run`.

The program itself has no such points: they are put around its methods here, before it starts.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from agent import __main__ as entry
from agent.journal import Journal
from agent.mqtt.session import Mqtt5Receiver
from agent.processor import Processor
from agent.stores.influxdb import InfluxStore
from agent.stores.sqlite import SqliteStore

_left = 0


def die() -> None:
    """SIGKILL at the COUNTth call."""
    global _left  # noqa: PLW0603  # one countdown for the whole process
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)


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

    def wrapped(self: Journal, *args: Any, **kwargs: Any) -> None:
        def trace(statement: str) -> None:
            if statement.lstrip().upper().startswith("DELETE FROM BATCHES"):
                die()

        self._connection.set_trace_callback(trace)
        original(self, *args, **kwargs)
        self._connection.set_trace_callback(None)

    Journal.checkpoint = wrapped  # type: ignore[method-assign]


def around_writes(wrap: Callable[[type, str], None]) -> None:
    """The same point in every store."""
    wrap(SqliteStore, "write")
    wrap(InfluxStore, "write")


POINTS: dict[str, Callable[[], None]] = {
    "received, not committed": lambda: before(Journal, "append"),
    "committed, not acknowledged": lambda: after(Journal, "append"),
    "acknowledged, not processed": lambda: after(Mqtt5Receiver, "acknowledge"),
    "processed, not written": lambda: after(Processor, "take_rows"),
    "written, not checkpointed": lambda: around_writes(after_awaited),
    "before a checkpoint": lambda: before(Journal, "checkpoint"),
    "inside a checkpoint": inside_checkpoint,
    "after a checkpoint": lambda: after(Journal, "checkpoint"),
}


def main() -> int:
    """Arm the point and be the agent."""
    global _left  # noqa: PLW0603
    name, count, *words = sys.argv[1:]
    _left = int(count)
    POINTS[name]()
    return entry.main(words)


if __name__ == "__main__":
    sys.exit(main())
