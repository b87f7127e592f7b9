"""When a silent van needs a tick: the limits of docs/estimators.md, and an event that is due earlier."""

import pytest

from agent.fleet import new_state
from agent.fleet.modes import CHARGING, DRIVING, OFFLINE, PARKED, STOPPED
from agent.fleet.quiet import NEVER_MS, quiet_ms_of
from agent.fleet.thresholds import Thresholds

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
NOON_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("title", "mode", "standing", "due", "quiet_ms"),
    [
        ("driving: offline after 15 minutes", DRIVING, False, {}, 15 * MINUTE_MS),
        ("standing on a trip: the trip ends after 5 minutes", DRIVING, True, {}, 5 * MINUTE_MS),
        ("at a stop: the same", STOPPED, True, {}, 5 * MINUTE_MS),
        ("parked: offline after 15 minutes", PARKED, True, {}, 15 * MINUTE_MS),
        ("charging: a charger's van may be silent", CHARGING, True, {}, NEVER_MS),
        ("offline already", OFFLINE, False, {}, NEVER_MS),
        ("an alert is due before", PARKED, True, {"alerts": 2 * MINUTE_MS}, 2 * MINUTE_MS),
        ("an alert is due after", PARKED, True, {"alerts": HOUR_MS}, 15 * MINUTE_MS),
        ("an alert is overdue", PARKED, True, {"alerts": -MINUTE_MS}, -MINUTE_MS),
        ("offline: the day closes 6 hours after its end", OFFLINE, False, {"day": HOUR_MS}, 7 * HOUR_MS),
        ("offline: a tour is given up", OFFLINE, False, {"tour": 3 * HOUR_MS}, 3 * HOUR_MS),
        ("offline: the first of several", OFFLINE, False, {"tour": 3 * HOUR_MS, "alerts": 2 * HOUR_MS}, 2 * HOUR_MS),
    ],
)
def test_how_long_a_van_may_be_quiet(title: str, mode: int, standing: bool, due: dict[str, int], quiet_ms: int) -> None:
    state = new_state("van-1")
    state.time_ms = NOON_MS
    state.motion.mode = mode
    state.motion.standing_ms = NOON_MS - MINUTE_MS if standing else 0
    if "alerts" in due:
        state.alerts.due_ms = NOON_MS + due["alerts"]
    if "day" in due:
        state.day.end_ms = NOON_MS + due["day"]
    if "tour" in due:
        state.tour.due_ms = NOON_MS + due["tour"]
    assert quiet_ms_of(state, Thresholds()) == quiet_ms, title


def test_a_van_without_a_reading_has_nothing_to_wait_for() -> None:
    assert quiet_ms_of(new_state("van-1"), Thresholds()) == NEVER_MS
