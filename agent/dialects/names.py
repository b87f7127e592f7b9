"""The names of the programmed dialects, as `mqtt.dialects` takes them beside presets and mappings."""

from typing import Final

NAMES: Final = ("native", "gbt32960", "ovms", "saic", "vss", "teslamate")
