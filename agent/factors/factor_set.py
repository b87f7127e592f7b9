"""Factor sets: which published numbers are in force, and the few figures the van core needs of them."""

import csv
import tomllib
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, Final, Literal

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import SettingsError
from agent.factors.factor import Factor, Value

SETS: Final[Traversable] = files("agent.factors.sets")
FAST_AC_KW: Final = 7.0
SLOW_AC_KW: Final = 4.0
UPSTREAM_SHARE: Final = 0.259
"""Upstream over direct emissions of generation where only their sum is published: the UK's (DEFRA/DESNZ 2025)."""


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A country's electricity; all in g CO2e per kWh at the meter, well-to-wheel, unless said otherwise.

    Values of hourly files become well-to-wheel by one multiplication: `per_lifecycle` for life-cycle values of
    generation, `per_direct` for direct emissions of generation, `per_delivered` for direct emissions with grid losses
    already in. The last two are `None` where nobody has published the upstream share.
    """

    country: str
    annual_g_per_kwh: float
    per_lifecycle: float
    per_direct: float | None = None
    per_delivered: float | None = None
    direct_g_per_kwh: float
    """Of `annual_g_per_kwh`: emissions of generation (GHG Protocol Scope 2)."""
    upstream_g_per_kwh: float
    """Of `annual_g_per_kwh`: fuels and plants before generation (Scope 3.3)."""
    losses_g_per_kwh: float
    """Of `annual_g_per_kwh`: transmission and distribution losses (Scope 3.3)."""
    residual_g_per_kwh: float | None = None
    """The residual mix, for market-based accounting without a contract."""


class Diesel(msgspec.Struct, frozen=True, kw_only=True):
    """The diesel van that an electric one replaces. NOx and PM are the legal limits of its class."""

    name: str
    ttw_g_per_km: float
    wtt_g_per_km: float
    fuel_l_per_km: float
    nox_mg_per_km: float
    pm_mg_per_km: float

    @property
    def wtw_g_per_km(self) -> float:
        """Well-to-wheel: vehicle operation and energy provision."""
        return self.ttw_g_per_km + self.wtt_g_per_km


class Charging(msgspec.Struct, frozen=True, kw_only=True):
    """Battery energy per grid energy while charging."""

    ac_fast: float
    ac_slow: float
    dc: float

    def efficiency(self, kind: Literal["ac", "dc"], power_kw: float | None = None) -> float:
        """The default efficiency; AC by battery power, linear between 4 and 7 kW, as from 7 kW when it is not known."""
        if kind == "dc":
            return self.dc
        if power_kw is None or power_kw >= FAST_AC_KW:
            return self.ac_fast
        share = max(0.0, (power_kw - SLOW_AC_KW) / (FAST_AC_KW - SLOW_AC_KW))
        return self.ac_slow + share * (self.ac_fast - self.ac_slow)


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a van carries when it does not say: the GLEC defaults."""

    load_factor: float
    empty_share: float
    distance_adjustment: float

    def default_payload_kg(self, largest_payload_kg: float) -> float:
        """Mean load over all kilometres, the empty ones included."""
        return largest_payload_kg * self.load_factor * (1 - self.empty_share)


class VanModel(BaseModel):
    """A van as its maker sells it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    diesel_class: str
    usable_energy: Value
    payload: Value


class FactorSet:
    """The numbers in force. Asking for what does not exist raises `SettingsError` that lists what does."""

    def __init__(self, *, name: str, title: str, factors: list[Factor], models: dict[str, VanModel]) -> None:
        self.name = name
        self.title = title
        self.models = models
        published = {factor.scope for factor in factors if factor.factor == "grid.generation"}
        self._factors = {
            (factor.factor, factor.scope): factor
            for factor in factors
            if not (factor.factor == "grid.lifecycle" and factor.scope in published)
        }
        self._grids: dict[str, Grid] = {}
        self._diesels: dict[str, Diesel] = {}
        self._chargings: dict[tuple[float | None, float | None], Charging] = {}
        self._load: Load | None = None

    def factors(self) -> list[Factor]:
        """All factors of the set, then those of the van models, each in order of name and scope."""
        own = [self._factors[key] for key in sorted(self._factors)]
        vans = [
            Factor(factor=factor, scope=name, **value.model_dump())
            for name, model in sorted(self.models.items())
            for factor, value in (("van.payload", model.payload), ("van.usable_energy", model.usable_energy))
        ]
        return own + vans

    def scopes(self, factor: str) -> list[str]:
        """Where a factor has a value, in order."""
        return sorted(scope for name, scope in self._factors if name == factor)

    def value(self, factor: str, scope: str = "*") -> float:
        """A factor's value for a scope, else for everywhere."""
        return self.factor(factor, scope).value

    def factor(self, factor: str, scope: str = "*") -> Factor:
        """A factor with its source, for a scope, else for everywhere."""
        found = self._factors.get((factor, scope)) or self._factors.get((factor, "*"))
        if found is None:
            known = ", ".join(self.scopes(factor)) or "nothing"
            raise SettingsError(f"factor set {self.name!r} has no {factor} for {scope!r}; it has {known}")
        return found

    def countries(self) -> list[str]:
        """Countries with an annual grid intensity, `EU` and `WORLD` among them."""
        return sorted({*self.scopes("grid.lifecycle"), *self.scopes("grid.generation")})

    def for_country(self, country: str) -> Grid:
        """The grid of an ISO 3166 alpha-2 country, or of `EU`."""
        grid = self._grids.get(country)
        if grid is None:
            grid = self._grids[country] = self._grid(country)
        return grid

    def _grid(self, country: str) -> Grid:
        if ("grid.generation", country) in self._factors:
            generation = self.value("grid.generation", country)
            transmission = self.value("grid.transmission", country)
            upstream = self.value("grid.upstream_generation", country)
            total = generation + transmission + upstream + self.value("grid.upstream_transmission", country)
            return Grid(
                country=country,
                annual_g_per_kwh=total,
                per_lifecycle=1 + transmission / generation,
                per_direct=total / generation,
                per_delivered=1 + upstream / generation,
                direct_g_per_kwh=generation,
                upstream_g_per_kwh=upstream,
                losses_g_per_kwh=total - generation - upstream,
            )
        if ("grid.lifecycle", country) not in self._factors:
            raise SettingsError(
                f"country {country!r} has no grid intensity in factor set {self.name!r}; "
                f"it has {', '.join(self.countries())}"
            )
        delivered = 1 / (1 - self.value("grid.loss_share", country))
        lifecycle = self.value("grid.lifecycle", country)
        direct = lifecycle / (1 + UPSTREAM_SHARE)
        return Grid(
            country=country,
            annual_g_per_kwh=lifecycle * delivered,
            per_lifecycle=delivered,
            direct_g_per_kwh=direct,
            upstream_g_per_kwh=lifecycle - direct,
            losses_g_per_kwh=lifecycle * (delivered - 1),
        )

    def diesel_classes(self) -> list[str]:
        """The diesel vans that can be compared with."""
        return self.scopes("diesel.ttw")

    def diesel(self, diesel_class: str) -> Diesel:
        """The diesel van of a class."""
        diesel = self._diesels.get(diesel_class)
        if diesel is None:
            if ("diesel.ttw", diesel_class) not in self._factors:
                raise SettingsError(
                    f"diesel_class {diesel_class!r} is not in factor set {self.name!r}; "
                    f"it has {', '.join(self.diesel_classes())}"
                )
            diesel = self._diesels[diesel_class] = Diesel(
                name=diesel_class,
                ttw_g_per_km=self.value("diesel.ttw", diesel_class),
                wtt_g_per_km=self.value("diesel.wtt", diesel_class),
                fuel_l_per_km=self.value("diesel.fuel", diesel_class) / 100,
                nox_mg_per_km=self.value("diesel.nox", diesel_class),
                pm_mg_per_km=self.value("diesel.pm", diesel_class),
            )
        return diesel

    def charging(self, *, ac: float | None = None, dc: float | None = None) -> Charging:
        """Charging efficiencies, those given in place of the defaults."""
        charging = self._chargings.get((ac, dc))
        if charging is None:
            charging = self._chargings[ac, dc] = Charging(
                ac_fast=ac or self.value("charging.efficiency_ac_fast"),
                ac_slow=ac or self.value("charging.efficiency_ac_slow"),
                dc=dc or self.value("charging.efficiency_dc"),
            )
        return charging

    def load(self) -> Load:
        """The default load, share of empty kilometres, and driven over shortest distance."""
        if self._load is None:
            self._load = Load(
                load_factor=self.value("transport.load_factor"),
                empty_share=self.value("transport.empty_share"),
                distance_adjustment=self.value("transport.distance_adjustment"),
            )
        return self._load

    def model(self, name: str) -> VanModel:
        """A van model by its key."""
        if name not in self.models:
            raise SettingsError(f"model {name!r} is not known; known are {', '.join(sorted(self.models))}")
        return self.models[name]


def factor_set_names() -> list[str]:
    """The names `emissions.factor_set` accepts."""
    return ["default", *_index()["sets"]]


def load_factor_set(name: str = "default") -> FactorSet:
    """Read and check a factor set; `default` is the newest. Raises `SettingsError` for a bad name or file."""
    index = _index()
    resolved = index["default"] if name == "default" else name
    if resolved not in index["sets"]:
        raise SettingsError(f"emissions.factor_set = {name!r} is not known; known are {', '.join(factor_set_names())}")
    entry = index["sets"][resolved]
    factors = [factor for file in entry["files"] for factor in read_factors(SETS / file)]
    return FactorSet(name=resolved, title=entry["title"], factors=factors, models=read_models(SETS / "vehicles.toml"))


def read_factors(file: Traversable) -> list[Factor]:
    """The factors of one CSV file; a bad or repeated line is a `SettingsError` that names it."""
    factors: dict[tuple[str, str], Factor] = {}
    reader = csv.DictReader(file.read_text(encoding="utf-8").splitlines())
    for row in reader:
        where = f"{file.name} line {reader.line_num}"
        try:
            factor = Factor.model_validate(row)
        except ValidationError as error:
            detail = error.errors(include_url=False)[0]
            raise SettingsError(f"{where}: {'.'.join(map(str, detail['loc']))} {detail['msg']}") from error
        if (factor.factor, factor.scope) in factors:
            raise SettingsError(f"{where}: {factor.factor} for {factor.scope!r} is given twice")
        factors[factor.factor, factor.scope] = factor
    return list(factors.values())


def read_models(file: Traversable) -> dict[str, VanModel]:
    """The van models of one TOML file, by key."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return {key: VanModel.model_validate(entry) for key, entry in content.items()}
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise SettingsError(f"{file.name}: {error}") from error


def _index() -> dict[str, Any]:
    return tomllib.loads((SETS / "sets.toml").read_text(encoding="utf-8"))
