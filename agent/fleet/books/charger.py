"""Grid energy of a charge: by the charger if what it states is plausible, else by the efficiency.

The whole program uses one definition of the losses:

* The charging efficiency is the energy into the battery at its terminals over the grid energy at the meter: station,
  cable and on-board charger.
* The battery's round trip (`agent.fleet.state.STORED_SHARE`) is the energy that can be taken out of the battery over
  the energy into it.

Physics bounds the grid energy. It is at least the energy into the battery over `HIGHEST_EFFICIENCY`. It is at most that
energy over `LOWEST_EFFICIENCY`, plus what a van can heat and cool with on the plug. A charger that contradicts this is
ignored, and the efficiency replaces all that it has stated in this charge.

Powers are in kW, energies in kWh. "Covered" is the time for which the charger's power is known.
"""

from typing import Final, NamedTuple

from agent.fleet.charge_state import MeterState

HIGHEST_EFFICIENCY: Final = 0.97
"""No charger loses less: the best on-board chargers and stations together lose 6 % (ADAC 2022)."""
LOWEST_EFFICIENCY: Final = 0.6
"""At a lower efficiency the grid energy did not go into the battery."""
ON_THE_PLUG_KWH: Final = 8.0
ON_THE_PLUG_KW: Final = 0.5
"""What a van may draw beside charging: once, to heat cabin and battery; all the time, to stay awake and warm."""
MOST_TIMES: Final = 2.5
"""Beyond what heating alone can draw, no charger gives this multiple of the energy into the battery.

A charger that counts its power once per phase states at least 3 / 0.97 times as much.
"""
WHOLE_BELOW_KW: Final = 10.0
"""Below this power, a value in whole kW is less accurate than the default efficiency: 0.5 kW are more than 5 %."""
WHOLE_LOW_KW: Final = 0.5
WHOLE_HIGH_KW: Final = 1.0
"""A power stated as n kW is at least n - 0.5 (if rounded) and less than n + 1 (if truncated)."""
_MS_PER_H: Final = 3_600_000.0


class Draw(NamedTuple):
    """Grid energy over a time."""

    grid_kwh: float
    metered_kwh: float
    """The part of it that the charger has measured."""


def read(meter: MeterState, power_kw: float, time_ms: int, near_ms: int) -> None:
    """Take a power that the charger states. Readings more than `near_ms` apart count only if both are above 0."""
    before_kw, elapsed_ms = meter.power_kw, time_ms - meter.time_ms
    meter.power_kw, meter.time_ms = power_kw, time_ms
    if power_kw % 1.0 != 0.0:
        meter.is_whole = False
    if before_kw is None or elapsed_ms <= 0:
        return
    kwh = 0.5 * (power_kw + before_kw) * elapsed_ms / _MS_PER_H
    if elapsed_ms <= near_ms:
        meter.waiting_kwh += kwh
        meter.waiting_ms += elapsed_ms
    elif power_kw > 0.0 and before_kw > 0.0:
        meter.gap_kwh += kwh
        meter.gap_ms += elapsed_ms


def draw(meter: MeterState, *, battery_kwh: float, duration_ms: int, efficiency: float, leeway_kwh: float) -> Draw:
    """Grid energy of `battery_kwh`, which went into the battery over the last `duration_ms`.

    `efficiency` holds for the time that is not covered. `leeway_kwh` is the uncertainty of the energy into the battery.
    """
    kwh, covered_ms = _take_waiting(meter, battery_kwh, duration_ms, leeway_kwh)
    share = min(1.0, covered_ms / duration_ms) if duration_ms > 0 else float(covered_ms > 0)
    known_kwh = battery_kwh * share
    grid_kwh = (battery_kwh - known_kwh) / efficiency
    if covered_ms == 0:
        return Draw(grid_kwh, 0.0)
    meter.covered_ms += covered_ms
    meter.metered_kwh += kwh
    meter.battery_kwh += known_kwh
    believed = is_believed(meter, leeway_kwh)
    # Entered energy is never taken back. So energy that only the leeway allows waits until the battery confirms it.
    likely_kwh = min(meter.metered_kwh, _most_kwh(meter, 0.0))
    target_kwh = likely_kwh if believed else _modelled(meter, efficiency, leeway_kwh)
    metered_kwh = max(known_kwh / HIGHEST_EFFICIENCY, target_kwh - meter.grid_kwh)
    meter.grid_kwh += metered_kwh
    return Draw(grid_kwh + metered_kwh, metered_kwh if believed else 0.0)


def is_believed(meter: MeterState, leeway_kwh: float) -> bool:
    """Whether the grid energy by the charger counts: it is precise enough and physically possible."""
    if meter.covered_ms == 0 or meter.metered_kwh > _most_kwh(meter, leeway_kwh):
        return False
    mean_kw = meter.metered_kwh * _MS_PER_H / meter.covered_ms
    if meter.is_whole and mean_kw < WHOLE_BELOW_KW:
        return False
    return meter.battery_kwh - leeway_kwh <= HIGHEST_EFFICIENCY * meter.metered_kwh


def efficiency_of(meter: MeterState, leeway_kwh: float) -> float | None:
    """The charging efficiency by the charger; `None` if the charger does not count."""
    if not is_believed(meter, leeway_kwh) or meter.metered_kwh <= 0.0:
        return None
    share = meter.battery_kwh / meter.metered_kwh
    return share if LOWEST_EFFICIENCY <= share <= HIGHEST_EFFICIENCY else None


def _take_waiting(meter: MeterState, battery_kwh: float, duration_ms: int, leeway_kwh: float) -> tuple[float, int]:
    """Take what was metered since the last call. Long gaps count only if the energy into the battery confirms them."""
    kwh, covered_ms = meter.waiting_kwh, meter.waiting_ms
    if meter.gap_ms:
        into_kwh = battery_kwh * min(1.0, meter.gap_ms / max(duration_ms, 1))
        low_kwh, high_kwh = LOWEST_EFFICIENCY * meter.gap_kwh, HIGHEST_EFFICIENCY * meter.gap_kwh
        if low_kwh - leeway_kwh <= into_kwh <= high_kwh + leeway_kwh:
            kwh += meter.gap_kwh
            covered_ms += meter.gap_ms
    meter.waiting_kwh = meter.gap_kwh = 0.0
    meter.waiting_ms = meter.gap_ms = 0
    return kwh, covered_ms


def _most_kwh(meter: MeterState, leeway_kwh: float) -> float:
    """The most that battery and heating can have taken."""
    hours = meter.covered_ms / _MS_PER_H
    beside_kwh = ON_THE_PLUG_KWH * min(hours, 1.0) + ON_THE_PLUG_KW * hours
    into_kwh = meter.battery_kwh + leeway_kwh
    return min(into_kwh / LOWEST_EFFICIENCY + beside_kwh, max(MOST_TIMES * into_kwh, beside_kwh))


def _modelled(meter: MeterState, efficiency: float, leeway_kwh: float) -> float:
    """Grid energy by the efficiency. A charger with whole kW still bounds it."""
    modelled_kwh = meter.battery_kwh / efficiency
    if not meter.is_whole or not 0.0 < meter.metered_kwh <= _most_kwh(meter, leeway_kwh):
        return modelled_kwh
    hours = meter.covered_ms / _MS_PER_H
    low_kwh = meter.metered_kwh - WHOLE_LOW_KW * hours
    high_kwh = meter.metered_kwh + WHOLE_HIGH_KW * hours
    return max(min(modelled_kwh, high_kwh), low_kwh) if high_kwh > meter.battery_kwh else modelled_kwh
