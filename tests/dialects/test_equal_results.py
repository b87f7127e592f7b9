"""The same simulated day in each dialect gives the same energy, distance, trips and charges, within its resolution."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, NamedTuple

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings, VanEntry
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard
from simulator.dialects import make_encoder
from simulator.fleet import Fleet
from simulator.reports import Reporter
from simulator.vin import vin

VANS = 3
START_S = 1773032400
"""2026-03-09T05:00:00Z, a Monday."""
HOURS = 9
TICK_S = 10
SOC_STEP_PCT = 1.0
"""GB/T 32960 knows whole per cents: half of one is unknown at either end of the day, whatever else differs."""


COUNTERS = ("energy_out_total_kwh", "energy_in_total_kwh")
Encode = Callable[[list[dict[str, Any]]], list[tuple[str, bytes]]]


class Day(NamedTuple):
    """What the agent makes of one van's day."""

    used_kwh: float
    regenerated_kwh: float
    charged_kwh: float
    distance_km: float
    trips: int
    charges: int

    @property
    def net_kwh(self) -> float:
        """What driving and standing took out of the battery in the end."""
        return self.used_kwh - self.regenerated_kwh


@cache
def simulated_day() -> tuple[tuple[tuple[int, list[dict[str, Any]]], ...], FleetFile]:
    """What the vans say in each second, and who they are."""
    fleet = Fleet(vans=VANS, seed=11, start_s=START_S, clock="05:00", live_s=START_S)
    reporter = Reporter(fleet, everything=True)
    seconds = []
    while fleet.time_s < START_S + HOURS * 3600:
        fleet.step()
        readings = reporter.readings()
        if readings or fleet.time_s % TICK_S == 0:
            seconds.append((fleet.time_s, readings))
    vans = {
        vehicle_id: VanEntry(model=model.name, battery_kwh=model.usable_kwh, identities=(vin(vehicle_id),))
        for vehicle_id, model in zip(fleet.ids, fleet.models, strict=True)
    }
    return tuple(seconds), FleetFile(vans=vans)


def batches(encode: Encode) -> Iterator[Batch]:
    """What the broker delivers, second by second, with a tick each ten."""
    offset = 0
    for time_s, readings in simulated_day()[0]:
        messages = [Message(topic, payload) for topic, payload in encode(readings)]
        if time_s % TICK_S == 0:
            messages.append(Message("", b"%d" % (time_s * 1000), kind=int(MessageKind.TICK)))
        yield Batch(offset, time_s * 1000, START_S * 1000, messages)
        offset += len(messages)


def work(dialect: str, encode: Encode, **settings: Any) -> dict[str, Day]:
    """The day of each van by way of one dialect."""
    fleet = simulated_day()[1]
    roster = Roster(fleet, fleet_settings=FleetSettings(), emissions=EmissionsSettings(), derived_every_s=10.0)
    decoder = Decoder(make_dialects([dialect], identities=roster.identities, **settings))
    shard = Shard(decoder, roster)
    out = ShardOutput()
    for batch in batches(encode):
        out.add(shard.process(batch))
    assert not out.dead_letters
    rows = out.rows
    counts = {name: [series.vehicle_id for series, *_ in rows[name]] for name in ("trip", "charge")}
    return {
        vehicle_id: Day(
            used_kwh=shard.vans.state(vehicle_id).totals.used_kwh,
            regenerated_kwh=shard.vans.state(vehicle_id).totals.regenerated_kwh,
            charged_kwh=shard.vans.state(vehicle_id).totals.charged_kwh,
            distance_km=shard.vans.state(vehicle_id).totals.distance_km,
            trips=counts["trip"].count(vehicle_id),
            charges=counts["charge"].count(vehicle_id),
        )
        for vehicle_id in shard.vans
    }


def native_without_counters(readings: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """The native payload less what no other dialect is trusted with."""
    return make_encoder("native").encode(
        [{name: value for name, value in reading.items() if name not in COUNTERS} for reading in readings]
    )


@cache
def reference() -> dict[str, Day]:
    """By the native dialect."""
    return work("native", native_without_counters)


def other_sign(readings: list[dict[str, Any]]) -> list[tuple[str, bytes]]:
    """GB/T 32960 from a maker who thinks the other way round about the current."""
    return make_encoder("gbt32960").encode(
        [reading | ({"current_a": -reading["current_a"]} if "current_a" in reading else {}) for reading in readings]
    )


@pytest.mark.parametrize(
    ("dialect", "settings", "energy", "distance", "trips"),
    [
        pytest.param("vss", {}, 0.001, 0.001, 0, id="vss"),
        pytest.param("saic", {}, 0.005, 0.005, 1, id="saic: 0.1 km, whole degrees"),
        pytest.param("ovms", {}, 0.05, 0.01, 2, id="ovms: only what has changed"),
        pytest.param("gbt32960", {"gbt32960_current_sign": "positive_out"}, 0.03, 0.01, 1, id="gbt32960: 1 %, 0.1 A"),
        pytest.param("gbt32960", {}, 0.05, 0.01, 1, id="gbt32960: the same, its sign to be learnt"),
    ],
)
def test_equal_results(dialect: str, settings: dict[str, Any], energy: float, distance: float, trips: int) -> None:
    found = work(dialect, make_encoder(dialect).encode, **settings)
    assert found.keys() == reference().keys()
    for vehicle_id, expected in reference().items():
        day = found[vehicle_id]
        step_kwh = (
            simulated_day()[1].vans[vehicle_id].battery_kwh * (SOC_STEP_PCT if dialect == "gbt32960" else 0.0) / 100
        )
        assert day.net_kwh == pytest.approx(expected.net_kwh, abs=step_kwh + energy * expected.net_kwh), vehicle_id
        assert day.distance_km == pytest.approx(expected.distance_km, rel=distance), vehicle_id
        assert abs(day.trips - expected.trips) <= trips, vehicle_id
        assert day.charges == expected.charges, vehicle_id


def test_the_sign_that_a_maker_chose_makes_no_difference() -> None:
    assert work("gbt32960", other_sign) == work("gbt32960", make_encoder("gbt32960").encode)
