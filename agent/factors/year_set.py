"""Factor sets: which published numbers are in force for the activity of a year, and the figures that follow."""

import hashlib
import json
from functools import cached_property
from typing import Final

from pydantic import BaseModel, ConfigDict

from agent.errors import SettingsError
from agent.factors.factor import Factor, PublishedValue
from agent.factors.figures import BEGINNING_MS, END_MS, Charging, Diesel, Factors, Grid, GridIntensity, Mix

FINGERPRINT_DIGITS: Final = 12
UK: Final = frozenset({"GB", "GG", "IM", "JE"})
"""Countries where vans are compared with diesel vans of the UK's classes. In all others the EU's classes are used."""
EU_CLASS: Final = {
    "van_1": "eu_van_light",
    "van_2": "eu_van_light",
    "van_3": "eu_van_heavy",
    "van_average": "eu_van_average",
}
PARTS: Final = ("grid.generation", "grid.transmission", "grid.upstream_generation", "grid.upstream_transmission")
"""Electricity that is published part by part, ready to be added up."""
MIXES: Final[tuple[tuple[str, Mix], ...]] = (("grid.consumption", "consumption"), ("grid.production", "production"))
"""Electricity that is published as one life-cycle value of generation."""
FORMS: Final = (PARTS[0], *(mix for mix, _ in MIXES))


class VanModel(BaseModel):
    """A van model of a maker; `diesel_class` is the UK class of the diesel van that it replaces."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    diesel_class: str
    usable_energy: PublishedValue
    payload: PublishedValue


class FactorSet:
    """The numbers in force for one year's activity. A lookup that fails lists what exists (`SettingsError`)."""

    def __init__(self, *, name: str, title: str, year: int, factors: list[Factor], models: dict[str, VanModel]) -> None:
        self.name = name
        self.title = title
        self.year = year
        self.models = models
        self._factors: dict[tuple[str, str], Factor] = {}
        for factor in factors:
            # A country's electricity has one form: a later one replaces the others.
            if factor.factor in FORMS:
                for form in FORMS:
                    self._factors.pop((form, factor.scope), None)
            self._factors[factor.factor, factor.scope] = factor
        self._grids: dict[str, Grid] = {}
        self._diesels: dict[tuple[str, str], Diesel] = {}
        self._chargings: dict[tuple[float | None, float | None], Charging] = {}

    @cached_property
    def fingerprint(self) -> str:
        """The first digits of the SHA-256 of every number in the set with all that is said of it, in one order."""
        content = [sorted(factor.model_dump().items()) for factor in self.factors()]
        models = sorted((key, model.name, model.diesel_class) for key, model in self.models.items())
        text = json.dumps([self.year, content, models], ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_DIGITS]

    @property
    def set_name(self) -> str:
        """Name and fingerprint, as stored beside each figure computed with the set."""
        return f"{self.name}@{self.fingerprint}"

    def factors(self) -> list[Factor]:
        """All factors of the set, then those of the van models, each in order of name and scope."""
        own = [self._factors[key] for key in sorted(self._factors)]
        vans = [
            Factor(factor=factor, scope=name, **value.model_dump())
            for name, model in sorted(self.models.items())
            for factor, value in (("van.payload", model.payload), ("van.usable_energy", model.usable_energy))
        ]
        return own + vans

    def is_carried_over(self, factor: Factor) -> bool:
        """Whether a number is meant for other years, and used for want of one for this year."""
        return not factor.covers(self.year)

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
        return sorted({scope for form in FORMS for scope in self.scopes(form)})

    def for_country(self, country: str) -> Grid:
        """The grid of an ISO 3166 alpha-2 country, or of `EU`."""
        grid = self._grids.get(country)
        if grid is None:
            grid = self._grids[country] = self._grid(country)
        return grid

    def _grid(self, country: str) -> Grid:
        residual = self._factors.get(("grid.residual", country))
        residual_g = None if residual is None else residual.value
        if (PARTS[0], country) in self._factors:
            direct, transmission, upstream, upstream_lost = (self.value(part, country) for part in PARTS)
            total = direct + transmission + upstream + upstream_lost
            return Grid(
                country=country,
                annual_g_per_kwh=total,
                direct_g_per_kwh=direct,
                upstream_g_per_kwh=upstream,
                losses_g_per_kwh=transmission + upstream_lost,
                per_lifecycle=1 + transmission / direct,
                per_direct=total / direct,
                per_delivered=1 + upstream / direct,
                residual_g_per_kwh=residual_g,
                mix="consumption",
            )
        for factor, mix in MIXES:
            if (factor, country) in self._factors:
                return self._grid_of_mix(country, self.value(factor, country), mix, residual_g)
        raise SettingsError(
            f"country {country!r} has no grid intensity in factor set {self.name!r}; "
            f"it has {', '.join(self.countries())}"
        )

    def _grid_of_mix(self, country: str, lifecycle: float, mix: Mix, residual_g: float | None) -> Grid:
        delivered = 1 / (1 - self.value("grid.loss_share", country))
        direct = lifecycle * self.value("grid.direct_share", country)
        return Grid(
            country=country,
            annual_g_per_kwh=lifecycle * delivered,
            direct_g_per_kwh=direct,
            upstream_g_per_kwh=lifecycle - direct,
            losses_g_per_kwh=lifecycle * delivered - lifecycle,
            per_lifecycle=delivered,
            residual_g_per_kwh=residual_g,
            mix=mix,
        )

    def diesel_classes(self) -> list[str]:
        """The diesel vans that can be compared with."""
        return self.scopes("diesel.fuel")

    def local_class(self, diesel_class: str, country: str) -> str:
        """The class of a van model as it counts in a country: the UK's own in the UK, the EU's elsewhere."""
        return diesel_class if country in UK else EU_CLASS.get(diesel_class, diesel_class)

    def diesel(self, diesel_class: str, country: str = "EU") -> Diesel:
        """The diesel van of a class; one of the EU's classes burns what the country's pumps sell, else the EU's."""
        diesel = self._diesels.get((diesel_class, country))
        if diesel is None:
            if diesel_class not in self.diesel_classes():
                raise SettingsError(
                    f"diesel_class {diesel_class!r} is not in factor set {self.name!r}; "
                    f"it has {', '.join(self.diesel_classes())}"
                )
            fuel_l_per_km = self.value("diesel.fuel", diesel_class) / 100
            if ("diesel.ttw", diesel_class) in self._factors:
                ttw, wtt = (self.value(f"diesel.{part}", diesel_class) for part in ("ttw", "wtt"))
            else:
                pump = country if ("diesel.pump_ttw", country) in self._factors else "EU"
                ttw, wtt = (fuel_l_per_km * self.value(f"diesel.pump_{part}", pump) for part in ("ttw", "wtt"))
            diesel = self._diesels[diesel_class, country] = Diesel(
                name=diesel_class,
                ttw_g_per_km=ttw,
                wtt_g_per_km=wtt,
                fuel_l_per_km=fuel_l_per_km,
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

    def for_van(
        self,
        *,
        country: str,
        diesel_class: str,
        intensity: GridIntensity,
        efficiency_ac: float | None = None,
        efficiency_dc: float | None = None,
        validity: tuple[int, int] = (BEGINNING_MS, END_MS),
    ) -> Factors:
        """The factors of one van, looked up once; `validity` is from which time on and until before which they hold."""
        return Factors(
            grid=self.for_country(country),
            diesel=self.diesel(diesel_class, country),
            charging=self.charging(ac=efficiency_ac, dc=efficiency_dc),
            intensity=intensity,
            set_name=self.set_name,
            from_ms=validity[0],
            to_ms=validity[1],
        )

    def model(self, name: str) -> VanModel:
        """A van model by its key."""
        if name not in self.models:
            raise SettingsError(f"model {name!r} is not known; known are {', '.join(sorted(self.models))}")
        return self.models[name]
