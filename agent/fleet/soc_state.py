"""State of what the battery reports: state of charge, power, counters, flag and temperatures."""

from dataclasses import dataclass


@dataclass(slots=True)
class SocState:
    """What the battery reports, which of it is believed, and how the values have been quantised."""

    soc_pct: float | None = None
    time_ms: int = 0
    before_pct: float | None = None
    """The value before the last change; `soc_pct` and `time_ms` are the last accepted value and when it was last
    sent."""
    low_level_pct: float = 0.0
    high_level_pct: float = 0.0
    """The interval of the level that the last value stands for."""
    seen_kwh: float = 0.0
    """`Totals.predicted_kwh` at the last reading that had not changed: the edge was crossed since."""
    grid: int = 0
    """Index into `agent.fleet.soc.GRIDS_PCT`: the coarsest grid that contains all values so far."""
    step_pct: float = 1.0
    recurring_pct: float = 0.0
    recurrences: int = 0
    """The smallest change that recurs, and how often it has."""
    candidate_pct: float | None = None
    candidate_ms: int = 0
    candidates: int = 0
    """A refused value, when it was last seen, and how often."""
    changed: bool = False
    """The value has changed since the last observation."""
    power_kw: float | None = None
    """Power into the battery; `None` where it is not sent or contradicts the state of charge."""
    raw_power_kw: float | None = None
    """The same before it is compared with the state of charge."""
    power_trusted: bool = True
    power_sign: int = 1
    """1 or -1: what the sent power is multiplied by."""
    reversals: int = 0
    """Windows in a row in which the power had the opposite sign."""
    frozen_readings: int = 0
    """Readings in a row of a drive with the same power into the battery."""
    power_sum_kwh: float = 0.0
    power_sum_var: float = 0.0
    blind_ms: int = 0
    """All energy by power so far, positive out of the battery, its variance (kWh²), and the time without power."""
    out_total_kwh: float | None = None
    in_total_kwh: float | None = None
    """The lifetime counters as last believed."""
    counter_trusted: bool = False
    counter_sum_kwh: float = 0.0
    """All net energy by counters so far, positive out of the battery."""
    ambient_temp_c: float | None = None
    battery_temp_c: float | None = None
    plugged_in: bool | None = None
    sign_is_sure: bool = False
    """The sign of the power is known. Until then nothing is booked as regenerated."""
    braked_kwh: float = 0.0
    driven_kwh: float = 0.0
    """Energy by power into and out of the battery on trips, until the sign is sure."""
    coarse: bool = True
    """All values so far are multiples of `agent.fleet.soc.COARSE_PCT`."""
    changed_ms: int = 0
    """When the value last changed."""
    changed_km: float = 0.0
    """`Totals.distance_km` then."""
    rise_credit_pct: float = 0.0
    fall_credit_pct: float = 0.0
    """How far rises and falls may still run ahead of the fastest mean rate."""
    candidate_from_ms: int = 0
    """When the candidate was first seen."""
    charging: bool | None = None
    """The van's flag, as last sent."""
    power_rejected: int = 0
    """Refused powers and counter readings so far."""
    counter_credit_kwh: float = 0.0
    """How far the counters may still run ahead of the largest power."""
    counter_ms: int = 0
    """When the counters were last believed."""
    counter_refusals: int = 0
    """In how many readings in a row they have been refused."""
    changed_kwh: float = 0.0
    """Energy out of the battery by the estimate, when the value last changed."""
    changed_kwh_per_km: float = 0.0
    """Consumption by the estimate then."""
    frozen: bool = False
    """The value has stayed the same over a longer distance than is possible."""
    flagged_ms: int = 0
    """For how long the flag has been on since the value last changed."""
    owed_pct: float = 0.0
    """What the last drive may have used and the value does not show yet."""
    lost_pct: float = 0.0
    """Falls without energy: this much may rise again without energy."""
    gained_pct: float = 0.0
    """Rises at rest without energy: this much may fall again without energy."""
    power_gross_kwh: float = 0.0
    """Energy by power in both directions, added up during conflicts of the witnesses of movement."""
    silent_kwh: float = 0.0
    silent_from_ms: int = 0
    """An unreported charge that is to be booked, and when it began."""
    candidate_out_kwh: float = 0.0
    candidate_in_kwh: float = 0.0
    """The counters as last refused."""
    candidate_from_pct: float = 0.0
    """The value of the first sighting of the candidate."""
