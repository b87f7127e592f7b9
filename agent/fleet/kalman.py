"""The energy estimate: a Kalman filter of five quantities per van, from power, distance and the state of charge.

The quantities and their covariance are the fields of `agent.fleet.energy_state.Estimate`. Three operations change them:

* `predict` adds the energy since the last observation. It comes from measured power or counters where there are some,
  else from distance and time (`agent.fleet.prediction`).
* `observe` takes a reading of the state of charge. The reading is an interval, one quantisation step wide. The
  distribution of the level is truncated to the interval; all other quantities follow by their covariance. Where the
  reading has just changed, the interval is only the neighbourhood of the edge between two steps: much narrower.
* `cut_boundary` closes a trip. The energy of the trip is `out_kwh - boundary_kwh`.

The energy of every trip is a difference of one running sum. So the energies of all trips add up to the total exactly.

In this module `e` is the estimate. Equations, with `predicted` for the energy predicted, `km` for its distance and `r`
for the variance of its noise:

    predicted = pending_kwh + kwh_per_km * km
    out_kwh   ← out_kwh + predicted                    noise + r
    level_pct ← level_pct - pct_per_kwh * predicted    noise - pct_per_kwh * r
"""

from math import erf, exp, sqrt
from typing import Final

from agent.fleet.energy_state import Estimate

READING_SIGMA_PCT: Final = 0.05
"""Standard deviation of a state of charge beyond its quantisation."""
MIN_KWH_PER_KM: Final = 0.05
MAX_KWH_PER_KM: Final = 1.5
"""Bounds of the consumption over a kilometre, for any vehicle on four wheels."""
START_SIGMA: Final = 0.4
"""Relative standard deviation of the consumption before the first observation."""
BOUNDARY_SIGMA: Final = 0.25
"""The same, at least, at each boundary: the next trip may be another kind of trip."""
SURPRISE: Final = 3.0
"""An observation that is further from the prediction, in standard deviations, is explained by unpredicted energy or by
an error of the state of charge. It does not change the capacity."""
FILTER_Z90: Final = 1.4
"""Half the width of the 90 % interval, in standard deviations of the filter.

A normal distribution has 1.645. The noises of the filter are upper bounds. On recorded drives, with states of charge in
steps of 1 and 0.5 % at ten different phases and power each 2 and 10 s, the real errors are 0.67 to 0.91 of the stated
standard deviation. 0.85 of 1.645 contains the true value about nine times in ten.
"""
_SQRT_HALF: Final = 0.7071067811865476
_INV_SQRT_2PI: Final = 0.3989422804014327


def start(e: Estimate, *, battery_kwh: float, capacity_sigma: float, kwh_per_km: float) -> None:
    """Set what is assumed before the first reading: scale and consumption, with their variances."""
    e.started = True
    e.pct_per_kwh = 100.0 / battery_kwh
    e.var_scale = (capacity_sigma * e.pct_per_kwh) ** 2
    e.kwh_per_km = kwh_per_km
    e.var_consumption = (START_SIGMA * kwh_per_km) ** 2


def reset_level(e: Estimate, low: float, high: float) -> None:
    """Set the level to an interval, independent of the other quantities. `out_kwh` is kept.

    Used at the start, and after a jump of the state of charge that carries no energy.
    """
    e.level_pct = 0.5 * (low + high)
    e.var_level = (high - low) ** 2 / 12.0 + READING_SIGMA_PCT**2
    e.cov_out_level = e.cov_level_scale = e.cov_level_consumption = e.cov_level_boundary = 0.0


def predict(e: Estimate) -> None:
    """Move the pending energy and distance into the quantities and the covariance.

    With `moved = pct_per_kwh * km`, the Jacobian of the prediction has these rows (consumption, scale and boundary do
    not change):

        out'   = out + km * consumption
        level' = level - predicted * scale - moved * consumption
    """
    km = e.pending_km
    predicted = e.pending_kwh + e.kwh_per_km * km
    r = e.pending_var_kwh2
    e.pending_kwh = e.pending_km = e.pending_var_kwh2 = 0.0
    if predicted == 0.0 and r == 0.0 and km == 0.0:
        return
    scale = e.pct_per_kwh
    e.out_kwh += predicted
    e.level_pct -= scale * predicted
    moved = scale * km
    out_scale, out_consumption = e.cov_out_scale, e.cov_out_consumption
    level_scale, level_consumption = e.cov_level_scale, e.cov_level_consumption
    var_scale, scale_consumption = e.var_scale, e.cov_scale_consumption
    var_consumption, consumption_boundary = e.var_consumption, e.cov_consumption_boundary
    e.var_out = e.var_out + 2.0 * km * out_consumption + km * km * var_consumption + r
    e.cov_out_level = (
        e.cov_out_level
        + km * level_consumption
        - predicted * (out_scale + km * scale_consumption)
        - moved * (out_consumption + km * var_consumption)
        - scale * r
    )
    e.cov_out_scale = out_scale + km * scale_consumption
    e.cov_out_consumption = out_consumption + km * var_consumption
    e.cov_out_boundary = e.cov_out_boundary + km * consumption_boundary
    e.var_level = (
        e.var_level
        + predicted * predicted * var_scale
        + moved * moved * var_consumption
        - 2.0 * predicted * level_scale
        - 2.0 * moved * level_consumption
        + 2.0 * predicted * moved * scale_consumption
        + scale * scale * r
    )
    e.cov_level_scale = level_scale - predicted * var_scale - moved * scale_consumption
    e.cov_level_consumption = level_consumption - predicted * scale_consumption - moved * var_consumption
    e.cov_level_boundary = e.cov_level_boundary - predicted * e.cov_scale_boundary - moved * consumption_boundary


def observe(e: Estimate, low: float, high: float, *, measured: bool, blind: bool) -> None:
    """Truncate the level to `low` to `high`; the other quantities follow by their covariance with it.

    `measured`: the energy was measured well enough to correct the scale too. Otherwise the scale keeps its value, and
    only its uncertainty counts (a Schmidt-Kalman filter): it would drift with the errors of the prediction.
    `blind`: the energy was not counted. A surprising observation then means unpredicted energy, which is as
    uncertain as it is large. Where the energy was counted, it means an error of the state of charge.
    """
    outside = low - e.level_pct if e.level_pct < low else e.level_pct - high
    if outside > 0.0 and outside * outside > SURPRISE * SURPRISE * (e.var_level + READING_SIGMA_PCT**2):
        measured = False
        noise = outside * outside
        e.var_level += noise
        if blind:
            e.cov_out_level -= noise / e.pct_per_kwh
            e.var_out += noise / (e.pct_per_kwh * e.pct_per_kwh)
    total = e.var_level + READING_SIGMA_PCT**2
    sigma = sqrt(total)
    from_sigma = (low - e.level_pct) / sigma
    to_sigma = (high - e.level_pct) / sigma
    if from_sigma < -3.5 and to_sigma > 3.5:
        return
    shift, kept = truncated_normal(from_sigma, to_sigma)
    gain = sigma * shift / total
    cut = (1.0 - kept) / total
    out, level, scale = e.cov_out_level, e.var_level, e.cov_level_scale
    consumption, boundary = e.cov_level_consumption, e.cov_level_boundary
    e.out_kwh += out * gain
    e.level_pct += level * gain
    e.kwh_per_km = max(MIN_KWH_PER_KM, min(MAX_KWH_PER_KM, e.kwh_per_km + consumption * gain))
    e.boundary_kwh += boundary * gain
    e.var_out -= out * out * cut
    e.cov_out_level -= out * level * cut
    e.cov_out_scale -= out * scale * cut
    e.cov_out_consumption -= out * consumption * cut
    e.cov_out_boundary -= out * boundary * cut
    e.cov_level_scale -= level * scale * cut
    e.cov_level_consumption -= level * consumption * cut
    e.cov_level_boundary -= level * boundary * cut
    if measured:
        e.pct_per_kwh += scale * gain
        e.var_scale -= scale * scale * cut
    e.cov_scale_consumption -= scale * consumption * cut
    e.cov_scale_boundary -= scale * boundary * cut
    e.var_consumption -= consumption * consumption * cut
    e.cov_consumption_boundary -= consumption * boundary * cut
    e.var_boundary -= boundary * boundary * cut
    e.var_level = level - level * level * cut


def truncated_normal(low: float, high: float) -> tuple[float, float]:
    """Mean and variance of a standard normal variable truncated to `low` to `high`.

    Johnson, Kotz, Balakrishnan, Continuous Univariate Distributions 1 (1994), 13.10.1. Far in a tail the distribution
    is nearly exponential from the nearer edge on; there the depth is limited to half the interval.
    """
    if low > 4.0 or high < -4.0:
        edge = low if low > 0.0 else high
        depth = 1.0 / abs(edge)
        width = high - low
        if depth > 0.5 * width:
            depth = 0.5 * width
        return (edge + depth if edge > 0.0 else edge - depth), depth * depth
    mass = 0.5 * (erf(high * _SQRT_HALF) - erf(low * _SQRT_HALF))
    at_low = _INV_SQRT_2PI * exp(-0.5 * low * low)
    at_high = _INV_SQRT_2PI * exp(-0.5 * high * high)
    mean = (at_low - at_high) / mass
    variance = 1.0 + (low * at_low - high * at_high) / mass - mean * mean
    return mean, (max(1e-06, variance))


def cut_boundary(e: Estimate, capacity_sigma: float) -> None:
    """Begin a new section of the energy: `out_kwh` and `boundary_kwh` become 0, `base_kwh` takes what was there.

    The energy up to here has been published. `boundary_kwh` collects later corrections of it. They change the totals,
    not the published trip. Covariances are kept: at this moment, the boundary is the same quantity as `out_kwh`. The
    variances of scale and consumption grow to a minimum, because the next trip may differ.
    """
    e.base_kwh += e.out_kwh
    e.out_kwh = 0.0
    e.boundary_kwh = 0.0
    e.cov_out_boundary = e.var_boundary = e.var_out
    e.cov_level_boundary = e.cov_out_level
    e.cov_scale_boundary = e.cov_out_scale
    e.cov_consumption_boundary = e.cov_out_consumption
    least = (capacity_sigma * e.pct_per_kwh) ** 2
    if e.var_scale < least:
        e.var_scale = least
    least = (BOUNDARY_SIGMA * e.kwh_per_km) ** 2
    if e.var_consumption < least:
        e.var_consumption = least


def variance_since_boundary_kwh2(e: Estimate) -> float:
    """Variance of the energy since the last boundary, `out_kwh - boundary_kwh`."""
    return max(0.0, e.var_out - 2.0 * e.cov_out_boundary + e.var_boundary)


def variance_kwh2(e: Estimate) -> float:
    """Variance of `out_kwh`, with the pending energy."""
    return max(0.0, e.var_out + e.pending_var_kwh2)


def half_width_kwh(e: Estimate, since_variance: float | None, step_pct: float) -> float:
    """Half the width of the 90 % interval of the energy since a moment when the variance was `since_variance`.

    It contains the growth of the variance, and the quantisation of the state of charge at both ends. Within a step the
    true value is evenly distributed, with the variance step² / 12 (GUM F.2.2.1).
    """
    grown = 0.0 if since_variance is None else max(0.0, variance_kwh2(e) - since_variance)
    return FILTER_Z90 * sqrt(grown + 2.0 * (step_pct / e.pct_per_kwh) ** 2 / 12.0)
