"""The load: QoS 1 `telemetry` of about 180 bytes, from vans that report every ten seconds of their own time.

Every reading is newer than all earlier ones of its van. A late reading would only be stored and would cost the agent a
third.
"""

import time
from collections.abc import Iterator

PERIOD_MS = 10_000
LONGEST_MS = 5 * 86_400_000
"""How far in the past a load may begin. The agent accepts readings of the last seven days."""


def payload(van: int, turn: int, start_ms: int, period_ms: int = PERIOD_MS) -> bytes:
    """Reading number `turn` of a van that drives 25 minutes out of 30."""
    cycle = 300_000 // period_ms
    moving = turn // cycle % 6 != 5
    return (
        b'{"time":%d,"seq":%d,"soc_pct":%.1f,"battery_power_kw":%.2f,"latitude_deg":%.6f,"longitude_deg":%.6f,'
        b'"speed_kmh":%.1f,"odometer_km":%.1f,"ambient_temp_c":11.5}'
        % (
            start_ms + turn * period_ms + van % period_ms,
            turn,
            95 - turn * period_ms % 20_000_000 * 0.000003,
            -12.3 if moving else -0.4,
            48 + (turn if moving else turn // cycle * cycle) * period_ms * 8e-8,
            9 + van * 0.001,
            32.0 + van % 7 if moving else 0.0,
            1000 + turn * period_ms * 9e-6,
        )
    )


def topic(van: int) -> str:
    """The topic of a van."""
    return f"vans/van-{van:06}/telemetry"


def start_ms() -> int:
    """The beginning of a load that starts now and continues for long."""
    return time.time_ns() // 1_000_000 - LONGEST_MS


def messages(
    count: int, vans: int, *, start_ms: int, first_turn: int = 0, period_ms: int = PERIOD_MS
) -> Iterator[tuple[str, bytes]]:
    """`count` messages of `vans` vans in turn, from their reading number `first_turn` on."""
    return (
        (topic(number % vans), payload(number % vans, first_turn + number // vans, start_ms, period_ms))
        for number in range(count)
    )
