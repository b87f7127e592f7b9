"""The energy estimate: one small Kalman filter per van that joins power, distance and the state of charge.

A reading of the state of charge is an interval, one quantisation step wide, not a point. Between readings the energy
taken
out is predicted, from measured power where there is some, else from distance and time; the interval then cuts off what
cannot be. Where the reading changes, the true value is known to be near the edge between two steps, which is what makes
1 % steps usable. All trips come from this one trace, so their sum is the trace's difference: nothing is rounded per
trip.

State (see `agent.fleet.state.Estimate`): n energy out, y state of charge on a scale that is linear in energy, g = %
per kWh,
k = kWh per km, b = n at the last published boundary, kept as a state of its own so that the variance of n - b, the
energy since that boundary, comes out of the filter.
"""

from math import erf, exp, sqrt
from typing import Final

from agent.fleet.energy_state import Estimate

CURVE_MIDDLE_PCT: Final = 55.0
"""The state of charge at which the curve has its mean slope."""
_SQRT_HALF: Final = 0.7071067811865476
_INV_SQRT_2PI: Final = 0.3989422804014327
_READING_SIGMA_PCT: Final = 0.05
"""Error of a state of charge beyond its quantisation."""
MIN_KWH_PER_KM: Final = 0.05
MAX_KWH_PER_KM: Final = 1.5
"""Nothing on four wheels is outside of this over a kilometre."""
SURPRISE: Final = 3.0
"""A state of charge so many standard deviations from what was predicted says that something is wrong, not that the
battery is another one."""
Z90: Final = 1.4
"""Half the width of the 90 % interval, in standard deviations of the filter.

A normal distribution has 1.645. The filter's noises are bounds rather than spreads: over recorded drives, with state of
charge in steps of 1 and 0.5 % at ten different phases and power each 2 and 10 s, the errors are 0.67 to 0.91 of what it
states. Taken together 0.85 of 1.645 holds the truth about nine times in ten.
"""


def linear(soc_pct: float, slope_per_pct: float) -> float:
    """The state of charge on the scale on which 1 % is the same energy everywhere."""
    return soc_pct + slope_per_pct * (0.5 * soc_pct - CURVE_MIDDLE_PCT) * soc_pct


def begin(e: Estimate, *, battery_kwh: float, capacity_sigma: float, kwh_per_km: float) -> None:
    """What is believed before the first reading."""
    e.started = True
    e.g = 100.0 / battery_kwh
    e.gg = (capacity_sigma * e.g) ** 2
    e.k = kwh_per_km
    e.kk = (0.4 * kwh_per_km) ** 2


def place(e: Estimate, low: float, high: float) -> None:
    """Only the interval is known, from now on: at the start, and behind a jump that is not energy. n stays as it is."""
    e.y = 0.5 * (low + high)
    e.yy = (high - low) ** 2 / 12.0 + _READING_SIGMA_PCT**2
    e.ny = e.yg = e.yk = e.yb = 0.0


def predict(e: Estimate) -> None:
    """Carry what was predicted since the last correction into the means and the covariance."""
    km = e.pending_km
    energy = e.pending_kwh + e.k * km
    r = e.pending_var
    e.pending_kwh = e.pending_km = e.pending_var = 0.0
    if energy == 0.0 and r == 0.0 and km == 0.0:
        return
    g = e.g
    e.n += energy
    e.y -= g * energy
    # n' = n + km k;  y' = y - energy g - g km k;  the noise r enters n with +1 and y with -g.
    gkm = g * km
    nn, ny, ng, nk, nb = e.nn, e.ny, e.ng, e.nk, e.nb
    yy, yg, yk, yb = e.yy, e.yg, e.yk, e.yb
    gg, gk, gb, kk, kb = e.gg, e.gk, e.gb, e.kk, e.kb
    e.nn = nn + 2.0 * km * nk + km * km * kk + r
    e.ny = ny + km * yk - energy * (ng + km * gk) - gkm * (nk + km * kk) - g * r
    e.ng = ng + km * gk
    e.nk = nk + km * kk
    e.nb = nb + km * kb
    e.yy = (
        yy
        + energy * energy * gg
        + gkm * gkm * kk
        - 2.0 * energy * yg
        - 2.0 * gkm * yk
        + 2.0 * energy * gkm * gk
        + g * g * r
    )
    e.yg = yg - energy * gg - gkm * gk
    e.yk = yk - energy * gk - gkm * kk
    e.yb = yb - energy * gb - gkm * kb


def observe(e: Estimate, low: float, high: float, *, measured: bool, blind: bool) -> None:
    """The true y lies between `low` and `high`: cut the rest off, and let everything correlated with y follow.

    Only where the energy was `measured` does a state of charge say anything about g. Elsewhere g's uncertainty counts,
    but g stays as it is (a Schmidt filter): it would drift with the errors of a model that knows no better.
    """
    outside = low - e.y if e.y < low else e.y - high
    if outside > 0.0 and outside * outside > SURPRISE * SURPRISE * (e.yy + _READING_SIGMA_PCT**2):
        # Energy has flowed that nobody predicted: it is as uncertain as it is large. Where it was counted (not `blind`)
        # that cannot be, and the state of charge goes its own way.
        measured = False
        noise = outside * outside
        e.yy += noise
        if blind:
            e.ny -= noise / e.g
            e.nn += noise / (e.g * e.g)
    total = e.yy + _READING_SIGMA_PCT**2
    sigma = sqrt(total)
    a = (low - e.y) / sigma
    c = (high - e.y) / sigma
    if a < -3.5 and c > 3.5:
        return
    shift, kept = truncated(a, c)
    gain = sigma * shift / total
    cut = (1.0 - kept) / total
    ny, yy, yg, yk, yb = e.ny, e.yy, e.yg, e.yk, e.yb
    e.n += ny * gain
    e.y += yy * gain
    e.k = max(MIN_KWH_PER_KM, min(MAX_KWH_PER_KM, e.k + yk * gain))
    e.b += yb * gain
    e.nn -= ny * ny * cut
    e.ny -= ny * yy * cut
    e.ng -= ny * yg * cut
    e.nk -= ny * yk * cut
    e.nb -= ny * yb * cut
    e.yg -= yy * yg * cut
    e.yk -= yy * yk * cut
    e.yb -= yy * yb * cut
    if measured:
        e.g += yg * gain
        e.gg -= yg * yg * cut
    e.gk -= yg * yk * cut
    e.gb -= yg * yb * cut
    e.kk -= yk * yk * cut
    e.kb -= yk * yb * cut
    e.bb -= yb * yb * cut
    e.yy = yy - yy * yy * cut


def truncated(a: float, c: float) -> tuple[float, float]:
    """Mean and variance of a standard normal variable cut to a ≤ z ≤ c (Johnson, Kotz, Balakrishnan 1994, 13.10.1)."""
    if a > 4.0 or c < -4.0:
        # The tail: nearly exponential from the nearer edge on, at most the interval's width deep.
        edge = a if a > 0.0 else c
        depth = 1.0 / abs(edge)
        width = c - a
        if depth > 0.5 * width:
            depth = 0.5 * width
        return (edge + depth if edge > 0.0 else edge - depth), depth * depth
    mass = 0.5 * (erf(c * _SQRT_HALF) - erf(a * _SQRT_HALF))
    at_a = _INV_SQRT_2PI * exp(-0.5 * a * a)
    at_c = _INV_SQRT_2PI * exp(-0.5 * c * c)
    mean = (at_a - at_c) / mass
    variance = 1.0 + (a * at_a - c * at_c) / mass - mean * mean
    return mean, (max(1e-06, variance))


def mark_boundary(e: Estimate, capacity_sigma: float) -> None:
    """What n says now is published: from here on b remembers it, and n may correct it only together with what follows.

    Re-bases n to zero, which keeps every covariance, and lets g and k wander a little: the next trip is another one.
    """
    e.base_kwh += e.n
    e.n = 0.0
    e.b = 0.0
    e.nb = e.bb = e.nn
    e.yb = e.ny
    e.gb = e.ng
    e.kb = e.nk
    floor = (capacity_sigma * e.g) ** 2
    if e.gg < floor:
        e.gg = floor
    floor = (0.25 * e.k) ** 2
    if e.kk < floor:
        e.kk = floor


def since_boundary_variance(e: Estimate) -> float:
    """Variance of n - b, the energy since the last boundary, kWh²."""
    return max(0.0, e.nn - 2.0 * e.nb + e.bb)


def variance(e: Estimate) -> float:
    """Variance of n, kWh², with what is still to be predicted."""
    return max(0.0, e.nn + e.pending_var)


def half_width_kwh(e: Estimate, since_variance: float | None, step_pct: float) -> float:
    """Half the width of the 90 % interval of the energy since a moment when the variance was `since_variance`.

    What the variance grew by, and the place within the step of the state of charge at both ends: each of them evenly
    spread over a step, which has the variance step² / 12 (GUM F.2.2.1).
    """
    grown = 0.0 if since_variance is None else max(0.0, variance(e) - since_variance)
    return Z90 * sqrt(grown + 2.0 * (step_pct / e.g) ** 2 / 12.0)
