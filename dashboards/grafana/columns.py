"""Columns of tables, scatter charts and maps."""

from collections.abc import Mapping
from typing import Final, NamedTuple

VAN_LINK: Final = "/d/vanpulse-van?var-van=${__value.raw}&${__url_time_range}"
TRIP_LINK: Final = (
    "/d/vanpulse-van?var-van=${__data.fields.Van}&from=${__data.fields.Start.numeric}&to=${__data.fields.End.numeric}"
)


class Column(NamedTuple):
    """A column of a table: the field it shows, its title and its unit."""

    field: str
    title: str
    unit: str = "none"
    decimals: int | None = None
    colors: Mapping[str, str] = {}
    link: str = ""
    gauge: tuple[float, float] | None = None


VAN: Final = Column("vehicle_id", "Van", link=VAN_LINK)
DEPOT: Final = Column("depot", "Depot")
MODEL: Final = Column("model", "Model")
