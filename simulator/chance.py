"""Random numbers without state: a draw depends only on the seed, the van, its purpose and its count.

A van therefore does the same for every size of the fleet, order of the work and speed of the clock.
"""

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

Keys = npt.NDArray[np.uint64]
Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
_MIX_1: Final = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2: Final = np.uint64(0x94D049BB133111EB)
_ALL: Final = 0xFFFF_FFFF_FFFF_FFFF
_QUARTER: Final = np.uint64(0xFFFF)
_SHIFTS: Final = (np.uint64(16), np.uint64(32), np.uint64(48))


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
    bits: Floats = (_bits(keys, purpose, count) >> np.uint64(11)).astype(np.float64)
    return np.asarray(bits * 2.0**-53)


def normal(keys: Keys, purpose: int, count: Integers | int = 0) -> Floats:
    """Draws with mean 0 and variance 1, never beyond ±3.5: the sum of the four uniform quarters of 64 bits."""
    bits = _bits(keys, purpose, count)
    total: Floats = np.bitwise_and(bits, _QUARTER).astype(np.float64)
    for shift in _SHIFTS:
        total += np.bitwise_and(bits >> shift, _QUARTER)
    return np.asarray((total * 2.0**-16 - 2.0) * 3.0**0.5)


def one(key: int, purpose: int, count: int = 0) -> float:
    """The same as `unit` for one key, without the cost of arrays."""
    z = ((key ^ int(_salt(purpose)[0])) + count * int(_GOLDEN)) & _ALL
    z = ((z ^ (z >> 30)) * int(_MIX_1)) & _ALL
    z = ((z ^ (z >> 27)) * int(_MIX_2)) & _ALL
    return ((z ^ (z >> 31)) >> 11) * 2.0**-53


def _bits(keys: Keys, purpose: int, count: Integers | int) -> Keys:
    counts = np.asarray(count, dtype=np.int64).astype(np.uint64)
    return _mix((keys ^ _salt(purpose)) + counts * _GOLDEN)


@cache
def _salt(purpose: int) -> Keys:
    return _mix(np.array([purpose + 1], dtype=np.uint64) * _MIX_1)
