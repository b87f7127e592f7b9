"""One published number: what it is, where and when it holds, who says so, and under which licence."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Provenance = Literal["primary", "secondary", "derived", "estimate"]
"""How a number was obtained, and so how far it can be trusted.

`primary` was read in the publication of the source itself, `secondary` in a copy or quotation of it; `derived` was
computed from numbers named in the source; `estimate` rests on an assumption. A copy is never `primary`.
"""

UNITS: Final[dict[str, str]] = {
    "grid.consumption": "g/kWh",
    "grid.production": "g/kWh",
    "grid.direct_share": "1",
    "grid.generation": "g/kWh",
    "grid.transmission": "g/kWh",
    "grid.upstream_generation": "g/kWh",
    "grid.upstream_transmission": "g/kWh",
    "grid.loss_share": "1",
    "grid.residual": "g/kWh",
    "generation.lifecycle": "g/kWh",
    "generation.direct": "g/kWh",
    "charging.efficiency_ac_fast": "1",
    "charging.efficiency_ac_slow": "1",
    "charging.efficiency_dc": "1",
    "diesel.pump_ttw": "g/l",
    "diesel.pump_wtt": "g/l",
    "diesel.ttw": "g/km",
    "diesel.wtt": "g/km",
    "diesel.fuel": "l/100 km",
    "diesel.nox": "mg/km",
    "diesel.pm": "mg/km",
    "transport.mean_load": "kg",
    "van.usable_energy": "kWh",
    "van.payload": "kg",
}
"""Every factor, and its one unit."""

ANY_YEAR: Final = "any"


class PublishedValue(BaseModel):
    """A number with its source.

    `year` is the year the number describes; `valid` the years of activity it is meant for: `2025`, `2024-2026` or
    `any`. `gwp` is the edition of the IPCC's global warming potentials that CO2e was added up with; empty where there
    is no CO2e.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unit: str
    year: Annotated[str, Field(min_length=4)]
    valid: Annotated[str, Field(pattern=r"^(any|\d{4}(-\d{4})?)$")] = ANY_YEAR
    gwp: Literal["", "AR4", "AR5", "AR6"] = ""
    mark: Provenance
    licence: Annotated[str, Field(min_length=3)] = "facts"
    source: Annotated[str, Field(min_length=3)]

    def covers(self, year: int) -> bool:
        """Whether the number is meant for the activity of a year."""
        if self.valid == ANY_YEAR:
            return True
        first, _, last = self.valid.partition("-")
        return int(first) <= year <= int(last or first)


class Factor(PublishedValue):
    """A value under its name; `scope` is a country, diesel class, fuel or van model, or `*` for everywhere."""

    factor: str
    scope: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _unit_is_the_one(self) -> "Factor":
        if self.factor not in UNITS:
            raise ValueError(f"unknown factor {self.factor!r}")
        if self.unit != UNITS[self.factor]:
            raise ValueError(f"{self.factor} is written in {UNITS[self.factor]!r}, not {self.unit!r}")
        if self.unit == "1" and self.value > 1:
            raise ValueError(f"{self.factor} = {self.value:g} is a share, at most 1")
        if self.factor == "grid.loss_share" and self.value > 0.5:
            raise ValueError(f"{self.factor} = {self.value:g} is more than half of the energy")
        return self
