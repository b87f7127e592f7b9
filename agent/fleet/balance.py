"""How the carbon books follow the energy estimate."""

from agent.fleet import emissions
from agent.fleet.state import VanState


def content_kwh(state: VanState) -> float:
    """What can be taken out of the battery, by the energy estimate."""
    e = state.estimate
    return e.y / e.g - e.pending_kwh - e.k * e.pending_km


def reanchored(state: VanState, before_kwh: float | None) -> None:
    """The estimate begins, or goes on somewhere else: from `before_kwh` to what it says now."""
    if state.emissions is not None:
        if before_kwh is None:
            emissions.begin_books(state.emissions, content_kwh(state))
        else:
            emissions.adjust(state.emissions, content_kwh(state) - before_kwh)
