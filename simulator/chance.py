"""Chance without a state: a draw depends on the seed, the van, what it is for and how often, and on nothing else.

So a van does the same whatever the size of the fleet, the order of the work or the speed of the clock.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)


def _mix(z: Keys) -> Keys:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    z = (z ^ (z >> np.uint64(30))) * _MIX_1
    z = (z ^ (z >> np.uint64(27))) * _MIX_2
    return z ^ (z >> np.uint64(31))


def van_keys(seed: int, vans: int) -> Keys:
    """A key for each van of the fleet."""
    base = _mix(np.array([seed & 0xFFFF_FFFF_FFFF_FFFF], dtype=np.uint64) + _GOLDEN)
    return _mix(base + np.arange(1, vans + 1, dtype=np.uint64) * _GOLDEN)


def unit(keys: Keys, purpose: int, count: Integers | int = 0) -> Floats:
    """Uniform draws in [0, 1), one for each key."""
    counts = np.asarray(count, dtype=np.int64).astype(np.uint64)
    salt = _mix(np.array([purpose], dtype=np.uint64) * _MIX_1)
    bits = _mix(_mix(keys ^ salt) + counts * _GOLDEN) >> np.uint64(11)
    return np.asarray(bits.astype(np.float64) * 2.0**-53)


def normal(keys: Keys, purpose: int, count: Integers | int = 0) -> Floats:
    """Draws with mean 0 and variance 1, never beyond ±3.5 (sum of four uniform ones)."""
    counts = np.asarray(count, dtype=np.int64) * 4
    total = unit(keys, purpose, counts)
    for i in (1, 2, 3):
        total = total + unit(keys, purpose, counts + i)
    return (total - 2.0) * 3.0**0.5
