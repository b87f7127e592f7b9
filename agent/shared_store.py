"""One store for several writers of one process: one write at a time, and what one of them learns holds for all."""

import asyncio

from agent.errors import StoreUnavailable
from agent.points.rows import Rows
from agent.stores.base import RejectedRow, Store


class SharedStore:
    """Owns the store and makes a view of it for each writer."""

    def __init__(self, store: Store, *, durable_after_s: float = 0.0) -> None:
        self.durable_after_s = durable_after_s
        self.losses = 0
        """How often the store may have lost what it had confirmed."""
        self.store = store
        self.lock = asyncio.Lock()

    def view(self) -> "StoreView":
        """The store for one more writer."""
        return StoreView(self)


class StoreView:
    """`Store` for one writer. Whoever owns the shared store opens and closes it."""

    def __init__(self, shared: SharedStore) -> None:
        self._shared = shared
        self._losses = shared.losses

    async def open(self) -> None:
        """The shared store is open."""

    async def write(self, rows: Rows) -> list[RejectedRow]:
        """Write when it is our turn. Raises `StoreUnavailable` also for a loss that another writer has met."""
        shared = self._shared
        async with shared.lock:
            if self._losses != shared.losses:
                self._losses = shared.losses
                raise StoreUnavailable("the store may have lost what it confirmed", retry_after_s=0, has_forgotten=True)
            try:
                return await shared.store.write(rows)
            except StoreUnavailable as error:
                if error.has_forgotten or shared.durable_after_s:
                    shared.losses += 1
                    self._losses = shared.losses
                raise

    async def check(self) -> None:
        """Check the shared store."""
        await self._shared.store.check()

    async def close(self) -> None:
        """The shared store stays open."""
