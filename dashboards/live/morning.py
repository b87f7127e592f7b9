"""Predicts the state of charge of each van at its departure in the morning, if nothing is changed. Pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Final, Literal

from dashboards.live.fleet_view import LatestVan

READY_AT: Final = time(6, 0)
READY_SOC_PCT: Final = 80.0
TAPER_FROM_PCT: Final = 90.0
"""Above this, charging is assumed to have half the power (constant-voltage phase)."""

Verdict = Literal["ready", "on time", "late", "not charging", "out", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The predicted state of charge of one van at departure."""

    van: LatestVan
    verdict: Verdict
    power_kw: float | None
    """Into the battery."""
    soc_then_pct: float | None
    full_enough_ms: int | None
    """When the van reaches the wanted state of charge; None if it does not, or already has it."""

    @property
    def at_risk(self) -> bool:
        """Whether somebody must act."""
        return self.verdict in ("late", "not charging")


def next_morning_ms(now_ms: int, zone: tzinfo, ready_at: time = READY_AT) -> int:
    """The next time at which the clock in `zone` shows `ready_at`."""
    now = datetime.fromtimestamp(now_ms / 1000, zone)
    morning = datetime.combine(now.date(), ready_at, zone)
    if morning <= now:
        morning = datetime.combine(now.date() + timedelta(days=1), ready_at, zone)
    return int(morning.timestamp() * 1000)


def outlook(van: LatestVan, now_ms: int, morning_ms: int, wanted_pct: float = READY_SOC_PCT) -> Outlook:
    """The prediction for one van at `morning_ms`, assuming its present charging power."""
    soc_pct = van.soc_pct
    capacity_kwh = van.energy.get("usable_capacity_kwh")
    power_kw = charging_kw(van)
    if soc_pct is None:
        return Outlook(van=van, verdict="unknown", power_kw=power_kw, soc_then_pct=None, full_enough_ms=None)
    if power_kw is None or power_kw <= 0 or not capacity_kwh:
        verdict = _not_charging(van, enough=soc_pct >= wanted_pct, charging=van.state == "charging")
        return Outlook(van=van, verdict=verdict, power_kw=power_kw, soc_then_pct=soc_pct, full_enough_ms=None)
    pct_per_ms = power_kw / capacity_kwh * 100 / 3_600_000
    soc_then_pct = _after(soc_pct, pct_per_ms, morning_ms - now_ms)
    if soc_pct >= wanted_pct:
        return Outlook(van=van, verdict="ready", power_kw=power_kw, soc_then_pct=soc_then_pct, full_enough_ms=None)
    reach_ms = now_ms + round(_needs(soc_pct, wanted_pct, pct_per_ms))
    return Outlook(
        van=van,
        verdict="on time" if reach_ms <= morning_ms else "late",
        power_kw=power_kw,
        soc_then_pct=soc_then_pct,
        full_enough_ms=reach_ms,
    )


def charging_kw(van: LatestVan) -> float | None:
    """Power into the battery while the van charges; None if it does not charge or the power is unknown."""
    if van.state != "charging":
        return None
    power_kw = van.energy.get("power_kw")
    if power_kw is not None:
        return -float(power_kw)
    power_kw = van.battery.get("battery_power_kw")
    return None if power_kw is None else float(power_kw)


def _not_charging(van: LatestVan, *, enough: bool, charging: bool) -> Verdict:
    if enough:
        return "ready"
    if charging or van.state is None:
        return "unknown"
    return "out" if van.state in ("driving", "stopped") else "not charging"


def _after(soc_pct: float, pct_per_ms: float, duration_ms: float) -> float:
    until_taper_ms = max(0.0, TAPER_FROM_PCT - soc_pct) / pct_per_ms
    if duration_ms <= until_taper_ms:
        return soc_pct + pct_per_ms * duration_ms
    return min(100.0, max(soc_pct, TAPER_FROM_PCT) + pct_per_ms / 2 * (duration_ms - until_taper_ms))


def _needs(soc_pct: float, wanted_pct: float, pct_per_ms: float) -> float:
    fast = max(0.0, min(wanted_pct, TAPER_FROM_PCT) - soc_pct)
    slow = max(0.0, wanted_pct - max(soc_pct, TAPER_FROM_PCT))
    return fast / pct_per_ms + slow / (pct_per_ms / 2)
