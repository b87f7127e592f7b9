"""When this program itself fails at a reading: three tries, then the reading is set aside, and its van stays as it was.

A failed step may leave a van half-changed, and copying every van before every step would cost as much as the step. So
the first failure only says which van is *broken*: nothing of it is taken any more, and everything since the last
checkpoint is worked through again. From then on that van is *watched*: it is copied before each step and brought back
after a failure. Where many vans fail, all of them are watched, so that going back stays rare.
"""

from collections.abc import Callable
from typing import Final

from agent.errors import Rejected
from agent.fleet import decode_state, encode_state, new_state
from agent.shard.vans import Vans

TRIES: Final = 3
WATCH_ALL_FROM: Final = 8
"""When so many vans have failed, all are watched."""


class Stumble(Exception):
    """Working on this van has failed, at a reading or a tick of this time; `__cause__` says how."""

    def __init__(self, vehicle_id: str, time_ms: int) -> None:
        super().__init__(vehicle_id)
        self.vehicle_id = vehicle_id
        self.time_ms = time_ms


class Care:
    """Which vans are broken, which are watched, and how a watched van is worked on."""

    def __init__(self, vans: Vans) -> None:
        self.broken: set[str] = set()
        """Half-changed until the states of the last checkpoint are back."""
        self._vans = vans
        self._watched: dict[str, int | None] = {}
        """At which time a van has failed before it was watched: that was the first of three tries."""

    def note(self, stumble: Stumble) -> None:
        """A van that was not watched has failed."""
        self.broken.add(stumble.vehicle_id)
        self._watched[stumble.vehicle_id] = stumble.time_ms

    def watches(self, vehicle_id: str) -> bool:
        """Whether the van is to be worked on through `attempt`."""
        return vehicle_id in self._watched or len(self._watched) >= WATCH_ALL_FROM

    def attempt(self, vehicle_id: str, time_ms: int, work: Callable[[], None]) -> Exception | None:
        """Do the work, at most three times; what went wrong the last time, with the van as it was before."""
        copy = self._copy(vehicle_id)
        error: Exception | None = None
        spent = int(self._watched.get(vehicle_id) == time_ms)
        for _ in range(TRIES - spent):
            try:
                work()
            except Stumble as stumble:
                error = _cause(stumble)
                self._bring_back(vehicle_id, copy)
            else:
                error = None
                break
        if spent:
            self._watched[vehicle_id] = None
        return error

    def _copy(self, vehicle_id: str) -> bytes:
        van = self._vans.awake.get(vehicle_id) or self._vans.wake(vehicle_id)
        return encode_state(van.state if van is not None else new_state(vehicle_id))

    def _bring_back(self, vehicle_id: str, copy: bytes) -> None:
        van = self._vans.awake.get(vehicle_id) or self._vans.wake(vehicle_id)
        if van is not None:
            van.state = decode_state(copy)


def set_aside(error: Exception) -> Rejected:
    """The reason of a dead letter for what this error was met with."""
    return Rejected("malformed", f"set aside after {TRIES} tries: {type(error).__name__}: {str(error)[:200]}")


def _cause(stumble: Stumble) -> Exception:
    return stumble.__cause__ if isinstance(stumble.__cause__, Exception) else stumble
