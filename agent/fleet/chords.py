"""An odometer in miles: no way is shorter than the straight line between its ends.

Odometer and speed of a van may both be in miles, and agree. The fixes know no miles. Chords of a minute are added up
over some kilometres. Where they are longer than what was counted along them, twice running and by the same share, the
odometer is in another unit. From then on the fixes tell the distance.
"""

from typing import Final

from agent.fleet import odometer
from agent.fleet.modes import DRIVING
from agent.fleet.position_state import AGREED
from agent.fleet.speed import FASTEST_UNIT, SAME_UNIT
from agent.fleet.sphere import between_km
from agent.fleet.state import VanState
from agent.fleet.thresholds import Thresholds

STRETCH_KM: Final = 4.0
SLACK_KM: Final = 0.1
"""What the errors of two fixes may add to a chord."""
_MS_PER_H: Final = 3_600_000.0


def add_chord(state: VanState, thresholds: Thresholds) -> None:
    """Take the chord since the last look while the van drives by its odometer."""
    position, km = state.position, state.totals.distance_km
    latitude, longitude, begun = position.latitude_deg, position.longitude_deg or 0.0, position.chord_latitude_deg
    tells = position.odometer_km is not None and not position.odometer_lost and position.conflict == AGREED
    believed = not position.raw_pending and not position.raw_rejected
    if state.motion.mode != DRIVING or latitude is None or not tells or not believed:
        position.chord_latitude_deg = None
        return
    if position.unfixed_km:
        return  # the fix is behind the odometer
    if begun is not None:
        chord_km = between_km(begun, position.chord_longitude_deg, latitude, longitude)
        hours = (state.time_ms - position.chord_ms) / _MS_PER_H
        if chord_km > thresholds.fix_gate_kmh * hours + SLACK_KM:
            position.chords_km = position.chords_way_km = position.chords_share = 0.0  # a place that is not true
        else:
            position.chords_km += chord_km
            position.chords_way_km += km - position.chord_from_km
            if position.chords_km >= STRETCH_KM:
                _judge(state)
    position.chord_latitude_deg, position.chord_longitude_deg = latitude, longitude
    position.chord_ms, position.chord_from_km = state.time_ms, state.totals.distance_km


def _judge(state: VanState) -> None:
    """A stretch is complete."""
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
    state.totals.distance_km += 2.0 * (chords_km - way_km)  # of this stretch, and of the one before it
