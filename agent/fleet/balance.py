"""The carbon account (`emissions.py`) follows the energy estimate."""

from typing import Final

from agent.fleet import emissions
from agent.fleet.emissions import Carbon, EmissionsState
from agent.fleet.state import VanState

TOLERANCE: Final = 0.05
"""Uncertainty of the content as a share of the capacity: by the capacity itself, and the curve of state of charge."""


def content_kwh(state: VanState) -> float:
    """Energy that can be taken out of the battery, by state of charge and usable capacity."""
    e = state.estimate
    return e.level_pct * state.capacity.battery_kwh / 100.0 - e.pending_kwh - e.kwh_per_km * e.pending_km


def add_charge(state: VanState, own: EmissionsState, stored_kwh: float, carbon: Carbon) -> None:
    """Store charged energy, with its carbon."""
    emissions.charge(
        own,
        content_kwh=content_kwh(state),
        tolerance_kwh=TOLERANCE * state.capacity.battery_kwh,
        stored_kwh=stored_kwh,
        carbon=carbon,
    )


def follow_restart(state: VanState, before_kwh: float | None) -> None:
    """The estimate was started (`before_kwh` is `None`), or restarted at another content than `before_kwh`."""
    if state.emissions is not None:
        if before_kwh is None:
            emissions.open_account(state.emissions, content_kwh(state))
        else:
            emissions.adjust(state.emissions, content_kwh(state) - before_kwh)
