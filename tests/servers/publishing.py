"""A van's side for tests: publishes at QoS 1 and returns once the broker has acknowledged everything."""

import json
from collections.abc import Iterable
from typing import Any

import paho.mqtt.client as paho

PUBLISH_S = 30.0


def publish(port: int, messages: Iterable[tuple[str, Any]], *, qos: int = 1, retain: bool = False) -> int:
    """Publish (topic, payload) pairs; a payload that is not bytes is sent as JSON. Returns how many."""
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv311)
    client.max_inflight_messages_set(500)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        sent = [
            client.publish(
                topic,
                payload if isinstance(payload, bytes) else json.dumps(payload).encode(),
                qos=qos,
                retain=retain,
            )
            for topic, payload in messages
        ]
        for message in sent:
            message.wait_for_publish(PUBLISH_S)
            if not message.is_published():
                raise TimeoutError("the broker did not acknowledge")
    finally:
        client.disconnect()
        client.loop_stop()
    return len(sent)


def drive(vehicle_id: str, *, start_ms: int, readings: int = 180, period_ms: int = 10_000) -> list[tuple[str, Any]]:
    """One van: stands, drives straight north at 36 km/h for the middle third, stands again."""
    found: list[tuple[str, Any]] = []
    third = readings // 3
    moved = 0
    for number in range(readings):
        driving = third <= number < 2 * third
        moved += driving
        found.append(
            (
                f"vans/{vehicle_id}/telemetry",
                {
                    "time": start_ms + number * period_ms,
                    "seq": number,
                    "soc_pct": round(80.0 - 0.03 * moved, 2),
                    "battery_power_kw": -9.0 if driving else -0.3,
                    "latitude_deg": round(52.0 + moved * 0.1 / 111.195, 6),
                    "longitude_deg": 13.4,
                    "speed_kmh": 36.0 if driving else 0.0,
                    "odometer_km": round(1000.0 + 0.1 * moved, 1),
                },
            )
        )
    return found
