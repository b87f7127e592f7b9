"""One store for several writers: what one of them learns of it holds for all."""

import pytest

from agent.errors import StoreUnavailable
from agent.points.rows import Rows, empty_rows
from agent.shared_store import SharedStore
from agent.stores.base import RejectedRow


class Store:
    """Keeps what is written; fails with what is set."""

    def __init__(self) -> None:
        self.written: list[Rows] = []
        self.error: StoreUnavailable | None = None

    async def open(self) -> None: ...

    async def write(self, rows: Rows) -> list[RejectedRow]:
        if self.error is not None:
            raise self.error
        self.written.append(rows)
        return []

    async def check(self) -> None: ...

    async def close(self) -> None: ...


@pytest.mark.parametrize(
    ("durable_after_s", "has_forgotten", "others_hear"),
    [(0.0, True, True), (60.0, False, True), (0.0, False, False)],
)
async def test_every_writer_hears_once_of_a_loss_that_one_of_them_has_met(
    *, durable_after_s: float, has_forgotten: bool, others_hear: bool
) -> None:
    store = Store()
    shared = SharedStore(store, durable_after_s=durable_after_s)
    first, second = shared.view(), shared.view()
    store.error = StoreUnavailable("gone", has_forgotten=has_forgotten)
    with pytest.raises(StoreUnavailable):
        await first.write(empty_rows())
    store.error = None
    await first.write(empty_rows())
    if others_hear:
        with pytest.raises(StoreUnavailable) as heard:
            await second.write(empty_rows())
        assert heard.value.has_forgotten
    await second.write(empty_rows())
    await shared.view().write(empty_rows())
    assert len(store.written) == 3
