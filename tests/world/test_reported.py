"""Publicly reported faults of similar software, reproduced. The right value is worked out beside each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.world.generation import a75
from tests.world.history import Figure, first
from tests.world.scenario import Scenario, hold
from tests.world.senders import Ovms, Saic, TeslaMate
from tests.world.van import (
    COUNTERS,
    EVERYTHING,
    FLAGS,
    HOUR,
    KM_PER_DEGREE,
    MINUTE,
    NO_ODOMETER,
    PLAIN,
    POWER,
    Van,
    always,
    charge,
    drive,
    each,
    honest,
    rest,
    silence,
    stuck,
    unheard,
)


def in_steps(*steps_pct: float) -> Callable[[Van], float]:
    """The last of these states of charge that the van has reached."""
    return lambda van: max(step for step in steps_pct if step <= van.soc_pct + 0.05)


def noise(metres_north: float, kmh: float) -> dict[str, Any]:
    """A wrong place and a wrong speed."""
    return {"latitude_deg": lambda _: round(48.1 + metres_north / 1000 / KM_PER_DEGREE, 6), "speed_kmh": kmh}


SCENARIOS = [
    Scenario(
        title="with the ignition off the back end reports an odometer of 0, and a weekend lies between",
        source="https://github.com/Hyundai-Kia-Connect/kia_uvo/issues/477",
        odometer_km=3200.4,
        life=[
            rest(2 * MINUTE),
            drive(12),
            rest(6 * MINUTE),
            rest(MINUTE, odometer_km=0.0),
            silence(40 * HOUR),
            rest(7 * MINUTE),
        ],
        # 1200 s at 36 km/h are 12.0 km, at 0.25 kWh/km 3.0 kWh. Avoided: 12 km x 316.9 g/km of a diesel van of
        # class III (DEFRA 2025) less 3.1 kWh x 257 g/kWh: 3.0 kg. Neither place nor charge has changed in silence.
        expected={"trips": 1, "distance_km": (11.5, 12.5), "used_kwh": (2.8, 3.6), "avoided_g": (2500, 3500)},
    ),
    Scenario(
        title="the CAN bus sleeps, and the module reports 0 % until the van wakes",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/146",
        soc_pct=38.0,
        fields=NO_ODOMETER,
        life=[
            rest(10 * MINUTE),
            rest(8 * HOUR + 20 * MINUTE, every_s=10 * MINUTE, soc_pct=0.0),
            silence(10 * MINUTE),
            rest(10 * MINUTE),
        ],
        # Nothing happened.
        expected={"charges": 0, "charged_kwh": (0, 0.3), "used_kwh": (0, 0.5), "alert soc_critical": 0},
    ),
    Scenario(
        title="the last driven speed stays in every message until the next drive",
        source="https://github.com/owntracks/gw/issues/75",
        fields=NO_ODOMETER,
        life=[
            rest(3 * MINUTE),
            drive(12),
            rest(8 * HOUR, every_s=MINUTE, speed_kmh=23.0),
            rest(2 * MINUTE),
        ],
        # 480 equal fixes and an equal state of charge say that it stands: 12.0 km in 1200 s.
        expected={"trips": 1, "distance_km": (11.5, 12.7), "longest_trip_s": (1100, 1400)},
    ),
    Scenario(
        title="TeslaMate does not publish that the speed has become null",
        source="https://github.com/fetzu/teslamate-abrp/pull/43",
        sender=TeslaMate,
        fields=EVERYTHING,
        life=[
            rest(4 * MINUTE, every_s=MINUTE, shift_state=""),
            drive(14.4, kmh=43.2, every_s=5, shift_state="D"),
            drive(0.0181, kmh=13, every_s=5, shift_state="D"),
            rest(6 * HOUR, every_s=MINUTE, shift_state=""),
        ],
        # 1200 s at 43.2 km/h: 14.4 km.
        expected={
            "trips": 1,
            "longest_trip_s": (1100, 1500),
            "distance_km": (14.0, 14.8),
            "alert offline_on_duty": 0,
        },
    ),
    Scenario(
        title="a receiver that stands reports a speed now and then and wanders by some tens of metres",
        source="https://github.com/traccar/traccar/pull/3860",
        odometer_km=8000.3,
        life=[
            rest(40 * MINUTE, every_s=30),
            rest(30, **noise(25, 8.1)),
            rest(20 * MINUTE, speed_kmh=0.9),
            rest(20, **noise(-44, 14.4)),
            rest(10, **noise(-30, 8.1)),
            rest(40 * MINUTE, speed_kmh=1.9),
            rest(10 * MINUTE),
        ],
        # The odometer has not moved and no fix is 80 m away.
        expected={"trips": 0, "distance_km": (0, 0.05)},
    ),
    Scenario(
        title="the cloud has two states of charge of a parked van without a cable: live, and the last charge's end",
        source="https://github.com/its-me-prash/vwgroup-connect-ha/issues/1195",
        soc_pct=61.0,
        fields=FLAGS,
        life=[rest(20 * MINUTE), rest(5 * HOUR, every_s=5 * MINUTE, soc_pct=each(3, 74.0, "soc_pct")), rest(MINUTE)],
        # 13 % of 83 kWh in five minutes would be 130 kW into a van without a cable, twenty times.
        expected={"charges": 0, "charged_kwh": (0, 0.3), "idle_kwh": (0, 0.5)},
    ),
    Scenario(
        title="on the charger the state of charge comes each 5 % only: 64, 65, 70, 75, 80, and 84 at the end",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/690",
        soc_pct=64.0,
        fields=(*NO_ODOMETER, "charging"),
        life=[rest(10 * MINUTE), charge(8540, kw=7.2, soc_pct=in_steps(64, 65, 70, 75, 80)), rest(20 * MINUTE)],
        # 8540 s x 7.2 kW = 17.1 kWh at the terminals; x 0.97 = 16.6 kWh, 20 % of 83. Of the grid 17.1 / 0.89 = 19.2.
        expected={"charges": 1, "charged_kwh": (16.2, 18.0), "charge_grid_kwh": (18, 21)},
    ),
    Scenario(
        title="the charge of the last stop is sent during the whole drive and renewed when parked",
        source="https://github.com/hass-uconnect/hass-uconnect/pull/70",
        life=[
            rest(2 * MINUTE),
            drive(36, kmh=54, kwh_per_km=0.2767, soc_pct=stuck("soc_pct")),
            rest(20 * MINUTE),
        ],
        # 80 to 68 %: 12 % x 0.83 kWh = 10.0 kWh.
        expected={"trips": 1, "used_kwh": (8.5, 11.0), "trip_kwh": (8.5, 11.0), "distance_km": (35.5, 36.5)},
    ),
    Scenario(
        title="the energy counters of a young van read 0 once, and then their totals again",
        source="https://github.com/ProtossBlaster/leapmotor-mate/issues/46",
        soc_pct=90.0,
        fields=COUNTERS,
        odometer_km=900.2,
        life=[
            always(
                energy_out_total_kwh=lambda van: round(180 + 0.3 * (van.odometer_km - 900.2), 2),
                energy_in_total_kwh=lambda van: round(60 + 0.05 * (van.odometer_km - 900.2), 2),
            ),
            rest(5 * MINUTE),
            drive(18),
            drive(0.1, energy_out_total_kwh=0.0, energy_in_total_kwh=0.0),
            drive(17.9),
            rest(15 * MINUTE),
        ],
        # 36 km x 0.3 = 10.8 kWh out, 36 km x 0.05 = 1.8 kWh back, 9.0 net.
        expected={
            "used_kwh": (10, 12),
            "regenerated_kwh": (1.2, 2.4),
            "trip_kwh": (8.5, 9.6),
            "trip_regenerated_kwh": (1.2, 2.4),
        },
    ),
    Scenario(
        title="the charger's power is a whole number: 1.4 kW is 1",
        source="https://github.com/teslamate-org/teslamate/issues/1342",
        sender=TeslaMate,
        fields=(*FLAGS, "charger_power_kw"),
        soc_pct=50.0,
        life=[
            rest(10 * MINUTE, every_s=30),
            charge(8 * HOUR, kw=1.12, grid_kw=1.4, every_s=30),
            rest(20 * MINUTE, every_s=30),
        ],
        # 1.12 kW x 8 h = 8.96 kWh into the battery, 1.4 kW x 8 h = 11.2 kWh out of the grid, by default 8.96 / 0.84.
        expected={"charges": 1, "charge_kwh": (8.0, 10.5), "charge_grid_kwh": (9.5, 12.5)},
    ),
    Scenario(
        title="the gateway publishes one phase and three from the same two raw values, of the DC side",
        source="https://github.com/SAIC-iSmart-API/saic-python-mqtt-gateway/issues/230",
        sender=Saic,
        fields=POWER,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE, every_s=30, single_phase_w=0.0, three_phase_w=0.0),
            charge(2 * HOUR, kw=8.68, every_s=30, single_phase_w=8325.0, three_phase_w=4806.4),
            rest(15 * MINUTE, every_s=30, single_phase_w=0.0, three_phase_w=0.0),
        ],
        # The station says 9.75 kW: 19.5 kWh in 2 h. 8.68 kW x 2 h = 17.4 kWh into the battery.
        expected={"charge_kwh": (16, 19), "charge_grid_kwh": (18.5, 20.5)},
    ),
    Scenario(
        title="an OVMS module sends each ten minutes, a burst of a second or two, also while it charges",
        source="https://github.com/openvehicles/Open-Vehicle-Monitoring-System-3/issues/581",
        sender=Ovms,
        fields=(*PLAIN, "charging", "charger_power_kw"),
        soc_pct=40.0,
        life=[
            rest(40 * MINUTE, every_s=10 * MINUTE),
            charge(31 * 10 * MINUTE, kw=6.41, grid_kw=7.2, every_s=10 * MINUTE),
            rest(40 * MINUTE, every_s=10 * MINUTE),
        ],
        # 7.2 kW x 5.17 h = 37.2 kWh of the grid; 6.41 kW x 5.17 h = 33.1 kWh into the battery.
        expected={"charges": 1, "charge_kwh": (30, 36), "charge_grid_kwh": (34, 40)},
    ),
    Scenario(
        title="only the battery is reported, each ten minutes, while the van charges",
        source="https://github.com/jamesremuscat/pyze/issues/28",
        fields=NO_ODOMETER,
        life=[
            rest(3 * MINUTE),
            drive(18),
            rest(6 * MINUTE),
            always(kind="soc", charging=lambda van: van.charging, plugged_in=lambda van: van.plugged_in),
            charge(5 * HOUR, kw=3.2, every_s=10 * MINUTE),
            rest(30 * MINUTE, every_s=10 * MINUTE),
            honest("kind", "charging", "plugged_in"),
            drive(6),
            rest(6 * MINUTE),
        ],
        # 3.2 kW x 5 h = 16.0 kWh; the second drive takes 6 km x 0.25 = 1.5 kWh.
        expected={"charges": 1, "charged_kwh": (14.5, 17.5), "lowest_trip_kwh": (0, 10), "regenerated_kwh": (0, 1)},
    ),
    Scenario(
        title="the odometer has 16 bits and stays at 6553.5 km",
        source="https://github.com/townsmcp/mg-saic-ha/pull/281",
        odometer_km=6551.0,
        life=[
            always(odometer_km=lambda van: min(6553.5, round(van.odometer_km, 1))),
            rest(3 * MINUTE),
            drive(18),
            rest(10 * MINUTE),
            drive(18),
            rest(10 * MINUTE),
        ],
        # Twice 1800 s at 36 km/h.
        expected={"trips": 2, "distance_km": (35, 37), "shortest_trip_km": (17, 19), "used_kwh": (8.2, 10)},
    ),
    Scenario(
        title="the odometer has two sources, one 0.6 km behind",
        source="https://github.com/andreadegiovine/homeassistant-stellantis-vehicles/issues/500",
        odometer_km=12000.3,
        life=[
            rest(3 * MINUTE),
            drive(24, odometer_km=each(4, lambda van: round(van.odometer_km - 0.6, 1), "odometer_km")),
            rest(10 * MINUTE),
        ],
        # 2400 s at 36 km/h.
        expected={"trips": 1, "distance_km": (23.5, 24.5)},
    ),
    Scenario(
        title="one poll in twenty says 'not charging' while the cable stays in and the charge goes on rising",
        source="https://github.com/gndean/home-assistant-hypervolt-charger/issues/112",
        fields=FLAGS,
        soc_pct=40.0,
        life=[
            rest(10 * MINUTE),
            charge(4 * HOUR, kw=11, every_s=MINUTE, unplug=False, charging=each(20, wrong=False, name="charging")),
            rest(20 * MINUTE),
        ],
        # 11 kW x 4 h = 44.0 kWh.
        expected={"charges": 1, "charged_kwh": (42, 46), "alert charge_ended_early": 0},
    ),
    Scenario(
        title="lignite, hard coal and gas are published hours after wind, solar and biomass",
        source="https://github.com/electricitymaps/electricitymaps-contrib/pull/6748",
        fields=(*NO_ODOMETER, "charging"),
        soc_pct=30.0,
        toml='fleet.country = "DE"\nemissions.intensity_file = "{where}/grid.xml"\n',
        files={
            "grid.xml": a75(
                {
                    "B02": (12000, 8),
                    "B05": (6000, 8),
                    "B04": (9000, 8),
                    "B19": (12000, 12),
                    "B16": (2000, 12),
                    "B01": (4500, 12),
                }
            )
        },
        life=[
            unheard(rest(7 * HOUR)),
            rest(10 * MINUTE),
            charge(3 * HOUR, kw=10, every_s=30),
            rest(20 * MINUTE, every_s=30),
        ],
        # Hour 7: (12000 x 820 + 6000 x 820 + 9000 x 490 + 12000 x 11 + 2000 x 45 + 4500 x 230) / 45500 / 0.93 = 482.7.
        # From hour 8 on the mix is incomplete: the annual factor of Germany, 354 g/kWh, and never 73.
        expected={
            Figure("emissions", first, "grid_g_per_kwh", None, 7.2 * HOUR, 7.9 * HOUR): (478, 488),
            Figure("emissions", first, "grid_g_per_kwh", None, 8.2 * HOUR, 9 * HOUR): (300, 500),
            Figure("emissions", first, "intensity_source", None, 8.2 * HOUR, 9 * HOUR): "annual",
            "charge_co2e_g": (11500, 17000),
        },
    ),
    Scenario(
        title="the last kilometre of a drive is reported when the van wakes up again",
        source="https://github.com/teslamotors/fleet-telemetry/issues/384",
        odometer_km=7000.2,
        life=[
            rest(2 * MINUTE),
            drive(11.2),
            drive(0.8, odometer_km=7011.4),
            rest(6 * MINUTE, odometer_km=7011.4),
            silence(10 * HOUR),
            rest(7 * MINUTE),
        ],
        # 1200 s at 36 km/h; over the silence neither place nor charge has changed.
        expected={"trips": 1, "distance_km": (11.8, 12.2), "longest_trip_s": (0, 2000)},
    ),
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.title)
def test_a_reported_fault_leaves_the_figures_right(scenario: Scenario, tmp_path: Path) -> None:
    hold(scenario, tmp_path)
