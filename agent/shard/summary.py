"""What is to be known of a van without its state: when a tick has something to do, and what a roll-up adds up."""

from typing import Final

import msgspec

from agent.fleet.books.days import QUIET_MS
from agent.fleet.emissions import imbalance_g
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, STOPPED
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds

NEVER_MS: Final = 2**62


class VanSummary(msgspec.Struct, array_like=True, gc=False):
    """A few values of a `VanState`, stored beside it in a checkpoint: add at the end with a default."""

    version: int
    """Of the state."""
    arrival_ms: int
    time_ms: int
    mode: int
    standing: bool
    alerts_due_ms: int
    day_end_ms: int
    alerting: bool
    """Whether an alert is active."""
    positions_rejected: int
    soc_rejected: int
    soc_pct: float | None
    power_kw: float | None
    """Positive out of the battery, as published."""
    used_kwh: float
    grid_kwh: float
    distance_km: float
    co2e_g: float
    avoided_co2e_g: float
    carbon_mg: int = 0
    """Carbon that has entered the van's books; whole mg, so that sums over vans are exact."""
    imbalance_mg: int = 0
    adjusted_mg: int = 0
    """Of that: what the books cannot explain, and what came or went without a charge; never negative."""
    tour_due_ms: int = 0
    odometer_rejected: int = 0
    power_rejected: int = 0
    """Powers and readings of lifetime counters."""


def summarize(state: VanState) -> VanSummary:
    """The state at a glance."""
    motion, soc, totals, emissions, alerts = state.motion, state.soc, state.totals, state.emissions, state.alerts
    power_kw = soc.power_kw
    return VanSummary(
        state.version,
        state.last_arrival_ms,
        state.time_ms,
        motion.mode,
        motion.standing_ms != 0,
        alerts.due_ms,
        state.day.end_ms,
        bool(alerts.active),
        state.position.rejected,
        state.rejected_soc,
        soc.soc_pct,
        None if power_kw is None else -power_kw,
        totals.used_kwh,
        totals.grid_kwh,
        totals.distance_km,
        0.0 if emissions is None else emissions.co2e_g_total,
        0.0 if emissions is None else emissions.avoided_co2e_g_total,
        0 if emissions is None else round(1000.0 * (emissions.begun_g + emissions.charged_g)),
        0 if emissions is None else round(1000.0 * abs(imbalance_g(emissions))),
        0 if emissions is None else round(1000.0 * abs(emissions.adjusted_g)),
        state.tour.due_ms,
        state.position.odometer_rejected,
        soc.power_rejected,
    )


def patience_ms(van: VanSummary, thresholds: Thresholds) -> int:
    """The silence from which on `tick` has something to do; with less it would leave the state as it is."""
    mode = van.mode
    patience = NEVER_MS
    if mode == STOPPED or (mode == DRIVING and van.standing):
        patience = thresholds.parked_after_ms
    elif mode not in (OFFLINE, CHARGING) and van.time_ms:
        patience = thresholds.offline_after_ms
    if van.alerts_due_ms > 0:
        patience = min(patience, van.alerts_due_ms - van.time_ms)
    if van.day_end_ms > 0:
        patience = min(patience, van.day_end_ms + QUIET_MS - van.time_ms)
    if van.tour_due_ms > 0:
        patience = min(patience, van.tour_due_ms - van.time_ms)
    return patience
