"""The tags of every van's points, as of one place in the journal.

A point is known by its tags and its time, so what is worked through again must get the tags that it had the first time,
whatever the fleet file says by then. So the tags are journaled: a change begins where its record stands.
"""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from agent.errors import JournalCorrupt


class VanTags(NamedTuple):
    """The tags of one van besides its name."""

    depot: str
    model: str
    country: str


class FleetTags:
    """Those of the vans that the fleet file names, where they differ from what holds for every other van."""

    def __init__(self, default: VanTags, vans: Mapping[str, VanTags]) -> None:
        self._default = default
        self._vans = {vehicle_id: tags for vehicle_id, tags in vans.items() if tags != default}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FleetTags) and (self._default, self._vans) == (other._default, other._vans)

    __hash__ = None  # type: ignore[assignment]  # compared, never a key

    def of(self, vehicle_id: str) -> VanTags:
        """The tags of this van."""
        return self._vans.get(vehicle_id, self._default)

    def encode(self) -> bytes:
        """As journaled and kept in a checkpoint: about 10 bytes a van."""
        return zlib.compress(msgspec.msgpack.encode((self._default, self._vans)))

    @classmethod
    def decode(cls, encoded: bytes) -> "FleetTags":
        """From `encode`. Raises `JournalCorrupt` for anything else."""
        try:
            return cls(*msgspec.msgpack.decode(zlib.decompress(encoded), type=tuple[VanTags, dict[str, VanTags]]))
        except (zlib.error, msgspec.MsgspecError) as error:
            raise JournalCorrupt(f"the tags of the fleet cannot be read: {error}") from error
