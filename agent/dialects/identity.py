"""Which van a sender is: the fleet's table of identities first, then the sender's own name.

MQTT does not say who has published. What a broker's rights can pin is a level of the topic: `ovms/%u/#`. So a name that
a sender chooses below that level counts only together with it, as the table has it, or where it is the level itself.
"""

import re
from collections.abc import Mapping
from typing import Final

from agent.errors import Rejected
from agent.readings import VEHICLE_ID_PATTERN

_VEHICLE_ID: Final = re.compile(VEHICLE_ID_PATTERN)
_VIN: Final = re.compile("[A-Z0-9]{17}")
"""ISO 3779 also leaves out I, O and Q; test vehicles do not keep to that."""


def is_vehicle_id(text: str) -> bool:
    """Whether the text may be a `vehicle_id`: 1 to 64 of `A-Z a-z 0-9 . _ -`."""
    return _VEHICLE_ID.fullmatch(text) is not None


def is_vin(text: str) -> bool:
    """Whether the text has the form of a vehicle identification number."""
    return _VIN.fullmatch(text) is not None


def resolve(identities: Mapping[str, str], name: str) -> str:
    """The `vehicle_id` of a sender whose whole name this is: as the table has it, or the name itself.

    Raises `Rejected` when that cannot be one.
    """
    if name in identities:
        return identities[name]
    if not is_vehicle_id(name):
        raise Rejected("unknown_vehicle", f"{name[:100]!r} cannot be a vehicle_id; name it in the identity table")
    return name


def resolve_of_user(identities: Mapping[str, str], user: str, name: str) -> str:
    """The van that `user` calls by this name: `user/name` as the table has it, else one of the user's own.

    A user whose van bears its name is that van. Any other is `user.name`, which nobody else's van is called. Raises
    `Rejected` for names with a dot, which would make that ambiguous: they belong in the table.
    """
    whole = f"{user}/{name}"
    if whole in identities:
        return identities[whole]
    if name == user:
        return resolve(identities, user)
    own = f"{user}.{name}"
    if "." in user or "." in name or own in identities or not is_vehicle_id(own):
        raise Rejected("identity_mismatch", f"{whole[:130]!r} is not in the identity table, which it has to be")
    return own


def resolve_vin(identities: Mapping[str, str], vin: str) -> str:
    """The van with this VIN, as a gateway names it: as the table has it, or a van that is called by its VIN.

    Raises `Rejected` for what has not the form of a VIN: a gateway is not to speak for a van that speaks for itself.
    """
    vehicle_id = resolve(identities, vin)
    if vin not in identities and not is_vin(vin):
        raise Rejected("identity_mismatch", f"{vin[:70]!r} is not in the identity table and is no VIN")
    return vehicle_id
