"""The load: QoS 1 `telemetry` of about 180 bytes, from vans that report every ten seconds of their own time."""

import time
from collections.abc import Iterator

PERIOD_MS = 10_000


def payload(van: int, turn: int, start_ms: int) -> bytes:
    """Reading number `turn` of a van: it drives five minutes out of six."""
    moving = turn // 30 % 6 != 5
    return (
        b'{"time":%d,"seq":%d,"soc_pct":%.1f,"battery_power_kw":%.2f,"latitude_deg":%.6f,"longitude_deg":%.6f,'
        b'"speed_kmh":%.1f,"odometer_km":%.1f,"ambient_temp_c":11.5}'
        % (
            start_ms + turn * PERIOD_MS + van % PERIOD_MS,
            turn,
            95 - turn % 2000 * 0.03,
            -12.3 if moving else -0.4,
            48 + turn * 0.0008 if moving else 48 + turn // 30 * 0.024,
            9 + van * 0.001,
            32.0 + van % 7 if moving else 0.0,
            1000 + turn * 0.09,
        )
    )


def topic(van: int) -> str:
    """The topic of a van."""
    return f"vans/van-{van:06}/telemetry"


def messages(count: int, vans: int, *, end_ms: int | None = None) -> Iterator[tuple[str, bytes]]:
    """`count` messages of `vans` vans in turn; the last ones are of `end_ms`, now if not given."""
    end_ms = end_ms or time.time_ns() // 1_000_000
    start_ms = end_ms - count // vans * PERIOD_MS - PERIOD_MS
    return ((topic(number % vans), payload(number % vans, number // vans, start_ms)) for number in range(count))
