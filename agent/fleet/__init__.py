"""The van core: pure. `step` works a reading into a van's state, `tick` the passing of time; both return records."""

from agent.fleet.books import take_drop
from agent.fleet.context import Context
from agent.fleet.state import STATE_VERSION, VanState, Verdict, new_state
from agent.fleet.step import step, tick
from agent.fleet.stored_state import decode_state, encode_state
from agent.fleet.thresholds import Thresholds
from agent.fleet.vehicle import Vehicle

__all__ = [
    "STATE_VERSION",
    "Context",
    "Thresholds",
    "VanState",
    "Vehicle",
    "Verdict",
    "decode_state",
    "encode_state",
    "new_state",
    "step",
    "take_drop",
    "tick",
]
