"""Payloads of trackers, which the presets of mappings read."""

import json
import random
from datetime import UTC, datetime
from typing import Any

ODD: list[Any] = [None, True, False, 0, -1, 255, 65535, 1e308, 10**30, "", "x", "12", [], {}, [1], {"a": 1}]


def message(chance: random.Random, van: str, now_ms: int) -> tuple[str, bytes]:
    """A topic and a payload of one of the senders, sometimes with an odd value or with an array of readings."""
    topic, content = chance.choice((traccar, flespi, teltonika, owntracks))(
        chance, van, now_ms - chance.randrange(5000)
    )
    if chance.random() < 0.3:
        _spoil(chance, content)
    whole: Any = [content, content] if chance.random() < 0.1 else content
    return topic, json.dumps(whole, separators=(",", ":") if chance.random() < 0.5 else None).encode()


def traccar(chance: random.Random, van: str, time_ms: int) -> tuple[str, dict[str, Any]]:
    """A position that Traccar forwards."""
    position = {
        "fixTime": datetime.fromtimestamp(time_ms / 1000, tz=UTC).isoformat(timespec="milliseconds"),
        "valid": chance.random() < 0.9,
        "outdated": chance.random() < 0.1,
        **_place(chance, "latitude", "longitude", "altitude", "speed", "course"),
        "accuracy": chance.choice([0.0, 8.0]),
        "attributes": {"odometer": chance.randrange(10**8), "batteryLevel": chance.randrange(101), "motion": True},
    }
    return "positions", {"position": position, "device": {"id": 7, "uniqueId": van}}


def flespi(chance: random.Random, van: str, time_ms: int) -> tuple[str, dict[str, Any]]:
    """A message of flespi."""
    names = ("latitude", "longitude", "altitude", "speed", "direction")
    content: dict[str, Any] = {f"position.{name}": value for name, value in _place(chance, *names).items()}
    content |= {
        "ident": van,
        "timestamp": time_ms / 1000,
        "can.vehicle.battery.level": chance.choice([0, chance.randrange(101)]),
        "engine.ignition.status": chance.random() < 0.5,
        "position.valid": chance.random() < 0.9,
        "vehicle.mileage": round(chance.uniform(0, 1e5), 1),
    }
    return "flespi/message/gw/devices/1", content


def teltonika(chance: random.Random, van: str, time_ms: int) -> tuple[str, dict[str, Any]]:
    """A report of a Teltonika tracker with Codec JSON."""
    place = _place(chance, "lat", "lon", "alt", "sp", "ang")
    reported = {
        "ts": time_ms,
        "latlng": f"{place['lat']:.6f},{place['lon']:.6f}",
        **{name: place[name] for name in ("alt", "sp", "ang")},
        "sat": chance.randrange(12),
        "239": chance.randrange(2),
        "389": chance.randrange(10**5),
        "410": chance.randrange(3),
        "411": chance.randrange(101),
    }
    return f"{van}/data", {"state": {"reported": reported}}


def owntracks(chance: random.Random, van: str, time_ms: int) -> tuple[str, dict[str, Any]]:
    """A location of OwnTracks, sometimes a message of another type."""
    kind = chance.choice(["location", "location", "location", "lwt"])
    return f"owntracks/{van}/phone", {
        "_type": kind,
        "tst": time_ms // 1000,
        **_place(chance, "lat", "lon", "alt", "vel", "cog"),
    }


def _place(chance: random.Random, *names: str) -> dict[str, float]:
    limits = ((-90, 90), (-180, 180), (0, 2000), (0, 60), (0, 360))
    return {name: round(chance.uniform(low, high), 6) for name, (low, high) in zip(names, limits, strict=True)}


def _spoil(chance: random.Random, content: dict[str, Any]) -> None:
    """Put an odd value somewhere, in place."""
    key = chance.choice(list(content))
    inner = content[key]
    if isinstance(inner, dict) and inner and chance.random() < 0.8:
        _spoil(chance, inner)
    elif chance.random() < 0.2:
        del content[key]
    else:
        content[key] = chance.choice(ODD)
