"""The load: readings that are a pure function of their number, published for as long as the torture lasts."""

import json
import threading
import time
from collections.abc import Iterator

import paho.mqtt.client as paho

VANS = 40
PERIOD_MS = 10_000
DRIVE, STOP, DRIVE_ON, PARKED = 60, 10, 20, 40
CYCLE = DRIVE + STOP + DRIVE_ON + PARKED
BATTERY_KWH = 83.0
DRIVE_PCT = 0.03
CHARGE_PCT = DRIVE_PCT * (DRIVE + DRIVE_ON) / (PARKED - 10)
KM = 0.12


def message(number: int, start_ms: int) -> tuple[str, bytes]:
    """The message with this number: van `number % VANS`, its reading `number // VANS`.

    Every van repeats a cycle: drive, a delivery, drive on, stand and charge back what was used.
    """
    van, turn = number % VANS, number // VANS
    cycle, phase = divmod(turn, CYCLE)
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
        "time": start_ms + turn * PERIOD_MS + van,
        "seq": turn,
        "soc_pct": round(85.0 - DRIVE_PCT * driven + CHARGE_PCT * charged, 3),
        "battery_power_kw": round(power_kw, 3),
        "charging": charging,
        "latitude_deg": round(48.0 + (driven if cycle % 2 == 0 else DRIVE + DRIVE_ON - driven) * KM / 111.195, 6),
        "longitude_deg": round(9.0 + van * 0.01, 6),
        "speed_kmh": KM * 3600 / (PERIOD_MS / 1000) if driving else 0.0,
        "odometer_km": round(5000 + cycle * (DRIVE + DRIVE_ON) * KM + driven * KM, 2),
    }
    return f"vans/torture-{van:02}/telemetry", json.dumps(reading, separators=(",", ":")).encode()


class Load:
    """Publishes message after message at QoS 1 until told to stop; every one of them is acknowledged in the end.

    Once `publish` has returned, the broker owns the message: an obligation for the agent.
    """

    def __init__(self, port: int, *, per_s: float, start_ms: int) -> None:
        self.issued = 0
        self.acknowledged = 0
        self._start_ms = start_ms
        self._per_s = per_s
        self._stop = threading.Event()
        # The session is kept so that what a broker's restart leaves unacknowledged is sent again.
        self._client = paho.Client(
            paho.CallbackAPIVersion.VERSION2, client_id="torture-load", clean_session=False, protocol=paho.MQTTv311
        )
        self._client.max_inflight_messages_set(100)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_publish = self._on_publish
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()

    def _on_publish(self, *_: object) -> None:
        self.acknowledged += 1

    def _run(self) -> None:
        began = time.monotonic()
        while not self._stop.is_set():
            due = int((time.monotonic() - began) * self._per_s)
            while self.issued < due and self.issued - self.acknowledged < 2000 and not self._stop.is_set():
                topic, payload = message(self.issued, self._start_ms)
                self._client.publish(topic, payload, qos=1)
                self.issued += 1
            self._stop.wait(0.01)

    def messages(self) -> Iterator[tuple[str, bytes]]:
        """Everything that was published, in order."""
        return (message(number, self._start_ms) for number in range(self.issued))

    def finish(self, timeout_s: float = 60.0) -> None:
        """Issue nothing more and return once the broker has acknowledged everything."""
        self._stop.set()
        self._thread.join()
        deadline = time.monotonic() + timeout_s
        while self.acknowledged < self.issued:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the broker acknowledged {self.acknowledged} of {self.issued}")
            time.sleep(0.02)
        self._client.disconnect()
        self._client.loop_stop()

    def abandon(self) -> None:
        """End without waiting for anything."""
        self._stop.set()
        self._thread.join()
        self._client.loop_stop()
