"""State of the state of charge, power and counters as sent."""

from agent.fast.attributes import quick_to_set
from agent.fleet.state_part import Part


@quick_to_set
class SocState(Part):
    """The state of charge as sent: its quantisation step and what cannot be true."""

    soc_pct: float | None = None
    time_ms: int = 0
    before_pct: float | None = None
    """The value before the last change."""
    low_level_pct: float = 0.0
    high_level_pct: float = 0.0
    """The interval that the last value stands for, on the energy-linear scale."""
    seen_kwh: float = 0.0
    """Energy predicted up to the last reading that had not changed: an edge lies between that one and the next."""
    grid: int = 0
    """Index of the coarsest grid that all values so far lie on."""
    step_pct: float = 1.0
    recurring_pct: float = 0.0
    recurrences: int = 0
    candidate_pct: float | None = None
    candidate_ms: int = 0
    candidates: int = 0
    changed: bool = False
    power_kw: float | None = None
    """As believed: `None` where it is not sent or contradicts the state of charge."""
    raw_power_kw: float | None = None
    power_trusted: bool = True
    power_sign: int = 1
    reversals: int = 0
    frozen_readings: int = 0
    power_sum_kwh: float = 0.0
    """All energy by power so far, positive out of the battery, with its variance, and the time without power."""
    power_sum_var: float = 0.0
    blind_ms: int = 0
    out_total_kwh: float | None = None
    in_total_kwh: float | None = None
    counter_trusted: bool = False
    counter_sum_kwh: float = 0.0
    ambient_temp_c: float | None = None
    battery_temp_c: float | None = None
    plugged_in: bool | None = None
    sign_is_sure: bool = False
    """Whether power has shown which of its signs is out of the battery; until then nothing is booked as regenerated."""
    braked_kwh: float = 0.0
    driven_kwh: float = 0.0
    """Energy by power into and out of the battery on trips, while the sign is not sure."""
    coarse: bool = True
    """All values so far are multiples of `agent.fleet.soc.COARSE_PCT`."""
    changed_ms: int = 0
    """When the value changed last."""
    changed_km: float = 0.0
    """The van's distance then."""
    rise_credit_pct: float = 0.0
    """How far rises may still run ahead of the fastest mean rate."""
    fall_credit_pct: float = 0.0
    candidate_from_ms: int = 0
    """When the value that waits for confirmation was first seen."""
    charging: bool | None = None
    """The van's flag, as last sent."""
    power_rejected: int = 0
    """Powers and counter readings beyond physics."""
    counter_credit_kwh: float = 0.0
    """How far the counters may still run ahead of the largest power."""
    counter_ms: int = 0
    """When the counters were last believed."""
    counter_refusals: int = 0
    """Running: how often they have been refused."""
    changed_kwh: float = 0.0
    """Where the energy estimate stood when the value last changed."""
    changed_kwh_per_km: float = 0.0
    """The consumption that was believed then, kWh/km."""
    frozen: bool = False
    """The value has stayed the same for longer than any drive lets it."""
    flagged_ms: int = 0
    """How long the flag has said that the van charges since the value last changed."""
    owed_pct: float = 0.0
    """What the van may have used on its way and its state of charge has not told yet."""
    lost_pct: float = 0.0
    """What has vanished without energy, and may come back without any."""
    gained_pct: float = 0.0
    """What has come at rest without energy, and may vanish without any."""
    power_gross_kwh: float = 0.0
    """Energy by power, whichever way it flowed, while the witnesses of movement have disagreed."""
    silent_kwh: float = 0.0
    silent_from_ms: int = 0
    """A charge that nobody saw, on its way from the state of charge to the charges."""
    candidate_out_kwh: float = 0.0
    candidate_in_kwh: float = 0.0
    """The counters as last refused."""
    candidate_from_pct: float = 0.0
    """The first value of those that wait for another sighting."""
