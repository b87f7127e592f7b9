"""Every threshold of the van core, with the default to ship."""

import msgspec


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When a van counts as moving, standing, parked, charging, offline, and what is too strange to be true.

    Sources: Traccar (200 m, 180 s), TeslaMate (15 min offline, 5 min and 5 km for a charge while offline), evcc
    (capacity learnt from 10 % and more), and limits measured on recorded drives; see docs/estimators.md.
    """

    moving_speed_kmh: float = 5.0
    """Faster than this in two readings running is driving."""
    standing_speed_kmh: float = 3.0
    """Slower than this is standing."""
    departure_m: float = 200.0
    """Distance from the resting place that is driving, whatever the speed says."""
    departure_odometer_km: float = 0.2
    """The same by odometer."""
    rest_radius_m: float = 80.0
    """All distinct fixes within this: standing, where no speed is sent."""
    hop_km: float = 0.03
    """A stand is over when the van has gone on by this, though it may stand again: the next door of a delivery."""
    stop_after_ms: int = 60_000
    """Standing this long on a trip is a stop."""
    parked_after_ms: int = 300_000
    """Standing this long ends the trip."""
    wake_up_ms: int = 300_000
    """A trip reaches back to the moment the van woke up, if that was at most this long before it moved."""
    asleep_after_ms: int = 300_000
    """Silent for this long and then not moved: the van slept, a new reading is a waking up."""
    offline_after_ms: int = 900_000
    """Silent for this long: offline; a trip under way ends at the last reading."""

    fix_gate_kmh: float = 160.0
    """A position that needs more than this since the last good one is refused."""
    fix_accuracy_m: float = 50.0
    """A position less certain than this is refused."""
    fix_anchors: int = 3
    """So many refused positions that agree with each other ..."""
    fix_anchors_ms: int = 30_000
    """... over this time are a new place."""
    fix_step_m: float = 40.0
    """Shorter moves between fixes are not counted until they add up: receivers drift."""
    fix_chord_km: float = 0.2
    """Shorter chords are smoothed before they are added up."""
    speed_gap_ms: int = 60_000
    """Speed is integrated between readings at most this far apart."""
    power_gap_ms: int = 60_000
    """Battery power is integrated between readings at most this far apart."""

    soc_rise_pct_per_min: float = 4.0
    """Fastest true rise: DC charging of a small battery."""
    soc_fall_pct_per_min: float = 3.0
    """Fastest true fall."""
    soc_confirmations: int = 3
    """An impossible state of charge seen this often is a new truth (recalibration), excluded from energy."""
    charge_rise_pct: float = 1.0
    """Rise at rest that is a charge, where no flag is sent; at least two quantisation steps."""
    certain_charge_pct: float = 3.0
    """The same where the flag says that there is none; at least three steps."""
    charge_power_kw: float = 1.0
    """Mean power such a rise must have."""
    charge_end_ms: int = 900_000
    """No rise for this long ends a charge that no flag ends; at least three times the time per step."""
    flag_flickers_ms: int = 300_000
    """A charging flag that is off for less than this has not ended the charge."""
    inferred_charge_pct: float = 2.0
    """Rise over a silence that is a charge nobody reported."""
    inferred_trip_km: float = 0.5
    """Distance over a silence that is a trip nobody reported."""

    curve_slope_per_pct: float = 0.0019
    """Relative slope of kWh per % state of charge, around 55 %: NMC cells, from a BMW i3 (0.0426 / 22.17)."""
    lfp_slope_per_pct: float = 0.0005
    """The same for LFP cells, whose voltage hardly changes: 3.20 V at 10 %, 3.35 V at 95 %."""
    capacity_sigma: float = 0.02
    """Relative uncertainty (1 sigma) of the stated battery energy and of the curve's shape on one trip."""
    derived_every_s: float = 10.0
    """`energy` and `emissions` at most this often, in event time."""
