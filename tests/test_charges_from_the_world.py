"""Charges as loggers in the world report them, through decoder, core and rows.

Each is a fault that somebody has reported in public, rebuilt with invented data; the right values follow from what the
wall gave and what the battery took.
"""

from collections.abc import Iterator

import pytest

from agent.config import EmissionsSettings, FleetFile, FleetSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.messages import Batch, Message, MessageKind
from agent.points.measurements import MEASUREMENTS
from agent.shard.output import ShardOutput
from agent.shard.roster import Roster
from agent.shard.shard import Shard

BASE_MS = 1_760_000_400_000
Said = tuple[float, str, str]
"""Seconds after the beginning, topic, payload."""


def charges(dialect: str, said: Iterator[Said]) -> list[dict[str, float]]:
    """The charges of all that was said, and nothing being said for an hour after."""
    roster = Roster(FleetFile(), fleet_settings=FleetSettings(), emissions=EmissionsSettings(), derived_every_s=10.0)
    shard = Shard(Decoder(make_dialects([dialect])), roster)
    out = ShardOutput()
    offset, tick_ms = 0, BASE_MS

    def take(received_ms: int, message: Message) -> None:
        nonlocal offset
        out.add(shard.process(Batch(offset, received_ms, BASE_MS - 600_000, [message])))
        offset += 1

    def pass_time(until_ms: int) -> None:
        nonlocal tick_ms
        while tick_ms + 10_000 <= until_ms:
            tick_ms += 10_000
            take(tick_ms, Message("", b"%d" % tick_ms, kind=int(MessageKind.TICK)))

    received_ms = BASE_MS
    for at_s, topic, payload in said:
        received_ms = BASE_MS + round(at_s * 1000)
        pass_time(received_ms)
        take(received_ms, Message(topic, payload.encode(), qos=1))
    pass_time(received_ms + 3_600_000)
    assert shard.counters.internal_errors == 0
    names = ("time_ms", *MEASUREMENTS["charge"].field_names)
    return [dict(zip(names, row[1:], strict=True)) for row in out.rows["charge"]]


def teslamate(hours: float, wall_kw: float, efficiency: float, shown_kw: int) -> Iterator[Said]:
    """Each 30 s; `charger_power` is a whole number of kW (TeslaMate issues 1342 and 492)."""
    topic = "teslamate/cars/1/"
    yield 0, topic + "location", '{"latitude":48.1,"longitude":11.5}'
    yield 0, topic + "speed", "0"
    for step in range(round(hours * 120) + 120):
        charges_s = min(max(step * 30 - 1800, 0), hours * 3600)
        charging = 0 < charges_s < hours * 3600
        yield step * 30, topic + "battery_level", str(int(50 + wall_kw * efficiency * charges_s / 3600 / 0.83))
        yield step * 30, topic + "charging_state", "Charging" if charging else "Disconnected"
        yield step * 30, topic + "charger_power", str(shown_kw if charging else 0)
        yield step * 30, topic + "odometer", "5000.12"


def saic(hours: float, battery_kw: float, single_w: float, three_w: float) -> Iterator[Said]:
    """Each 30 s; both powers of the on-board charger are always published (SAIC gateway issue 230)."""
    topic = "saic/fleet@x/vehicles/LSKTESTVAN0000001/"
    for step in range(round(hours * 120) + 120):
        charges_s = min(max(step * 30 - 1800, 0), hours * 3600)
        charging = 0 < charges_s < hours * 3600
        values = {
            "drivetrain/soc": f"{40 + battery_kw * charges_s / 3600 / 0.83:.1f}",
            "drivetrain/charging": str(charging),
            "drivetrain/power": str(-battery_kw if charging else 0.0),
            "drivetrain/mileage": "12000.5",
            "location/latitude": "48.1",
            "location/longitude": "11.5",
            "location/speed": "0.0",
            "obc/powerSinglePhase": str(single_w if charging else 0.0),
            "obc/powerThreePhase": str(three_w if charging else 0.0),
        }
        for tail, text in values.items():
            yield step * 30, topic + tail, text


def ovms(hours: float, wall_kw: float, efficiency: float) -> Iterator[Said]:
    """A burst each ten minutes, spread over a second (OVMS issues 581 and 1203)."""
    topic = "ovms/depot/EV1/metric/v/"
    for step in range(round(hours * 6) + 6):
        charges_s = min(max(step * 600 - 1200, 0), hours * 3600)
        charging = 0 < charges_s < hours * 3600
        values = {
            "b/soc": f"{20 + wall_kw * efficiency * charges_s / 3600 / 0.83:.1f}",
            "p/latitude": "48.1",
            "p/longitude": "11.5",
            "p/odometer": "12000.5",
            "p/speed": "0",
            "c/charging": "yes" if charging else "no",
            "c/power": str(wall_kw if charging else 0),
        }
        for number, (tail, text) in enumerate(values.items()):
            yield step * 600 + 0.2 * number, topic + tail, text


@pytest.mark.parametrize(
    ("title", "dialect", "said", "into_kwh", "low_kwh", "high_kwh"),
    [
        # 83 kWh by the default of the fleet settings; what goes in is what can be taken out, over 0.97.
        ("6 A of one phase, 1.4 kW, shown as 1: 11.2 kWh", "teslamate", (8.0, 1.4, 0.84, 1), 9.4, 10.6, 12.4),
        ("10 A of one phase, 2.3 kW, shown as 2: 18.4 kWh", "teslamate", (8.0, 2.3, 0.84, 2), 15.5, 17.4, 20.2),
        ("three phases of 16 A, 11 kW, shown as 11: 33 kWh", "teslamate", (3.0, 11.0, 0.89, 11), 29.4, 31.5, 34.0),
        ("9.75 kW of three phases, as 8.3 and 4.8: 19.5 kWh", "saic", (2.0, 8.68, 8325.0, 4806.4), 17.4, 18.5, 20.5),
        ("7.4 kW from one phase, shown as 7.4 and 4.3: 14.8 kWh", "saic", (2.0, 6.6, 7400.0, 4272.0), 13.2, 14.3, 15.3),
        ("7.2 kW in bursts ten minutes apart: 36 kWh", "ovms", (5.0, 7.2, 0.885), 31.9, 34.5, 39.5),
    ],
)  # fmt: skip
def test_grid_energy(title: str, dialect: str, said: tuple, into_kwh: float, low_kwh: float, high_kwh: float):
    speak = {"teslamate": teslamate, "saic": saic, "ovms": ovms}[dialect]
    (charge,) = charges(dialect, speak(*said))
    assert charge["energy_kwh"] == pytest.approx(into_kwh, abs=1.6), title
    assert low_kwh <= charge["grid_kwh"] <= high_kwh, title
    assert charge["grid_kwh"] >= charge["energy_kwh"]
