"""Which van a sender is: the fleet's table of identities first, then the sender's own name."""

import re
from collections.abc import Mapping
from typing import Final

from agent.errors import Rejected
from agent.readings import VEHICLE_ID_PATTERN

_VEHICLE_ID: Final = re.compile(VEHICLE_ID_PATTERN)


def is_vehicle_id(text: str) -> bool:
    """Whether the text may be a `vehicle_id`: 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    return _VEHICLE_ID.fullmatch(text) is not None


def resolve(identities: Mapping[str, str], *names: str) -> str:
    """The `vehicle_id` of a sender known by these names, the most specific first.

    The first name in the table decides; without one the last name is the `vehicle_id` itself. Raises `Rejected` when
    that cannot be one.
    """
    for name in names:
        if name in identities:
            return identities[name]
    if not is_vehicle_id(names[-1]):
        raise Rejected("unknown_vehicle", f"{names[-1][:100]!r} cannot be a vehicle_id; name it in the identity table")
    return names[-1]


def best_name(identities: Mapping[str, str], *names: str) -> str:
    """The `vehicle_id` of a sender known by these names; where it has none, its most specific name."""
    try:
        return resolve(identities, *names)
    except Rejected:
        return names[0]
