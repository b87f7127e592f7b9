"""Conditions that somebody should know of: raised once, kept while they hold, cleared with hysteresis.

`update` may be called as often as one likes; it looks at where the van stands, not at every reading.
"""

from agent.fleet.alert_kinds import AlertLimits, Kind
from agent.fleet.alert_state import Active, AlertsState, Log, Look, Strikes, active_payload
from agent.fleet.places import Names, Places
from agent.fleet.records import AlertRecord

__all__ = ["Active", "AlertsState", "Look", "Strikes", "active_payload", "update"]


def update(state: AlertsState, limits: AlertLimits, look: Look, places: Places | None = None) -> list[AlertRecord]:
    """Raise and clear what is due. Records of one van never share a time, so that a store keeps them all."""
    if _is_calm(state, limits, look):
        if look.soc_pct is not None:
            state.soc_pct, state.soc_ms = look.soc_pct, look.soc_time_ms or look.time_ms
        return []
    log = Log(state, look)
    at_home = look.depot in (look.places if look.places is not None else state.places or ())
    _state_of_charge(log, limits)
    _sudden_drop(log, limits)
    _way_home(log, limits, at_home=at_home)
    _cable(log, limits, at_home=at_home or look.depot in (state.places or ()))
    _charge_end(log, limits)
    _silence(log, away=places is not None and places.get(look.depot) is not None and not at_home)
    _temperature(log, limits)
    _fences(log, limits, places)
    state.positions = _refusals(log, limits, "position_implausible", state.positions, look.position_refusals)
    state.socs = _refusals(log, limits, "soc_implausible", state.socs, look.soc_refusals)
    state.odometers = _refusals(log, limits, "odometer_implausible", state.odometers, look.odometer_refusals)
    state.powers = _refusals(log, limits, "power_implausible", state.powers, look.power_refusals)
    state.state = look.state
    state.due_ms = _due_ms(state, limits)
    return log.records


def _due_ms(state: AlertsState, limits: AlertLimits) -> int:
    due: list[float] = []
    if state.unplugged_ms and not any(alert.kind == "not_plugged_in" for alert in state.active):
        due.append(state.unplugged_ms + limits.plug_in_after_s * 1000)
    for alert in state.active:
        if alert.kind in ("soc_drop", "geofence_left"):
            due.append(alert.since_ms + limits.event_hold_s * 1000)
        else:
            strikes = _strikes(state, alert.kind)
            if strikes is not None:
                due.append(strikes.last_ms + limits.implausible_quiet_s * 1000)
    return int(min(due, default=0))


def _strikes(state: AlertsState, kind: Kind) -> Strikes | None:
    """What has been refused of the values that this alert is about."""
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


def _is_calm(state: AlertsState, limits: AlertLimits, look: Look) -> bool:
    """Whether nothing can begin or end, seen at a glance: most vans, most of the time."""
    soc_pct, temp_c, range_km = look.soc_pct, look.battery_temp_c, look.range_km
    return (
        not state.active
        and look.state == state.state
        and state.unplugged_ms == 0
        and look.places == state.places
        and state.next_looks == 0
        and (look.depot not in (look.places or ()) or look.state == "driving")
        and (
            soc_pct is None
            or (soc_pct >= limits.soc_low_pct and (state.soc_pct or 0.0) - soc_pct < limits.soc_drop_pct)
        )
        and (temp_c is None or limits.cold_c <= temp_c <= limits.hot_c)
        and (range_km is None or look.home_km is None or range_km >= look.home_km * limits.detour + limits.reserve_km)
        and look.position_refusals == (state.positions.seen if state.positions is not None else 0)
        and look.soc_refusals == (state.socs.seen if state.socs is not None else 0)
        and look.odometer_refusals == (state.odometers.seen if state.odometers is not None else 0)
        and look.power_refusals == (state.powers.seen if state.powers is not None else 0)
    )


def _state_of_charge(log: Log, limits: AlertLimits) -> None:
    soc_pct = log.look.soc_pct
    if soc_pct is not None:
        log.judge("soc_low", soc_pct, begins=soc_pct < limits.soc_low_pct, ends=soc_pct >= limits.soc_low_clear_pct)
        log.judge(
            "soc_critical",
            soc_pct,
            begins=soc_pct < limits.soc_critical_pct,
            ends=soc_pct >= limits.soc_critical_clear_pct,
        )


def _sudden_drop(log: Log, limits: AlertLimits) -> None:
    look, state = log.look, log.state
    alert = log.find("soc_drop") if state.active else None
    if alert is not None and (look.state == "charging" or _held(look, alert, limits)):
        log.end(alert, look.soc_pct)
    if look.soc_pct is None:
        return
    time_ms = look.soc_time_ms or look.time_ms
    if state.soc_pct is not None:
        gap_s = (time_ms - state.soc_ms) / 1000
        drop_pct = state.soc_pct - look.soc_pct
        sudden = drop_pct > limits.soc_drop_pct + limits.soc_drop_pct_per_min * gap_s / 60
        log.judge("soc_drop", drop_pct, begins=sudden and 0 <= gap_s <= limits.soc_drop_gap_s, ends=False)
    state.soc_pct, state.soc_ms = look.soc_pct, time_ms


def _held(look: Look, alert: Active, limits: AlertLimits) -> bool:
    return look.time_ms - alert.since_ms >= limits.event_hold_s * 1000


def _way_home(log: Log, limits: AlertLimits, *, at_home: bool) -> None:
    range_km, home_km = log.look.range_km, log.look.home_km
    if range_km is None or home_km is None:
        return
    needed_km = home_km * limits.detour + limits.reserve_km
    # On the border of its depot a van is now in and now out by the error of its fixes.
    left = log.look.depot not in (log.state.places or ()) and log.state.next_looks == 0
    log.judge(
        "range_short_of_home",
        range_km,
        begins=range_km < needed_km and not at_home and left,
        ends=at_home or range_km >= needed_km * limits.range_clear,
    )


def _cable(log: Log, limits: AlertLimits, *, at_home: bool) -> None:
    """Standing in its own depot and not charging; a van that does not report its cable only when it is not full."""
    look, state = log.look, log.state
    loose = look.plugged_in is False or (
        look.plugged_in is None and look.soc_pct is not None and look.soc_pct < limits.plug_in_below_pct
    )
    if not at_home or not loose or look.state in ("driving", "charging"):
        state.unplugged_ms = 0
        log.judge("not_plugged_in", None, begins=False, ends=True)
        return
    state.unplugged_ms = state.unplugged_ms or look.time_ms
    standing_s = (look.time_ms - state.unplugged_ms) / 1000
    log.judge("not_plugged_in", standing_s / 60, begins=standing_s >= limits.plug_in_after_s, ends=False)


def _charge_end(log: Log, limits: AlertLimits) -> None:
    look = log.look
    full = look.soc_pct is not None and look.soc_pct >= limits.charge_target_pct
    over = full or look.plugged_in is False or look.state in ("charging", "driving")
    ended = log.state.state == "charging" and look.state != "charging" and look.soc_pct is not None
    log.judge("charge_ended_early", look.soc_pct, begins=ended and not over, ends=over)


def _silence(log: Log, *, away: bool) -> None:
    """Offline from the road, or from a place that is not its depot."""
    state, before = log.state, log.state.state
    silent = log.look.state == "offline"
    on_duty = before in ("driving", "stopped") or (before != "offline" and away and not state.said_silent)
    if not silent and log.look.state != "parked":
        state.said_silent = False
    elif silent and on_duty:
        state.said_silent = True
    log.judge("offline_on_duty", None, begins=silent and on_duty, ends=not silent)


def _temperature(log: Log, limits: AlertLimits) -> None:
    temp_c = log.look.battery_temp_c
    if temp_c is not None:
        log.judge("battery_hot", temp_c, begins=temp_c > limits.hot_c, ends=temp_c < limits.hot_clear_c)
        log.judge("battery_cold", temp_c, begins=temp_c < limits.cold_c, ends=temp_c > limits.cold_clear_c)


def _fences(log: Log, limits: AlertLimits, places: Places | None) -> None:
    look, state = log.look, log.state
    if state.active:
        for alert in [a for a in state.active if a.kind == "geofence_left" and _held(look, a, limits)]:
            log.end(alert)
    if look.places is None or look.places == state.places:
        state.next_looks = 0
        return
    if state.places is None:
        state.places = look.places
        return
    state.next_looks = state.next_looks + 1 if look.places == state.next_places and state.next_looks else 1
    state.next_places = look.places
    if state.next_looks >= limits.fence_readings:
        before, state.places = state.places, look.places
        state.next_places, state.next_looks = None, 0
        _cross(log, places, before, look.places)


def _cross(log: Log, places: Places | None, before: Names, after: Names) -> None:
    for name in before:
        if name not in after:
            inside = log.find("geofence_entered", name)
            if inside is not None:
                log.end(inside)
            place = None if places is None else places.get(name)
            if place is not None and place.alert:
                log.begin("geofence_left", place=name)
    for name in after:
        place = None if places is None or name in before else places.get(name)
        if place is not None and place.alert:
            left = log.find("geofence_left", name)
            if left is not None:
                log.end(left)
            log.begin("geofence_entered", place=name)


def _refusals(log: Log, limits: AlertLimits, kind: Kind, strikes: Strikes | None, total: int) -> Strikes | None:
    """Count refused values that come close together; nothing is kept for a van that never had one."""
    if strikes is None:
        if total == 0:
            return None
        strikes = Strikes()
    quiet = log.look.time_ms - strikes.last_ms >= limits.implausible_quiet_s * 1000
    if total > strikes.seen:
        strikes.count = total - strikes.seen + (0 if quiet else strikes.count)
        strikes.last_ms = log.look.time_ms
        quiet = False
    strikes.seen = total
    log.judge(kind, None, begins=not quiet and strikes.count >= limits.implausible_count, ends=quiet)
    return strikes
