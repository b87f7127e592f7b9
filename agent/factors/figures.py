"""What the van core needs of the factors: figures of electricity, diesel and charging. Imports no file reader."""

from typing import Final, Literal, Protocol

import msgspec

FAST_AC_KW: Final = 7.0
SLOW_AC_KW: Final = 4.0
BEGINNING_MS: Final = -(2**62)
END_MS: Final = 2**62
"""Before and after all times."""

IntensitySource = Literal["hourly", "annual"]
"""Where the intensity of the grid at some time comes from."""

Mix = Literal["consumption", "production"]
"""What an annual value stands for: the mix that a country uses, net imports in it, or the one that it generates."""


class Grid(msgspec.Struct, frozen=True, kw_only=True):
    """A country's electricity; all in g CO2e per kWh at the meter, location-based, unless said otherwise.

    `direct_g_per_kwh` is what the power stations emit (Scope 2), `upstream_g_per_kwh` the provision of their fuels and
    plants, `losses_g_per_kwh` both of the energy that the grid loses (Scope 3, category 3). The three add up to
    `annual_g_per_kwh`, well-to-wheel. `residual_g_per_kwh` is the residual mix for the market-based method, where the
    set has one.

    Values of hourly files become well-to-wheel by one multiplication: `per_lifecycle` for life-cycle values of
    generation, `per_direct` for direct emissions of generation, `per_delivered` for direct emissions with grid losses
    already in. The last two are `None` where no upstream share is published.
    """

    country: str
    annual_g_per_kwh: float
    direct_g_per_kwh: float
    upstream_g_per_kwh: float
    losses_g_per_kwh: float
    per_lifecycle: float
    per_direct: float | None = None
    per_delivered: float | None = None
    residual_g_per_kwh: float | None = None
    mix: Mix = "production"

    def parts(self, g_per_kwh: float) -> tuple[float, float, float]:
        """Direct, upstream and losses of a well-to-wheel value of some hour, in the proportion of the year."""
        share = g_per_kwh / self.annual_g_per_kwh
        return self.direct_g_per_kwh * share, self.upstream_g_per_kwh * share, self.losses_g_per_kwh * share


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


class VanTraits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Cells, plug and limits of a van model."""

    chemistry: Literal["nmc", "lfp"]
    ac_limit_kw: float
    """Battery power beyond this is DC charging."""
    power_limit_kw: float
    power_limit_c: float
    """Largest power in either direction, absolute and over the battery energy (1/h); the larger of the two counts."""


class GridIntensity(Protocol):
    """Well-to-wheel grid intensity in g CO2e per kWh at the meter, by country and time."""

    def at(self, country: str, time_ms: int) -> tuple[float, IntensitySource]:
        """The intensity at a time, and where it comes from."""

    def mean(self, country: str, start_ms: int, end_ms: int) -> tuple[float, IntensitySource]:
        """The mean over a time, for energy that flowed evenly; `hourly` only if hourly values cover all of it."""


class Factors(msgspec.Struct, frozen=True, kw_only=True):
    """The emission factors that hold for one van from `from_ms` until before `to_ms`."""

    grid: Grid
    diesel: Diesel
    charging: Charging
    intensity: GridIntensity
    set_name: str = ""
    """Name and fingerprint of the factor set: `NAME@FINGERPRINT`."""
    from_ms: int = BEGINNING_MS
    to_ms: int = END_MS
