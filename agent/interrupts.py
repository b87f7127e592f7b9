"""Ctrl-C while modules are loaded."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Ctrl-C in here ends the process at once, without a `KeyboardInterrupt`.

    Python drops one that is raised in a destructor or in a weak reference's callback, and whoever imports with a
    fallback may take it for a module that is not there. Where the signal is ignored or handled already, it stays so.
    """
    handled = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if handled or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
