"""The thresholds of the van core, with their defaults."""

import msgspec


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """When a van moves, stands, is parked, charges or is offline, and which values are implausible.

    Sources: Traccar (200 m, 180 s), TeslaMate (15 min offline, 5 min and 5 km for a charge while offline), evcc
    (capacity learnt from 10 % and more), and limits measured on recorded drives; see docs/estimators.md.
    """

    moving_speed_kmh: float = 5.0
    """Faster than this in two readings in a row is a departure."""
    standing_speed_kmh: float = 3.0
    """A van slower than this stands."""
    departure_m: float = 200.0
    """Distance from the resting place that is a departure at any speed."""
    departure_odometer_km: float = 0.2
    """The same by odometer."""
    rest_radius_m: float = 80.0
    """Where no speed is sent, a van stands while all distinct fixes are within this."""
    hop_km: float = 0.03
    """A stop ends when the van has moved by this, even if it stands again: the next door of a delivery."""
    stop_after_ms: int = 60_000
    """Standing this long on a trip is a stop."""
    parked_after_ms: int = 300_000
    """Standing this long ends the trip."""
    wake_up_ms: int = 300_000
    """A trip begins when the van woke up, if that was at most this long before it moved."""
    asleep_after_ms: int = 300_000
    """A van that has been silent for this long without moving has slept; its next reading is a wake-up."""
    offline_after_ms: int = 900_000
    """A van silent for this long is offline; a trip under way ends at its last reading."""

    fix_gate_kmh: float = 160.0
    """A fix that needs more than this speed since the last good one is refused."""
    fix_accuracy_m: float = 50.0
    """A fix with a larger error than this is refused."""
    fix_anchors: int = 3
    fix_anchors_ms: int = 30_000
    """This many refused fixes that agree with each other, over this time, are a new place."""
    fix_step_m: float = 40.0
    """Moves between fixes are counted once they add up to this: fixes drift."""
    fix_chord_km: float = 0.2
    """Chords shorter than this are smoothed before they are added up."""
    speed_gap_ms: int = 60_000
    """Speed is integrated between readings at most this far apart."""
    power_gap_ms: int = 60_000
    """Battery power is integrated between readings at most this far apart."""

    soc_rise_pct_per_min: float = 4.0
    """Fastest true rise: DC charging of a small battery."""
    soc_fall_pct_per_min: float = 3.0
    """Fastest true fall."""
    soc_confirmations: int = 3
    """An impossible state of charge that is seen this often is a recalibration; it carries no energy."""
    charge_rise_pct: float = 1.0
    """Rise at rest that is a charge where no flag is sent; at least two quantisation steps."""
    certain_charge_pct: float = 3.0
    """The same where the flag denies a charge; at least three steps."""
    charge_power_kw: float = 1.0
    """Mean power such a rise must have."""
    charge_end_ms: int = 900_000
    """Without a flag, a charge ends when nothing has risen for this long; at least three times the time per step."""
    flag_flickers_ms: int = 300_000
    """A charge goes on while its flag is off for less than this."""
    inferred_charge_pct: float = 2.0
    """Rise over a silence that is an inferred charge."""
    inferred_trip_km: float = 0.5
    """Distance over a silence that is an inferred trip."""

    curve_slope_per_pct: float = 0.0019
    """Relative slope of kWh per % state of charge, around 55 %: NMC cells, from a BMW i3 (0.0426 / 22.17)."""
    lfp_slope_per_pct: float = 0.0005
    """The same for LFP cells, whose voltage hardly changes: 3.20 V at 10 %, 3.35 V at 95 %."""
    capacity_sigma: float = 0.02
    """Relative uncertainty (1 sigma) of the stated battery energy and of the curve's shape on one trip."""
    derived_every_s: float = 10.0
    """Least time between two rows of `energy` or `emissions`, in event time."""
