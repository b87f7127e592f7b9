"""Alerts: conditions that are raised once, kept while they hold, and cleared with hysteresis.

`raise_and_clear` need not see every reading. It may be called at any time.
"""

from agent.fleet.alert_kinds import AlertKind, AlertLimits
from agent.fleet.alert_state import ActiveAlert, AlertChanges, AlertInputs, AlertsState, Refusals
from agent.fleet.places import Names, Places
from agent.fleet.records import AlertRecord


def raise_and_clear(
    state: AlertsState, limits: AlertLimits, inputs: AlertInputs, places: Places | None = None
) -> list[AlertRecord]:
    """Raise and clear alerts. No two records of one van have the same time, so a store keeps all of them."""
    if _is_calm(state, limits, inputs):
        if inputs.soc_pct is not None:
            state.soc_pct, state.soc_ms = inputs.soc_pct, inputs.soc_time_ms or inputs.time_ms
        return []
    changes = AlertChanges(state, inputs)
    at_home = inputs.depot in (inputs.places if inputs.places is not None else state.places or ())
    _state_of_charge(changes, limits)
    _sudden_drop(changes, limits)
    _way_home(changes, limits, at_home=at_home)
    _cable(changes, limits, at_home=at_home or inputs.depot in (state.places or ()))
    _charge_end(changes, limits)
    _silence(changes, away=places is not None and places.get(inputs.depot) is not None and not at_home)
    _temperature(changes, limits)
    _fences(changes, limits, places)
    state.positions = _refusals(changes, limits, "position_implausible", state.positions, inputs.position_refusals)
    state.socs = _refusals(changes, limits, "soc_implausible", state.socs, inputs.soc_refusals)
    state.odometers = _refusals(changes, limits, "odometer_implausible", state.odometers, inputs.odometer_refusals)
    state.powers = _refusals(changes, limits, "power_implausible", state.powers, inputs.power_refusals)
    state.state = inputs.state
    state.due_ms = _due_ms(state, limits)
    return changes.records


def _due_ms(state: AlertsState, limits: AlertLimits) -> int:
    due: list[float] = []
    if state.unplugged_ms and not any(alert.kind == "not_plugged_in" for alert in state.active):
        due.append(state.unplugged_ms + limits.plug_in_after_s * 1000)
    for alert in state.active:
        if alert.kind in ("soc_drop", "geofence_left"):
            due.append(alert.since_ms + limits.event_hold_s * 1000)
        else:
            refusals = _refusals_of(state, alert.kind)
            if refusals is not None:
                due.append(refusals.last_ms + limits.implausible_quiet_s * 1000)
    return int(min(due, default=0))


def _refusals_of(state: AlertsState, kind: AlertKind) -> Refusals | None:
    """The refused values that an alert is about."""
    match kind:
        case "position_implausible":
            return state.positions
        case "soc_implausible":
            return state.socs
        case "odometer_implausible":
            return state.odometers
        case "power_implausible":
            return state.powers
    return None


def _is_calm(state: AlertsState, limits: AlertLimits, inputs: AlertInputs) -> bool:
    """Whether no alert can begin or end. A cheap test that holds for most vans most of the time."""
    soc_pct, temp_c, range_km = inputs.soc_pct, inputs.battery_temp_c, inputs.range_km
    return (
        not state.active
        and inputs.state == state.state
        and state.unplugged_ms == 0
        and inputs.places == state.places
        and state.next_seen == 0
        and (inputs.depot not in (inputs.places or ()) or inputs.state == "driving")
        and (
            soc_pct is None
            or (soc_pct >= limits.soc_low_pct and (state.soc_pct or 0.0) - soc_pct < limits.soc_drop_pct)
        )
        and (temp_c is None or limits.cold_c <= temp_c <= limits.hot_c)
        and (
            range_km is None or inputs.home_km is None or range_km >= inputs.home_km * limits.detour + limits.reserve_km
        )
        and inputs.position_refusals == (state.positions.seen if state.positions is not None else 0)
        and inputs.soc_refusals == (state.socs.seen if state.socs is not None else 0)
        and inputs.odometer_refusals == (state.odometers.seen if state.odometers is not None else 0)
        and inputs.power_refusals == (state.powers.seen if state.powers is not None else 0)
    )


def _state_of_charge(changes: AlertChanges, limits: AlertLimits) -> None:
    soc_pct = changes.inputs.soc_pct
    if soc_pct is not None:
        changes.judge("soc_low", soc_pct, begins=soc_pct < limits.soc_low_pct, ends=soc_pct >= limits.soc_low_clear_pct)
        changes.judge(
            "soc_critical",
            soc_pct,
            begins=soc_pct < limits.soc_critical_pct,
            ends=soc_pct >= limits.soc_critical_clear_pct,
        )


def _sudden_drop(changes: AlertChanges, limits: AlertLimits) -> None:
    inputs, state = changes.inputs, changes.state
    alert = changes.find("soc_drop") if state.active else None
    if alert is not None and (inputs.state == "charging" or _held(inputs, alert, limits)):
        changes.end(alert, inputs.soc_pct)
    if inputs.soc_pct is None:
        return
    time_ms = inputs.soc_time_ms or inputs.time_ms
    if state.soc_pct is not None:
        gap_s = (time_ms - state.soc_ms) / 1000
        drop_pct = state.soc_pct - inputs.soc_pct
        sudden = drop_pct > limits.soc_drop_pct + limits.soc_drop_pct_per_min * gap_s / 60
        changes.judge("soc_drop", drop_pct, begins=sudden and 0 <= gap_s <= limits.soc_drop_gap_s, ends=False)
    state.soc_pct, state.soc_ms = inputs.soc_pct, time_ms


def _held(inputs: AlertInputs, alert: ActiveAlert, limits: AlertLimits) -> bool:
    return inputs.time_ms - alert.since_ms >= limits.event_hold_s * 1000


def _way_home(changes: AlertChanges, limits: AlertLimits, *, at_home: bool) -> None:
    range_km, home_km = changes.inputs.range_km, changes.inputs.home_km
    if range_km is None or home_km is None:
        return
    needed_km = home_km * limits.detour + limits.reserve_km
    # Near the border of its depot, the errors of the fixes put a van inside and outside in turn.
    left = changes.inputs.depot not in (changes.state.places or ()) and changes.state.next_seen == 0
    changes.judge(
        "range_short_of_home",
        range_km,
        begins=range_km < needed_km and not at_home and left,
        ends=at_home or range_km >= needed_km * limits.range_clear,
    )


def _cable(changes: AlertChanges, limits: AlertLimits, *, at_home: bool) -> None:
    """A van that stands in its own depot without charging.

    Where the van does not report its cable, only below a state of charge.
    """
    inputs, state = changes.inputs, changes.state
    loose = inputs.plugged_in is False or (
        inputs.plugged_in is None and inputs.soc_pct is not None and inputs.soc_pct < limits.plug_in_below_pct
    )
    if not at_home or not loose or inputs.state in ("driving", "charging"):
        state.unplugged_ms = 0
        changes.judge("not_plugged_in", None, begins=False, ends=True)
        return
    state.unplugged_ms = state.unplugged_ms or inputs.time_ms
    standing_s = (inputs.time_ms - state.unplugged_ms) / 1000
    changes.judge("not_plugged_in", standing_s / 60, begins=standing_s >= limits.plug_in_after_s, ends=False)


def _charge_end(changes: AlertChanges, limits: AlertLimits) -> None:
    inputs = changes.inputs
    full = inputs.soc_pct is not None and inputs.soc_pct >= limits.charge_target_pct
    over = full or inputs.plugged_in is False or inputs.state in ("charging", "driving")
    ended = changes.state.state == "charging" and inputs.state != "charging" and inputs.soc_pct is not None
    changes.judge("charge_ended_early", inputs.soc_pct, begins=ended and not over, ends=over)


def _silence(changes: AlertChanges, *, away: bool) -> None:
    """A van that goes offline on the road, or at a place that is not its depot."""
    state, before = changes.state, changes.state.state
    silent = changes.inputs.state == "offline"
    on_duty = before in ("driving", "stopped") or (before != "offline" and away and not state.silence_reported)
    if not silent and changes.inputs.state != "parked":
        state.silence_reported = False
    elif silent and on_duty:
        state.silence_reported = True
    changes.judge("offline_on_duty", None, begins=silent and on_duty, ends=not silent)


def _temperature(changes: AlertChanges, limits: AlertLimits) -> None:
    temp_c = changes.inputs.battery_temp_c
    if temp_c is not None:
        changes.judge("battery_hot", temp_c, begins=temp_c > limits.hot_c, ends=temp_c < limits.hot_clear_c)
        changes.judge("battery_cold", temp_c, begins=temp_c < limits.cold_c, ends=temp_c > limits.cold_clear_c)


def _fences(changes: AlertChanges, limits: AlertLimits, places: Places | None) -> None:
    inputs, state = changes.inputs, changes.state
    if state.active:
        for alert in [a for a in state.active if a.kind == "geofence_left" and _held(inputs, a, limits)]:
            changes.end(alert)
    if inputs.places is None or inputs.places == state.places:
        state.next_seen = 0
        return
    if state.places is None:
        state.places = inputs.places
        return
    state.next_seen = state.next_seen + 1 if inputs.places == state.next_places and state.next_seen else 1
    state.next_places = inputs.places
    if state.next_seen >= limits.fence_readings:
        before, state.places = state.places, inputs.places
        state.next_places, state.next_seen = None, 0
        _cross(changes, places, before, inputs.places)


def _cross(changes: AlertChanges, places: Places | None, before: Names, after: Names) -> None:
    for name in before:
        if name not in after:
            inside = changes.find("geofence_entered", name)
            if inside is not None:
                changes.end(inside)
            place = None if places is None else places.get(name)
            if place is not None and place.alert:
                changes.begin("geofence_left", place=name)
    for name in after:
        place = None if places is None or name in before else places.get(name)
        if place is not None and place.alert:
            left = changes.find("geofence_left", name)
            if left is not None:
                changes.end(left)
            changes.begin("geofence_entered", place=name)


def _refusals(
    changes: AlertChanges, limits: AlertLimits, kind: AlertKind, refusals: Refusals | None, total: int
) -> Refusals | None:
    """Count refused values that come close together. `None` for a van that never had one."""
    if refusals is None:
        if total == 0:
            return None
        refusals = Refusals()
    quiet = changes.inputs.time_ms - refusals.last_ms >= limits.implausible_quiet_s * 1000
    if total > refusals.seen:
        refusals.count = total - refusals.seen + (0 if quiet else refusals.count)
        refusals.last_ms = changes.inputs.time_ms
        quiet = False
    refusals.seen = total
    changes.judge(kind, None, begins=not quiet and refusals.count >= limits.implausible_count, ends=quiet)
    return refusals
