"""The listener runs on uvloop, as in the agent."""

import asyncio
from collections.abc import Callable, Mapping

import uvloop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loops of these tests."""
    return {"uvloop": uvloop.new_event_loop}
