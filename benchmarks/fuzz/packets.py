"""MQTT 5 byte streams: valid packets of a broker, which are then distorted and divided into reads."""

import random
from collections.abc import Iterable, Iterator

from benchmarks.fuzz.payloads import Case, bend

OTHERS = (
    b"\xd0\x00",
    b"\x20\x03\x00\x00\x00",
    b"\x90\x04\x00\x01\x00\x01",
    b"\xe0\x00",
    b"\xe0\x02\x8e\x00",
    b"\x40\x02\x00\x05",
    b"\xf0\x00",
)
"""PINGRESP, CONNACK, SUBACK, two DISCONNECTs, PUBACK, AUTH."""
PROPERTIES = (
    b"",
    b"",
    b"\x01\x01",
    b"\x02\x00\x00\x0e\x10",
    b"\x23\x00\x07",
    b"\x26\x00\x01k\x00\x01v" * 3,
    b"\x0b\x01",
    b"\x7f\x00",
    b"\x03\xff\xff",
)


def variable_integer(value: int) -> bytes:
    """A variable byte integer of MQTT, with one to four bytes."""
    encoded = bytearray()
    while True:
        value, low = divmod(value, 128)
        encoded.append(low | (0x80 if value else 0))
        if not value:
            return bytes(encoded)


def publish(chance: random.Random, topic: str, payload: bytes) -> bytes:
    """A PUBLISH with any QoS, with or without properties."""
    qos = chance.choice([1, 1, 1, 0, 2, 3]) if chance.random() < 0.3 else 1
    name = topic.encode()[:65_535]
    properties = chance.choice(PROPERTIES) if chance.random() < 0.2 else b""
    body = len(name).to_bytes(2, "big") + name
    if qos:
        body += chance.randrange(65_536).to_bytes(2, "big")
    body += variable_integer(len(properties)) + properties + payload
    first = 0x30 | qos << 1 | (8 if chance.random() < 0.05 else 0) | (1 if chance.random() < 0.1 else 0)
    length = len(body) if chance.random() < 0.98 else chance.choice([0, 1, len(body) + 1, len(body) // 2, 268_435_455])
    return bytes([first]) + variable_integer(length) + body


def streams(chance: random.Random, cases: Iterable[Case], *, per_stream: int = 20) -> Iterator[tuple[int, list[bytes]]]:
    """The number of packets, and the reads that contain them."""
    packets: list[bytes] = []
    for topic, payload in cases:
        packets.append(publish(chance, topic, payload))
        if chance.random() < 0.05:
            packets.append(chance.choice(OTHERS))
        if len(packets) >= per_stream:
            yield len(packets), _reads(chance, packets)
            packets = []
    if packets:
        yield len(packets), _reads(chance, packets)


def _reads(chance: random.Random, packets: list[bytes]) -> list[bytes]:
    stream = b"".join(packets)
    if chance.random() < 0.5:
        stream = bend(chance, stream, packets[0])
    reads, position = [], 0
    while position < len(stream):
        size = chance.choice([1, 7, 100, 1460, 65_536])
        reads.append(stream[position : position + size])
        position += size
    return reads
