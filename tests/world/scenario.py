"""A scenario: what happened, what the van reported, and the right figures."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.world.history import Figure, live
from tests.world.limits import KNOWN
from tests.world.senders import Native, Sender
from tests.world.van import BATTERY_KWH, PLAIN, Step, Van, play

Expected = dict[str | Figure, Any]
"""For each figure the exact value, or the lowest and the highest right value."""


class Scenario(msgspec.Struct, kw_only=True):
    """One life of a van. `source` is the public report of the fault, if there is one."""

    title: str
    life: list[Step]
    expected: Expected
    source: str = ""
    sender: Callable[[], Sender] = Native
    fields: tuple[str, ...] = PLAIN
    soc_pct: float = 80.0
    soc_step_pct: float = 0.1
    odometer_km: float = 5000.0
    battery_kwh: float = BATTERY_KWH
    toml: str = ""
    files: Mapping[str, str] = {}


def hold(scenario: Scenario, where: Path, *, every_s: float = 10.0) -> None:
    """Run the life and compare the figures. A failure names every wrong figure."""
    sender = scenario.sender()
    van = Van(
        sender,
        fields=scenario.fields,
        soc_pct=scenario.soc_pct,
        odometer_km=scenario.odometer_km,
        soc_step_pct=scenario.soc_step_pct,
        battery_kwh=scenario.battery_kwh,
        every_s=every_s,
    )
    play(van, scenario.life)
    for name, text in scenario.files.items():
        (where / name).write_text(text.replace("{where}", str(where)))
    toml = f'mqtt.dialects = ["{sender.dialect}"]\nfleet.battery_kwh = {scenario.battery_kwh}\n'
    toml += scenario.toml.replace("{where}", str(where))
    history = live(van.messages, where, toml=toml)
    wrong = history.breaches(battery_kwh=scenario.battery_kwh)
    for figure, right in scenario.expected.items():
        value = history.figure(figure)
        low, high = right if isinstance(right, tuple) else (right, right)
        if value is None or not low <= value <= high:
            wrong.append(f"{figure}: {value}, right is {low} to {high}")
    limit = KNOWN.get(scenario.title)
    if limit is not None:
        if not wrong:
            pytest.fail(f"this is right now, so that it has to leave the known limits: {scenario.title}")
        pytest.xfail(limit)
    if wrong:
        pytest.fail("\n".join(["", *wrong, scenario.source]), pytrace=False)
