"""The van models of the simulator, read from `vans.toml`."""

import tomllib
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

Reports = Literal["full", "power", "plain"]


class Model(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One van model. The names have the units; the top of `vans.toml` explains each number."""

    name: str
    usable_kwh: float
    chemistry: Literal["LFP", "NMC"]
    motor_kw: float
    kerb_kg: float
    test_mass_kg: float
    payload_kg: float
    cda_m2: float
    rolling: float
    regeneration: float
    ac_kw: float
    dc_curve: list[tuple[float, float]]
    published_kwh_per_100km: float | None = None
    published_at: Literal["battery", "grid"] = "battery"
    published_dc: tuple[float, float, float] | None = None
    cells_v: tuple[float, float, float]
    soc_step_pct: float
    reports: Reports
    diesel_class: str
    source: str


@cache
def load_models() -> dict[str, Model]:
    """Every model by name, in the order of the file."""
    with (Path(__file__).parent / "vans.toml").open("rb") as file:
        tables = tomllib.load(file)
    return {name: msgspec.convert({"name": name, **table}, Model) for name, table in tables.items()}
