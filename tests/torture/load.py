"""The load: each message is a pure function of its number. It is published for as long as the torture lasts."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator

from simulator.publisher import make_sender

VANS = 40
"""Enough vans that the readings of a long run stay within the days before it."""
FEW_VANS = 4
"""Few enough that tours end, drops are allocated and charges are cut into slices within a short run."""
PERIOD_MS = 10_000
DRIVE, STOP, DRIVE_ON, PARKED = 60, 10, 20, 40
CYCLE = DRIVE + STOP + DRIVE_ON + PARKED
BATTERY_KWH = 83.0
DRIVE_PCT = 0.03
LAST = "vans/torture-end/telemetry", b"the last message"
"""Published behind everything else. It is no reading: once it is a dead letter, all that came before is processed."""
CHARGE_PCT = DRIVE_PCT * (DRIVE + DRIVE_ON) / (PARKED - 10)
KM = 0.12


def message(number: int, start_ms: int, vans: int = VANS) -> tuple[str, bytes]:
    """The message with this number: van `number % vans`, its reading `number // vans`.

    Every van repeats a cycle: drive, a delivery, drive on, stand and charge back what was used.
    In the middle of the delivery a drop takes the place of a reading.
    """
    van, turn = number % vans, number // vans
    cycle, phase = divmod(turn, CYCLE)
    time_ms = start_ms + turn * PERIOD_MS + van
    if phase == DRIVE + STOP // 2:
        return f"vans/torture-{van:02}/drop", _json(
            {
                "time": time_ms,
                "action": "unload",
                "items": 1 + cycle % 3,
                "mass_kg": 5.0 + van,
                "consignment_id": f"C{cycle}",
            }
        )
    driven = min(phase + 1, DRIVE) + min(max(phase + 1 - DRIVE - STOP, 0), DRIVE_ON)
    driving = phase < DRIVE or DRIVE + STOP <= phase < DRIVE + STOP + DRIVE_ON
    charged = min(max(phase + 1 - (CYCLE - PARKED) - 5, 0), PARKED - 10)
    charging = charged > 0 and charged < PARKED - 10
    power_kw = 0.0
    if driving:
        power_kw = -DRIVE_PCT / 100 * BATTERY_KWH * 3600 / (PERIOD_MS / 1000)
    elif charging:
        power_kw = CHARGE_PCT / 100 * BATTERY_KWH * 3600 / (PERIOD_MS / 1000)
    reading = {
        "time": time_ms,
        "seq": turn,
        "soc_pct": round(85.0 - DRIVE_PCT * driven + CHARGE_PCT * charged, 3),
        "battery_power_kw": round(power_kw, 3),
        "charging": charging,
        "latitude_deg": round(48.0 + (driven if cycle % 2 == 0 else DRIVE + DRIVE_ON - driven) * KM / 111.195, 6),
        "longitude_deg": round(9.0 + van * 0.01, 6),
        "speed_kmh": KM * 3600 / (PERIOD_MS / 1000) if driving else 0.0,
        "odometer_km": round(5000 + cycle * (DRIVE + DRIVE_ON) * KM + driven * KM, 2),
    }
    return f"vans/torture-{van:02}/telemetry", _json(reading)


def _json(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


class Load:
    """Publishes at QoS 1 until it is stopped. In the end the broker has acknowledged every message.

    The agent must process every message that the broker has acknowledged. After a restart of the broker, the load sends
    unacknowledged messages again, in order and before any newer message. Some clients let newer messages overtake after
    a reconnect. The older ones would then be late readings, which give other rows.
    """

    def __init__(self, url: str, *, per_s: float, start_ms: int, vans: int = VANS) -> None:
        self.issued = 0
        self._url = url
        self._start_ms = start_ms
        self._vans = vans
        self._per_s = per_s
        self._stop = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()

    def _run(self) -> None:
        try:
            asyncio.run(self._publish())
        except BaseException as error:
            self._failure = error

    async def _publish(self) -> None:
        async with make_sender(self._url, connections=1, client_id="torture-load") as sender:
            began = time.monotonic()
            while not self._stop.is_set():
                due = int((time.monotonic() - began) * self._per_s)
                numbers = range(self.issued, min(due, self.issued + 100))
                await sender.send([message(number, self._start_ms, self._vans) for number in numbers])
                self.issued = numbers.stop
                await asyncio.sleep(0.01)
            await sender.send([LAST])
            await sender.drain()

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was published before `LAST`, in order."""
        return (message(number, self._start_ms, self._vans) for number in range(self.issued))

    def finish(self) -> None:
        """Issue nothing more and return once the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
