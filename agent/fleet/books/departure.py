"""Departure from a resting place."""

from agent.fleet import prediction
from agent.fleet.books.charges import close_charge
from agent.fleet.books.trips import open_trip
from agent.fleet.context import Context
from agent.fleet.energy_state import SOURCE_SOC
from agent.fleet.modes import CHARGING
from agent.fleet.records import Record
from agent.fleet.speed import count_held
from agent.fleet.state import VanState


def depart(state: VanState, context: Context) -> list[Record]:
    """The van has left its resting place: close the charge under way, open a trip, count the distance held back."""
    records: list[Record] = []
    if state.motion.mode == CHARGING:
        records = close_charge(state, context, state.charge.unflagged_ms or state.charge.rise_ms)
    open_trip(state, context)
    km = count_held(state.position)
    if km > 0.0:
        state.totals.distance_km += km
        if state.totals.source == SOURCE_SOC:
            prediction.add_distance(state, km)
    return records
