import pytest

from agent.fleet.alert_kinds import MESSAGES, SEVERITY, AlertLimits
from agent.fleet.alert_state import AlertsState
from agent.fleet.alerts import raise_and_clear
from agent.geofence_file import parse_places
from tests.fleet.alert_steps import LIMITS, MINUTE, PLACES, START, looks, play

HOME = {"places": ("home",), "state": "parked"}


@pytest.mark.parametrize(
    ("title", "steps", "said"),
    [
        (
            "SoC low, then critical, cleared with hysteresis while charging",
            [
                (0, {"soc_pct": 30}),
                (10, {"soc_pct": 19}),
                (20, {"soc_pct": 21}),
                (30, {"soc_pct": 9}),
                (40, {}),
                (50, {"soc_pct": 12}),
                (60, {"soc_pct": 13}),
                (70, {"soc_pct": 24}),
                (80, {"soc_pct": 25}),
            ],
            ["10+soc_low", "30+soc_critical", "60-soc_critical", "80-soc_low"],
        ),
        ("SoC at the limit is not low", [(0, {"soc_pct": 20.0})], []),
        ("SoC not known", [(0, {"soc_pct": None})], []),
        (
            "range short of home, and again long enough",
            [
                (0, {"range_km": 40, "home_km": 20}),
                (1, {"range_km": 30.9}),
                (2, {"range_km": 33}),
                (3, {"range_km": 36}),
            ],
            ["1+range_short_of_home", "3-range_short_of_home"],
        ),
        (
            "range short of home, ended by arriving",
            [(0, {"range_km": 10, "home_km": 20}), (1, {"range_km": 3, "home_km": 0.1, "places": ("home",)}), (2, {})],
            ["0+range_short_of_home", "1-range_short_of_home", "2+geofence_entered"],
        ),
        ("range with an unknown way home", [(0, {"range_km": 1, "home_km": None})], []),
        (
            "parked at its depot without a cable, then plugged in",
            [(0, HOME | {"plugged_in": False}), (29, {}), (30, {}), (31, {}), (40, {"plugged_in": True})],
            ["30+not_plugged_in", "40-not_plugged_in"],
        ),
        (
            "the same, ended by charging",
            [(0, HOME | {"plugged_in": False}), (30, {}), (40, {"state": "charging"})],
            ["30+not_plugged_in", "40-not_plugged_in"],
        ),
        (
            "the same, ended by leaving",
            [(0, HOME | {"plugged_in": False}), (30, {}), (40, {"state": "driving"})],
            ["30+not_plugged_in", "40-not_plugged_in"],
        ),
        (
            "asleep in its depot without a cable",
            [(0, HOME | {"plugged_in": False}), (15, {"state": "offline"}), (30, {})],
            ["30+not_plugged_in"],
        ),
        ("a short visit", [(0, HOME | {"plugged_in": False}), (20, {"state": "driving"}), (21, HOME), (40, {})], []),
        ("parked elsewhere", [(0, {"state": "parked", "plugged_in": False}), (60, {})], []),
        (
            "a van that does not report its cable, not full",
            [(0, HOME | {"soc_pct": 60}), (30, {})],
            ["30+not_plugged_in"],
        ),
        ("a van that does not report its cable, full", [(0, HOME | {"soc_pct": 85}), (60, {})], []),
        ("nothing known of cable and SoC", [(0, HOME), (60, {})], []),
        (
            "a charge that ended early, and went on",
            [
                (0, {"state": "charging", "soc_pct": 50, "plugged_in": True}),
                (9, {"state": "parked"}),
                (12, {"state": "charging"}),
            ],
            ["9+charge_ended_early", "12-charge_ended_early"],
        ),
        (
            "a charge that ended early, and the van drove off",
            [(0, {"state": "charging", "soc_pct": 50}), (9, {"state": "parked"}), (12, {"state": "driving"})],
            ["9+charge_ended_early", "12-charge_ended_early"],
        ),
        ("a charge that reached its target", [(0, {"state": "charging", "soc_pct": 80}), (9, {"state": "parked"})], []),
        (
            "a charge that somebody ended",
            [(0, {"state": "charging", "soc_pct": 50}), (9, {"state": "parked", "plugged_in": False})],
            [],
        ),
        ("a charge ended by driving off", [(0, {"state": "charging", "soc_pct": 50}), (9, {"state": "driving"})], []),
        (
            "silent on a trip",
            [(0, {}), (15, {"state": "offline"}), (30, {}), (31, {"state": "driving"})],
            ["15+offline_on_duty", "31-offline_on_duty"],
        ),
        (
            "silent at a customer",
            [(0, {"state": "parked"}), (15, {"state": "offline"}), (31, {"state": "parked"})],
            ["15+offline_on_duty", "31-offline_on_duty"],
        ),
        (
            "asleep at a customer, waking up each hour",
            [
                (0, {"state": "parked"}),
                (15, {"state": "offline"}),
                (60, {"state": "parked"}),
                (75, {"state": "offline"}),
                (120, {"state": "parked"}),
                (135, {"state": "offline"}),
                (150, {"state": "driving"}),
                (165, {"state": "offline"}),
            ],
            ["15+offline_on_duty", "60-offline_on_duty", "165+offline_on_duty"],
        ),
        (
            "short of home on the border of its depot",
            [
                (0, {"range_km": 2, "home_km": 0.2}),
                (1, {"places": ("home",)}),
                (2, {"places": ()}),
                (3, {"places": ("home",)}),
                (4, {"places": ()}),
                (5, {"places": ("home",)}),
            ],
            ["0+range_short_of_home", "1-range_short_of_home"],
        ),
        (
            "in its depot without a cable, on its border",
            [
                (0, HOME | {"plugged_in": False}),
                (30, {}),
                (31, {"places": ()}),
                (32, {"places": ("home",)}),
                (33, {"places": ()}),
                (34, {"places": ("home",)}),
                (90, {}),
            ],
            ["30+not_plugged_in"],
        ),
        ("silent at its depot", [(0, HOME), (15, {"state": "offline"}), (31, {"state": "parked"})], []),
        (
            "silent when parked, where its depot is not known",
            [(0, {"state": "parked", "depot": "nowhere"}), (15, {"state": "offline"})],
            [],
        ),
        (
            "a sudden drop stays for half an hour",
            [(0, {"soc_pct": 60}), (1, {"soc_pct": 50}), (2, {}), (30, {}), (31, {})],
            ["1+soc_drop", "31-soc_drop"],
        ),
        (
            "a sudden drop, ended by charging",
            [(0, {"soc_pct": 60}), (1, {"soc_pct": 50}), (2, {"state": "charging"})],
            ["1+soc_drop", "2-soc_drop"],
        ),
        ("a fast drive", [(0, {"soc_pct": 60}), (5, {"soc_pct": 46})], []),
        ("a fall over a long silence", [(0, {"soc_pct": 60}), (31, {"soc_pct": 21})], []),
        (
            "looking again does not make a fall sudden",
            [
                (0, {"soc_pct": 60, "soc_time_ms": START}),
                (30, {}),
                (40, {"soc_pct": 45, "soc_time_ms": START + 40 * MINUTE}),
            ],
            [],
        ),
        (
            "hot, with hysteresis",
            [
                (0, {"battery_temp_c": 45}),
                (1, {"battery_temp_c": 45.1}),
                (2, {"battery_temp_c": 42}),
                (3, {"battery_temp_c": 41.9}),
            ],
            ["1+battery_hot", "3-battery_hot"],
        ),
        (
            "a temperature that hovers about the limit",
            [(minute, {"battery_temp_c": 45.0 + (minute % 5 - 2)}) for minute in range(30)],
            ["3+battery_hot"],
        ),
        (
            "cold, with hysteresis",
            [
                (0, {"battery_temp_c": -10}),
                (1, {"battery_temp_c": -11}),
                (2, {"battery_temp_c": -7}),
                (3, {"battery_temp_c": -6}),
            ],
            ["1+battery_cold", "3-battery_cold"],
        ),
        (
            "into a zone and out of it",
            [(0, {"places": ()}), (1, {"places": ("centre",)}), (2, {}), (10, {"places": ()}), (11, {}), (41, {})],
            ["2+geofence_entered", "11-geofence_entered", "11+geofence_left", "41-geofence_left"],
        ),
        (
            "back into a zone just left",
            [(0, {"places": ("centre",)}), (1, {"places": ()}), (2, {}), (3, {"places": ("centre",)}), (4, {})],
            ["2+geofence_left", "4-geofence_left", "4+geofence_entered"],
        ),
        ("being in a zone from the beginning is not entering", [(0, {"places": ("centre",)}), (1, {})], []),
        ("one check across a border", [(0, {}), (1, {"places": ("centre",)}), (2, {"places": ()}), (3, {})], []),
        (
            "jumping between two zones",
            [(0, {}), (1, {"places": ("centre",)}), (2, HOME), (3, {"places": ("centre",)})],
            [],
        ),
        (
            "customers are not reported",
            [(0, {}), (1, {"places": ("shop",)}), (2, {}), (3, {"places": ()}), (4, {})],
            [],
        ),
        (
            "a customer within a zone",
            [(0, {"places": ("centre",)}), (1, {"places": ("shop", "centre")}), (2, {}), (3, {"places": ("centre",)})],
            [],
        ),
        (
            "positions refused again and again, then good for ten minutes",
            [
                (0, {"position_refusals": 1}),
                (1, {"position_refusals": 2}),
                (2, {"position_refusals": 3}),
                (5, {"position_refusals": 4}),
                (14, {}),
                (15, {}),
            ],
            ["2+position_implausible", "15-position_implausible"],
        ),
        (
            "positions refused once in a while",
            [(0, {"position_refusals": 2}), (11, {"position_refusals": 4}), (22, {"position_refusals": 6})],
            [],
        ),
        (
            "states of charge refused",
            [(0, {"soc_refusals": 3}), (9, {}), (10, {})],
            ["0+soc_implausible", "10-soc_implausible"],
        ),
        (
            "odometer readings refused",
            [(0, {"odometer_refusals": 3}), (9, {}), (10, {})],
            ["0+odometer_implausible", "10-odometer_implausible"],
        ),
        (
            "powers refused",
            [(0, {"power_refusals": 3}), (9, {}), (10, {})],
            ["0+power_implausible", "10-power_implausible"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_scenario(title, steps, said):
    assert play(*steps) == said


def test_every_kind_has_a_scenario_a_severity_and_words():
    (cases,) = (mark.args[1] for mark in test_scenario.pytestmark if mark.name == "parametrize")
    raised = {word.split("+")[1] for _, _, said in cases for word in said if "+" in word}
    assert raised == set(SEVERITY) == set(MESSAGES)


def test_limits_are_free_to_choose():
    assert play((0, {"soc_pct": 40}), limits=AlertLimits(soc_low_pct=50)) == ["0+soc_low"]


def test_a_place_that_is_no_longer_drawn_is_left_without_a_word():
    state = AlertsState()
    steps = [(0, {}), (1, {"places": ("centre",)}), (2, {})]
    for inputs in looks(*steps):
        raise_and_clear(state, LIMITS, inputs, PLACES)
    empty = parse_places(None)
    records = [record for inputs in looks((3, {}), (4, {})) for record in raise_and_clear(state, LIMITS, inputs, empty)]
    assert [(record.kind, record.state) for record in records] == [("geofence_entered", "cleared")]
