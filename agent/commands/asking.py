"""Requests to the running agent: while it has the journal open, only the agent may change it."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.journal import Request, ask, is_waiting

_ASK_SECONDS: Final = 40.0

STILL_WAITING: Final = "an earlier request still waits for the agent: try again later"


def ask_agent(path: Path, request: Request) -> bool:
    """Leave a request for the agent and wait until it is carried out. Returns False, after a line on stderr, if not."""
    if not leave_request(path, request):
        sys.stderr.write(f"vanpulse: {STILL_WAITING}\n")
        return False
    if not wait_until_carried_out(path):
        sys.stderr.write("vanpulse: the agent has not carried out the request yet; it will do so later\n")
        return False
    return True


def leave_request(path: Path, request: Request) -> bool:
    """Leave a request for the agent. Returns False if an earlier request was not taken up in time."""
    return _within_time(lambda: ask(path, request))


def wait_until_carried_out(path: Path) -> bool:
    """Wait for the agent to carry out the request. Returns False if it has not done so in time."""
    return _within_time(lambda: not is_waiting(path))


def _within_time(condition: Callable[[], bool]) -> bool:
    deadline_s = time.monotonic() + _ASK_SECONDS
    while not condition():
        if time.monotonic() > deadline_s:
            return False
        time.sleep(0.1)
    return True
