"""What happens when this program itself fails at a van: three tries, then the message is set aside.

A failed step may leave a van half-changed. To copy every van before every step would cost as much as the step itself.
So a van is in one of three states:

* normal: worked on without a copy.
* broken: a step has failed. Nothing of the van is taken any more until the shard is restored from the last checkpoint
  and everything since is worked through again.
* watched: it has been broken once. It is copied before each step, and the copy replaces it after a failure.

When many vans have failed, all vans are watched, so that restoring stays rare.
"""

from collections.abc import Callable
from typing import Final

from agent.errors import Rejected
from agent.fleet import decode_state, encode_state, new_state
from agent.shard.registry import VanRegistry

TRIES: Final = 3
WATCH_ALL_FROM: Final = 8
"""All vans are watched once so many have failed."""


class VanFailed(Exception):
    """Working on this van failed, at a reading or a tick of this time; `__cause__` is the error."""

    def __init__(self, vehicle_id: str, time_ms: int) -> None:
        super().__init__(vehicle_id)
        self.vehicle_id = vehicle_id
        self.time_ms = time_ms


class Care:
    """Knows which vans are broken and which are watched, and works on those that are watched."""

    def __init__(self, vans: VanRegistry) -> None:
        self.broken: set[str] = set()
        """Half-changed, until the states of the last checkpoint are restored."""
        self._vans = vans
        self._watched: dict[str, int | None] = {}
        """By van: the time of the reading or tick at which it failed before it was watched. That was the first try."""

    def note(self, failure: VanFailed) -> None:
        """A van that was not watched has failed."""
        self.broken.add(failure.vehicle_id)
        self._watched[failure.vehicle_id] = failure.time_ms

    def watches(self, vehicle_id: str) -> bool:
        """Whether the van has to be worked on through `attempt`."""
        return vehicle_id in self._watched or len(self._watched) >= WATCH_ALL_FROM

    def attempt(self, vehicle_id: str, time_ms: int, work: Callable[[], None]) -> Exception | None:
        """Do the work, with three tries. Returns the last error if all of them failed; the van is then as before."""
        copy = self._copy(vehicle_id)
        error: Exception | None = None
        spent = int(self._watched.get(vehicle_id) == time_ms)
        for _ in range(TRIES - spent):
            try:
                work()
            except VanFailed as failure:
                error = _cause(failure)
                self._put_back(vehicle_id, copy)
            else:
                error = None
                break
        if spent:
            self._watched[vehicle_id] = None
        return error

    def _copy(self, vehicle_id: str) -> bytes:
        van = self._vans.wake(vehicle_id)
        return encode_state(van.state if van is not None else new_state(vehicle_id))

    def _put_back(self, vehicle_id: str, copy: bytes) -> None:
        van = self._vans.wake(vehicle_id)
        if van is not None:
            van.state = decode_state(copy)


def set_aside(error: Exception) -> Rejected:
    """The reason of the dead letter for what failed three times."""
    return Rejected("malformed", f"set aside after {TRIES} tries: {type(error).__name__}: {str(error)[:200]}")


def _cause(failure: VanFailed) -> Exception:
    return failure.__cause__ if isinstance(failure.__cause__, Exception) else failure
