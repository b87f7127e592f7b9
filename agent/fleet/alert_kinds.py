"""The kinds of alerts: severity, messages, and the limits at which they are raised and cleared."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

AlertKind = Literal[
    "soc_low",
    "soc_critical",
    "range_short_of_home",
    "not_plugged_in",
    "charge_ended_early",
    "offline_on_duty",
    "soc_drop",
    "battery_hot",
    "battery_cold",
    "geofence_entered",
    "geofence_left",
    "position_implausible",
    "soc_implausible",
    "odometer_implausible",
    "power_implausible",
]
Severity = Literal["info", "warning", "critical"]

SEVERITY: Final[Mapping[AlertKind, Severity]] = {
    "soc_low": "warning",
    "soc_critical": "critical",
    "range_short_of_home": "critical",
    "not_plugged_in": "warning",
    "charge_ended_early": "warning",
    "offline_on_duty": "warning",
    "soc_drop": "warning",
    "battery_hot": "critical",
    "battery_cold": "warning",
    "geofence_entered": "info",
    "geofence_left": "info",
    "position_implausible": "warning",
    "soc_implausible": "warning",
    "odometer_implausible": "warning",
    "power_implausible": "warning",
}
"""Severity of each kind."""

MESSAGES: Final[Mapping[AlertKind, tuple[str, str]]] = {
    "soc_low": ("state of charge is low: {value:.0f} %", "state of charge is {value:.0f} % again"),
    "soc_critical": ("state of charge is critical: {value:.0f} %", "state of charge is {value:.0f} % again"),
    "range_short_of_home": ("the range of {value:.0f} km does not reach its depot", "the depot is within reach again"),
    "not_plugged_in": ("has stood in its depot for {value:.0f} min without charging", "is charging or has left"),
    "charge_ended_early": ("charging stopped at {value:.0f} %", "charging goes on, or is done"),
    "offline_on_duty": ("has not been heard of since it was on the road", "is heard of again"),
    "soc_drop": ("state of charge fell suddenly, by {value:.1f} %", "state of charge has not fallen suddenly since"),
    "battery_hot": ("battery is hot: {value:.0f} °C", "battery is at {value:.0f} °C again"),
    "battery_cold": ("battery is cold: {value:.0f} °C", "battery is at {value:.0f} °C again"),
    "geofence_entered": ("entered {place}", "is not in {place} any more"),
    "geofence_left": ("left {place}", "left {place} some time ago"),
    "position_implausible": ("sends positions that cannot be true", "positions are plausible again"),
    "soc_implausible": ("sends states of charge that cannot be true", "state of charge is plausible again"),
    "odometer_implausible": ("sends odometer readings that cannot be true", "the odometer is plausible again"),
    "power_implausible": (
        "sends power or energy counters that cannot be true",
        "power and energy counters are plausible again",
    ),
}
"""The messages when an alert is raised and when it is cleared."""


class AlertLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When an alert is raised and when it is cleared. The difference of both is the hysteresis."""

    soc_low_pct: float = 20.0
    soc_low_clear_pct: float = 25.0
    soc_critical_pct: float = 10.0
    soc_critical_clear_pct: float = 13.0
    detour: float = 1.3
    """Distance by road over distance in a straight line."""
    reserve_km: float = 5.0
    range_clear: float = 1.15
    """`range_short_of_home` is cleared when the range is this many times the range that is needed."""
    plug_in_after_s: float = 1800.0
    """`not_plugged_in` is raised after this time in the van's own depot without a cable."""
    plug_in_below_pct: float = 80.0
    """Where the van does not report its cable, `not_plugged_in` is raised only below this state of charge."""
    charge_target_pct: float = 80.0
    """A charge that ends below this state of charge, with the cable connected, ended early."""
    soc_drop_pct: float = 5.0
    soc_drop_pct_per_min: float = 3.0
    """A fall of more than `soc_drop_pct`, plus this rate times the time since the last reading, is sudden."""
    soc_drop_gap_s: float = 1800.0
    """No fall is sudden after a longer silence."""
    event_hold_s: float = 1800.0
    """How long an alert about an event (`soc_drop`, `geofence_left`) stays active unless something clears it before."""
    hot_c: float = 45.0
    hot_clear_c: float = 42.0
    cold_c: float = -10.0
    cold_clear_c: float = -7.0
    fence_readings: int = 2
    """A change of place counts when this many checks in a row have seen it."""
    implausible_count: int = 3
    """How many refused values raise an alert, if none came more than `implausible_quiet_s` after the one before."""
    implausible_quiet_s: float = 600.0
