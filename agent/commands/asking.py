"""Requests to the running agent: while it has the journal open, only the agent may change it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.journal import Request, ask, is_waiting

_ASK_SECONDS: Final = 40.0


def ask_agent(path: Path, request: Request) -> bool:
    """Leave a request for the agent and wait until it is carried out. Returns False, after a line on stderr, if not."""
    return _wait(lambda: ask(path, request), "an earlier request still waits for the agent: try again later") and _wait(
        lambda: not is_waiting(path), "the agent has not carried out the request yet; it will do so later"
    )


def _wait(condition: Callable[[], bool], otherwise: str) -> bool:
    deadline = time.monotonic() + _ASK_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.stderr.write(f"vanpulse: {otherwise}\n")
            return False
        time.sleep(0.1)
    return True
