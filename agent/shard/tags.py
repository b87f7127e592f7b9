"""The tags of the points of all vans, as of one offset in the log.

Tags and time are the key of a point. A message that is processed again must give points with the same keys, although
the fleet file may have changed since. So the tags are messages of the log: a change holds from its offset on.
"""

import zlib
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from agent.errors import LogCorrupt


class VanTags(NamedTuple):
    """The tags of one van besides its name."""

    depot: str
    model: str
    country: str


class FleetTags:
    """The tags of all vans: a default, and the vans of the fleet file whose tags differ from it."""

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
        """The form in the log and in a checkpoint: about 10 bytes a van."""
        return zlib.compress(msgspec.msgpack.encode((self._default, self._vans)))

    @classmethod
    def decode(cls, encoded: bytes) -> "FleetTags":
        """Read what `encode` wrote. Raises `LogCorrupt` for anything else."""
        try:
            return cls(*msgspec.msgpack.decode(zlib.decompress(encoded), type=tuple[VanTags, dict[str, VanTags]]))
        except (zlib.error, msgspec.MsgspecError) as error:
            raise LogCorrupt(f"the tags of the fleet cannot be read: {error}") from error
