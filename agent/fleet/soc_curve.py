"""The curve from state of charge to energy."""

from typing import Final

CURVE_MIDDLE_PCT: Final = 55.0
"""The state of charge at which the curve has its mean slope."""


def level_pct(soc_pct: float, slope_per_pct: float) -> float:
    """The level: the state of charge on the scale on which 1 % is the same energy everywhere."""
    return soc_pct + slope_per_pct * (0.5 * soc_pct - CURVE_MIDDLE_PCT) * soc_pct
