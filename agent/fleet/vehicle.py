"""What is known about a van before its first reading."""

import msgspec

from agent.factors.figures import VanTraits


class Vehicle(msgspec.Struct, frozen=True, kw_only=True):
    """Master data from the fleet file or the fleet defaults; vans of which the same is known share it.

    `battery_kwh` is the usable energy from 100 % to 0 %; `payload_kg` the largest load; `country` an ISO 3166 alpha-2
    code (or "EU"); `diesel_class` names the diesel van it replaces in the factor set. `default_load_kg` is the load
    that is assumed where none is reported; `None`: none is assumed.
    """

    depot: str
    model: str
    country: str
    battery_kwh: float
    payload_kg: float
    diesel_class: str
    traits: VanTraits
    default_load_kg: float | None = None
