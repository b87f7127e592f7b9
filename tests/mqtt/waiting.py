"""Waits for a condition, never for a fixed time."""

import asyncio
from collections.abc import Callable

WITHIN_S = 60.0


async def until(condition: Callable[[], object], *, within_s: float = WITHIN_S) -> None:
    """Return once `condition()` is true; TimeoutError if it does not become so."""
    async with asyncio.timeout(within_s):
        while True:
            if condition():
                return
            await asyncio.sleep(0.002)
