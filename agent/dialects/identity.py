"""Which van a sender is: by the fleet's table of identities, else by the sender's own name.

MQTT does not tell who has published. A broker's access rights can tie a level of the topic to a user, as in
`ovms/%u/#`. Below that level a sender may choose any name. Such a name counts only together with the user's level, if
the table has the two, or if it equals that level.
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
    """Whether the text may be a `vehicle_id`: 1 to 64 characters of `A-Z a-z 0-9 . _ -`."""
    return _VEHICLE_ID.fullmatch(text) is not None


def is_vin(text: str) -> bool:
    """Whether the text has the form of a vehicle identification number."""
    return _VIN.fullmatch(text) is not None


def resolve(identities: Mapping[str, str], name: str) -> str:
    """The `vehicle_id` of a sender with this whole name: from the table, else the name itself.

    Raises `Rejected` if the name cannot be one.
    """
    if name in identities:
        return identities[name]
    if not is_vehicle_id(name):
        raise Rejected("unknown_vehicle", f"{name[:100]!r} cannot be a vehicle_id; name it in the identity table")
    return name


def resolve_of_user(identities: Mapping[str, str], user: str, name: str) -> str:
    """The van that `user` calls by this name: `user/name` from the table, else a van of the user's own.

    A van with the user's name is the user's own. Any other van is `user.name`, which no other user can claim. Raises
    `Rejected` for names with a dot, which would be ambiguous; they have to be in the table.
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
    """The van with this VIN, as a gateway names it: from the table, else the van with the VIN as its `vehicle_id`.

    Raises `Rejected` for text without the form of a VIN. A gateway must not speak for vans that report themselves.
    """
    vehicle_id = resolve(identities, vin)
    if vin not in identities and not is_vin(vin):
        raise Rejected("identity_mismatch", f"{vin[:70]!r} is not in the identity table and is no VIN")
    return vehicle_id
