"""Ctrl-C while modules are loaded.

Python drops a `KeyboardInterrupt` that is raised in a destructor or a weak reference's callback, and whoever imports
with a fallback may take it for a module that is not there.
"""

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import NoReturn


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in here ends the command, even where a module that is being loaded swallows it or stumbles over it."""
    ignored = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    interrupted = False

    def on_interrupt(_number: int, _frame: object) -> NoReturn:
        nonlocal interrupted
        interrupted = True
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if interrupted:
            raise KeyboardInterrupt
