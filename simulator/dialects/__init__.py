"""Encoders from readings to topics and payloads, one file per kind of sender."""

from collections.abc import Callable
from typing import Final, Protocol

from simulator.dialects.bare import make_ovms, make_saic
from simulator.dialects.gbt32960 import Gbt32960
from simulator.dialects.native import Native
from simulator.dialects.vss import Vss
from simulator.reports import Reading


class Encoder(Protocol):
    """Encodes readings as messages of one kind of sender."""

    retain: bool
    """Whether this kind of sender publishes retained messages."""

    def encode(self, readings: list[Reading]) -> list[tuple[str, bytes]]:
        """Topics and payloads, in the order of the readings."""
        ...


_MAKERS: Final[dict[str, Callable[[], Encoder]]] = {
    "ovms": make_ovms,
    "gbt32960": Gbt32960,
    "saic": make_saic,
    "vss": Vss,
}
DIALECTS: Final = ("native", *_MAKERS)


def make_encoder(name: str, *, prefix: str = "vans") -> Encoder:
    """The encoder of this name. Only native topics have a prefix."""
    return Native(prefix) if name == "native" else _MAKERS[name]()
