"""Payloads of every dialect: valid, almost valid and distorted ones."""

import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from agent.dialects import ovms, saic, teslamate, vss
from agent.dialects.native import KINDS
from agent.readings import RANGES
from benchmarks.fuzz import trackers

ABSURD = [
    *("NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1e-400", "5e-324", "-0", "0", "1", "254", "255", "65535"),
    *("4294967295", "18446744073709551616", "true", "false", "null", '""', '"5"', "[]", "{}", "[1]", '{"a":1}'),
    *("01", "+1", ".5", "1.", "0x10", "1e", "1e+", "-", "9" * 30, "9" * 5000, "[" * 300 + "]" * 300),
    *('"' + "x" * 3000 + '"', '"\\ud800"', '"\\u0000"', '"\u202e"'),
]
"""Values that replace a number."""
TOKENS = [
    *(
        b"\x00",
        b"\xff",
        b"\xc3\x28",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b'"',
        b"\\",
        b"\\u00",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
    ),
    *(
        b",",
        b"NaN",
        b"1e999",
        b"9" * 400,
        b"/*",
        b"\r\n",
        b"[" * 60,
        b'{"":' * 60,
        b"\xf0\x9f\x9a\x90",
        b"'; DROP TABLE",
    ),
]
"""Bytes that are inserted."""
_NUMBER = re.compile(rb"-?\d+(\.\d+)?([eE][+-]?\d+)?")
_BARE = {
    "ovms": (
        "ovms/{van}/{van}/metric/{tail}",
        (*ovms.MEANINGS, *ovms.COUNTERS, "v/b/12v/voltage"),
        ("yes", "no", "MED3"),
    ),
    "saic": (
        "saic/user/vehicles/{van}/{tail}",
        (*saic.MEANINGS, "info/model"),
        ("True", "False", "2026-03-09T14:05:30Z"),
    ),
    "teslamate": ("teslamate/cars/{van}/{tail}", (*teslamate.MEANINGS, "healthy"), ("true", "false", "Charging")),
}

Case = tuple[str, bytes]
Make = Callable[[random.Random, str, int], Case]
"""Makes a topic and a payload from random numbers, a van and a time in ms."""


def time_of(chance: random.Random, now_ms: int) -> Any:
    """An event time in one of the accepted formats, sometimes far from the present."""
    ms = now_ms - (chance.randrange(5000) if chance.random() < 0.9 else chance.randrange(-(10**9), 10**10))
    if chance.random() < 0.5:
        return ms
    text = datetime.fromtimestamp(ms / 1000, tz=UTC).isoformat(timespec=chance.choice(["seconds", "milliseconds"]))
    return text.replace("+00:00", "Z") if chance.random() < 0.7 else text


def value_of(chance: random.Random, name: str) -> Any:
    """A value in the range of the field, sometimes at or beyond its limits."""
    if name not in RANGES:
        return chance.random() < 0.5
    low, high = RANGES[name]
    if isinstance(low, int):
        return chance.randrange(int(low), int(high) + 1)
    roll = chance.random()
    if roll < 0.95:
        return round(chance.uniform(low, high), chance.choice([0, 1, 3, 6]))
    return chance.choice([low, high, low - 1, high + 1, high * 1e6, -1e-9, 1e-300])


def native(chance: random.Random, van: str, now_ms: int) -> Case:
    """A native payload: an object or an array."""
    kind = chance.choice(list(KINDS))

    def one() -> dict[str, Any]:
        fields = {name: value_of(chance, name) for name in KINDS[kind] if chance.random() < 0.8}
        if chance.random() < 0.5:
            fields["seq"] = chance.randrange(10**6)
        if chance.random() < 0.2:
            fields["vehicle_id"] = van if chance.random() < 0.9 else "another"
        return {"time": time_of(chance, now_ms)} | fields

    content: Any = one() if chance.random() < 0.85 else [one() for _ in range(chance.randrange(5))]
    return f"vans/{van}/{kind}", json.dumps(content).encode()


def gbt32960(chance: random.Random, van: str, now_ms: int) -> Case:
    """A report of EMQX's gateway."""
    moment = datetime.fromtimestamp(now_ms / 1000 - chance.randrange(40) + 8 * 3600, tz=UTC)
    parts = ("Year", moment.year % 100), ("Month", moment.month), ("Day", moment.day)
    clock = ("Hour", moment.hour), ("Minute", moment.minute), ("Second", moment.second)
    blocks: list[dict[str, Any]] = []
    if chance.random() < 0.9:
        raw = {
            "Status": 3,
            "Charging": 4,
            "Speed": 2200,
            "Mileage": 9_999_999,
            "Voltage": 10_000,
            "Current": 20_000,
            "SOC": 100,
        }
        vehicle = {key: chance.randrange(high + 1) for key, high in raw.items()}
        if chance.random() < 0.1:
            vehicle[chance.choice(list(raw))] = chance.choice([254, 255, 65534, 65535, 4294967295, -1])
        blocks.append({"Type": "Vehicle"} | vehicle)
    if chance.random() < 0.7:
        place = {
            "Status": chance.randrange(8),
            "Longitude": chance.randrange(180_000_001),
            "Latitude": chance.randrange(90_000_001),
        }
        blocks.append(
            {"Type": "Location"} | place | ({"CoordinateSystem": chance.randrange(4)} if chance.random() < 0.3 else {})
        )
    if chance.random() < 0.2:
        probes = [chance.randrange(256) for _ in range(chance.randrange(6))]
        blocks.append({"Type": "ChargeableTemp", "SubSystems": [{"ProbesTemp": probes}]})
    content = {"Cmd": 2, "Encrypt": 1, "Vin": van, "Data": {"Time": dict(parts + clock), "Infos": blocks}}
    tail = chance.choice(["info", "info", "reinfo", "vlogin"])
    return f"gbt32960/{van}/upstream/{tail}", json.dumps(content).encode()


def vss_object(chance: random.Random, van: str, now_ms: int) -> Case:
    """VSS paths in an object, or one path in the topic."""
    if chance.random() < 0.2:
        path = chance.choice([*vss.NUMBERS, *vss.FLAGS])
        text = f"{chance.uniform(-10, 100):.3f}" if path in vss.NUMBERS else chance.choice(["true", "false"])
        return f"vss/{van}/{path.replace('.', '/')}", text.encode()
    content: dict[str, Any] = {"time": time_of(chance, now_ms)} if chance.random() < 0.7 else {}
    for path, (_, scale) in vss.NUMBERS.items():
        if chance.random() < 0.4:
            content[path] = round(chance.uniform(0, 80) / scale, 2)
    for path in vss.FLAGS:
        if chance.random() < 0.2:
            content[path] = chance.random() < 0.5
    return f"vss/{van}", json.dumps(content).encode()


def bare(name: str) -> Make:
    """One bare value of OVMS, SAIC or TeslaMate."""
    pattern, tails, words = _BARE[name]

    def make(chance: random.Random, van: str, now_ms: int) -> Case:
        del now_ms
        roll = chance.random()
        if roll < 0.6:
            text = f"{chance.uniform(-10, 110):.{chance.randrange(6)}f}"
        elif roll < 0.85:
            text = chance.choice(words)
        elif roll < 0.95:
            text = json.dumps({"latitude": chance.uniform(-95, 95), "longitude": chance.uniform(-185, 185)})
        else:
            text = chance.choice(ABSURD)
        return pattern.format(van=van, tail=chance.choice(tails)), text.encode()

    return make


MAKERS: dict[str, Make] = {
    "native": native,
    "gbt32960": gbt32960,
    "vss": vss_object,
    **{name: bare(name) for name in _BARE},
    "presets": trackers.message,
}


def bend(chance: random.Random, payload: bytes, other: bytes) -> bytes:
    """The payload after one to three random distortions."""
    for _ in range(chance.randrange(1, 4)):
        at = chance.randrange(len(payload) + 1)
        to = min(len(payload), at + chance.randrange(1, 20))
        match chance.randrange(9):
            case 0 if at < len(payload):
                payload = payload[:at] + bytes([payload[at] ^ 1 << chance.randrange(8)]) + payload[at + 1 :]
            case 1:
                payload = payload[:at] + chance.choice(TOKENS) + payload[at:]
            case 2:
                payload = payload[:at] + payload[to:]
            case 3:
                payload = payload[:at] + payload[at:to] * 2 + payload[to:]
            case 4:
                payload = payload[:at]
            case 5:
                payload = payload[:at] + other[chance.randrange(len(other) + 1) :]
            case 6:
                payload = payload[:at] + chance.randbytes(chance.randrange(1, 8)) + payload[at:]
            case _:
                payload = _replace_number(chance, payload)
    return payload[:65_536]


def _replace_number(chance: random.Random, payload: bytes) -> bytes:
    numbers = list(_NUMBER.finditer(payload[:2000]))
    if not numbers:
        return payload
    span = chance.choice(numbers).span()
    return payload[: span[0]] + chance.choice(ABSURD).encode("utf-8", "surrogatepass") + payload[span[1] :]


def bend_topic(chance: random.Random, topic: str) -> str:
    """The topic after one random distortion. It is still valid for a broker."""
    levels = topic.split("/")
    at = chance.randrange(len(levels))
    levels[at] = chance.choice(
        ["", " ", "x", "van-1\n", "ü" * 40, "a" * 300, "metric", "upstream", "..", levels[at] * 2, levels[-1]]
    )
    return "/".join(levels[: chance.randrange(1, len(levels) + 1)] if chance.random() < 0.3 else levels)


def cases(chance: random.Random, name: str, count: int, moments: Iterator[int], *, vans: int = 20) -> Iterator[Case]:
    """`count` cases of one dialect. Almost half of them are valid."""
    make = MAKERS[name]
    previous = b"{}"
    for _ in range(count):
        topic, payload = make(chance, f"van-{chance.randrange(vans):03d}", next(moments))
        roll = chance.random()
        if roll < 0.55:
            payload, previous = bend(chance, payload, previous), payload
        if roll < 0.05:
            topic = bend_topic(chance, topic)
        yield topic, payload
