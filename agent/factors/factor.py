"""One published number: what it is, where it holds, and who says so."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Confidence = Literal["C", "T", "D", "U"]
"""C confirmed by the source named, T third-party copy of it, D derived from it, U unconfirmed."""

UNITS: Final[dict[str, str]] = {
    "grid.lifecycle": "g/kWh",
    "grid.generation": "g/kWh",
    "grid.transmission": "g/kWh",
    "grid.upstream_generation": "g/kWh",
    "grid.upstream_transmission": "g/kWh",
    "grid.loss_share": "1",
    "generation.lifecycle": "g/kWh",
    "charging.efficiency_ac_fast": "1",
    "charging.efficiency_ac_slow": "1",
    "charging.efficiency_dc": "1",
    "diesel.ttw": "g/km",
    "diesel.wtt": "g/km",
    "diesel.fuel": "l/100 km",
    "diesel.nox": "mg/km",
    "diesel.pm": "mg/km",
    "transport.load_factor": "1",
    "transport.empty_share": "1",
    "transport.distance_adjustment": "1",
    "transport.diesel_van": "g/t-km",
    "van.usable_energy": "kWh",
    "van.payload": "kg",
}
"""Every factor there is, and the one unit it is written in."""


class Value(BaseModel):
    """A number with its unit, year, source and confidence."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    unit: str
    year: Annotated[str, Field(min_length=4)]
    source: Annotated[str, Field(min_length=3)]
    confidence: Confidence


class Factor(Value):
    """A value under its name; `scope` is a country, diesel class, fuel or van model, or `*` for everywhere."""

    factor: str
    scope: Annotated[str, Field(min_length=1)]

    @model_validator(mode="after")
    def _unit_is_the_one(self) -> "Factor":
        if self.factor not in UNITS:
            raise ValueError(f"unknown factor {self.factor!r}")
        if self.unit != UNITS[self.factor]:
            raise ValueError(f"{self.factor} is written in {UNITS[self.factor]!r}, not {self.unit!r}")
        if self.unit == "1" and self.factor != "transport.distance_adjustment" and self.value > 1:
            raise ValueError(f"{self.factor} = {self.value:g} is a share, at most 1")
        return self
