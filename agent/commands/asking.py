"""How a command has the running agent change its journal, which nobody else may write."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent.journal import requests
from agent.journal.requests import Request

_ASK_SECONDS: Final = 40.0


def ask_agent(path: Path, request: Request) -> bool:
    """Leave the request and wait until it was carried out; says so on stderr and returns False where it was not."""
    return _wait(lambda: requests.ask(path, request), "an earlier request still waits for the agent") and _wait(
        lambda: not requests.waits(path), "the agent has not taken the request; it will when it gets to it"
    )


def _wait(condition: Callable[[], bool], otherwise: str) -> bool:
    deadline = time.monotonic() + _ASK_SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.stderr.write(f"vanpulse: {otherwise}\n")
            return False
        time.sleep(0.1)
    return True
