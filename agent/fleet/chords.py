"""Detects an odometer in miles: no way is shorter than the straight line between its ends.

Odometer and speed of a van may both be in miles, and agree. Chords between fixes a minute apart are added up over some
kilometres. If they are longer than the counted distance, in two sections in a row and by the same ratio, the odometer
is in another unit. From then on fixes count the distance.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.modes import DRIVING
from agent.fleet.position_state import AGREED
from agent.fleet.speed import FASTEST_UNIT, SAME_UNIT
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds

SECTION_KM: Final = 4.0
"""Length of a section by chords."""
SLACK_KM: Final = 0.1
"""How much the errors of two fixes may add to a chord."""
_MS_PER_H: Final = 3_600_000.0


def add_chord(state: VanState, thresholds: Thresholds) -> None:
    """Add the chord since the last call, while the van drives and its odometer is believed."""
    position, km = state.position, state.totals.distance_km
    latitude, longitude, begun = position.latitude_deg, position.longitude_deg or 0.0, position.chord_latitude_deg
    tells = position.odometer_km is not None and not position.odometer_lost and position.conflict == AGREED
    believed = not position.raw_pending and not position.raw_rejected
    if state.motion.mode != DRIVING or latitude is None or not tells or not believed:
        position.chord_latitude_deg = None
        return
    if position.unfixed_km:
        return  # the fix is older than the odometer
    if begun is not None:
        chord_km = between_km(begun, position.chord_longitude_deg, latitude, longitude)
        hours = (state.time_ms - position.chord_ms) / _MS_PER_H
        if chord_km > thresholds.fix_gate_kmh * hours + SLACK_KM:
            position.chords_km = position.chords_way_km = position.chords_share = 0.0  # one of its ends is wrong
        else:
            position.chords_km += chord_km
            position.chords_way_km += km - position.chord_from_km
            if position.chords_km >= SECTION_KM:
                _assess(state)
    position.chord_latitude_deg, position.chord_longitude_deg = latitude, longitude
    position.chord_ms, position.chord_from_km = state.time_ms, state.totals.distance_km


def _assess(state: VanState) -> None:
    """Compare chords and distance at the end of a section."""
    position = state.position
    chords_km, way_km, before = position.chords_km, position.chords_way_km, position.chords_share
    share = chords_km / max(way_km, 0.1)
    position.chords_km = position.chords_way_km = 0.0
    position.chords_share = share if share > FASTEST_UNIT else 0.0
    if not before or not SAME_UNIT * before <= share <= before / SAME_UNIT:
        return
    position.chords_share = 0.0
    position.speed_misleads = True
    position.settled = False
    odometer.distrust(position)
    state.totals.distance_km += 2.0 * (chords_km - way_km)  # of this section and the one before
