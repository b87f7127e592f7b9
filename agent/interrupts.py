"""Ctrl-C while modules are imported."""

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within this block, Ctrl-C ends the process at once, without a `KeyboardInterrupt`.

    Python drops a `KeyboardInterrupt` that is raised in a destructor or a weak reference's callback, and an import with
    a fallback may take it for a missing module. A signal that is already ignored or handled stays so.
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
