"""What has to be known of a van without decoding its state: when a tick is due for it, and what a roll-up adds up."""

import msgspec

from agent.fleet import quiet
from agent.fleet.emissions import imbalance_g
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds


class VanSummary(msgspec.Struct, array_like=True, gc=False):
    """A few values of a `VanState`, stored beside it in a checkpoint. A new field goes to the end, with a default."""

    version: int
    """Version of the state."""
    arrival_ms: int
    """When the van was heard last."""
    time_ms: int
    """Event time of its newest reading."""
    mode: int
    standing: bool
    """Whether it stands, on a trip or after one."""
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
    """Carbon that has entered the van's books. Whole milligrams, so sums over vans are exact."""
    imbalance_mg: int = 0
    """Carbon that the books cannot explain; never negative."""
    adjusted_mg: int = 0
    """Carbon that came or went without a charge; never negative."""
    tour_due_ms: int = 0
    odometer_rejected: int = 0
    power_rejected: int = 0
    """Rejected powers and readings of lifetime energy counters."""

    def quiet_ms(self, thresholds: Thresholds) -> int:
        """The shortest silence at which `tick` has something to do for the van; see `agent.fleet.quiet`."""
        return quiet.quiet_ms(
            thresholds,
            mode=self.mode,
            standing=self.standing,
            time_ms=self.time_ms,
            alerts_due_ms=self.alerts_due_ms,
            day_end_ms=self.day_end_ms,
            tour_due_ms=self.tour_due_ms,
        )


def summarize(state: VanState) -> VanSummary:
    """The summary of a state."""
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
