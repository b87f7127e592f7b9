"""What a dialect remembers of its vans: bounded in number, and part of the checkpoint."""

from collections.abc import Iterator, Mapping
from typing import Final, Generic, TypeVar

import msgspec

from agent.errors import LogCorrupt, Rejected

MAX_VANS: Final = 200_000

M = TypeVar("M", bound=msgspec.Struct)


class Memories(Generic[M]):
    """One struct per van, made when it is first asked for. `kind()` is that of an unknown van."""

    def __init__(self, kind: type[M], *, max_vans: int = MAX_VANS) -> None:
        self._kind = kind
        self._max_vans = max_vans
        self._vans: dict[str, M] = {}
        self._changed: dict[str, None] = {}
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(kind)

    def __iter__(self) -> Iterator[tuple[str, M]]:
        return iter(self._vans.items())

    def of(self, vehicle_id: str) -> M:
        """The memory of this van, to be changed in place. Raises `Rejected` if there are too many vans."""
        memory = self._vans.get(vehicle_id)
        if memory is None:
            if len(self._vans) >= self._max_vans:
                raise Rejected("unknown_vehicle", f"{vehicle_id}: {self._max_vans} vans are remembered already")
            memory = self._vans[vehicle_id] = self._kind()
        self._changed[vehicle_id] = None
        return memory

    def changed(self) -> dict[str, bytes]:
        """The memories that `of` returned since the last call, encoded."""
        encoded = {vehicle_id: self._encoder.encode(self._vans[vehicle_id]) for vehicle_id in self._changed}
        self._changed = {}
        return encoded

    def restore(self, memories: Mapping[str, bytes]) -> None:
        """Replace all memories by these. Raises `LogCorrupt` for one that cannot be read."""
        self._changed = {}
        try:
            self._vans = {vehicle_id: self._decoder.decode(encoded) for vehicle_id, encoded in memories.items()}
        except msgspec.MsgspecError as error:
            raise LogCorrupt(f"a dialect's memory cannot be read: {error}") from error
