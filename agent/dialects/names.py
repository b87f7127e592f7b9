"""The names of the dialects, as `mqtt.dialects` takes them."""

from typing import Final, Literal, get_args

DialectName = Literal["native", "gbt32960", "ovms", "saic", "vss", "teslamate"]

NAMES: Final[tuple[DialectName, ...]] = get_args(DialectName)
