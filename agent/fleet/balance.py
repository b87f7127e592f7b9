"""How the carbon books follow the energy estimate."""

from typing import Final

from agent.fleet import emissions
from agent.fleet.emissions import Carbon, EmissionsState
from agent.fleet.state import VanState

TOLERANCE: Final = 0.05
"""Of the battery: capacity as stated or learnt, and the curve of energy over state of charge."""


def content_kwh(state: VanState) -> float:
    """What can be taken out of the battery, by state of charge and usable capacity."""
    e = state.estimate
    return e.level_pct * state.capacity.battery_kwh / 100.0 - e.pending_kwh - e.kwh_per_km * e.pending_km


def charged(state: VanState, own: EmissionsState, stored_kwh: float, carbon: Carbon) -> None:
    """Energy entered the battery, with its carbon."""
    emissions.charge(
        own,
        content_kwh=content_kwh(state),
        tolerance_kwh=TOLERANCE * state.capacity.battery_kwh,
        stored_kwh=stored_kwh,
        carbon=carbon,
    )


def reanchored(state: VanState, before_kwh: float | None) -> None:
    """The estimate begins, or goes on somewhere else: from `before_kwh` to what it says now."""
    if state.emissions is not None:
        if before_kwh is None:
            emissions.begin_books(state.emissions, content_kwh(state))
        else:
            emissions.adjust(state.emissions, content_kwh(state) - before_kwh)
