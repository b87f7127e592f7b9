import json

from agent.fleet.alert_state import AlertsState, active_payload
from agent.fleet.alerts import raise_and_clear
from tests.fleet.alert_steps import LIMITS, MINUTE, PLACES, START, looks


def test_records_of_one_moment_have_times_of_their_own():
    state = AlertsState()
    (inputs,) = looks((5, {"soc_pct": 5, "battery_temp_c": 60, "range_km": 1, "home_km": 50}))
    times = [record.time_ms for record in raise_and_clear(state, LIMITS, inputs, PLACES)]
    assert times == [START + 5 * MINUTE + i for i in range(4)]


def test_the_payload_is_retained_until_all_is_well():
    state = AlertsState()
    first, second, third = looks((1, {"soc_pct": 5}), (2, {"soc_pct": 15}), (3, {"soc_pct": 60}))
    assert active_payload("van-1", state) == b""
    raise_and_clear(state, LIMITS, first, PLACES)
    payload = json.loads(active_payload("van-1", state))
    assert payload == {
        "vehicle_id": "van-1",
        "time_ms": START + MINUTE + 1,
        "alerts": [
            {
                "kind": "soc_low",
                "severity": "warning",
                "since_ms": START + MINUTE,
                "message": "van-1: state of charge is low: 5 %",
                "value": 5,
            },
            {
                "kind": "soc_critical",
                "severity": "critical",
                "since_ms": START + MINUTE,
                "message": "van-1: state of charge is critical: 5 %",
                "value": 5,
            },
        ],
    }
    raise_and_clear(state, LIMITS, second, PLACES)
    assert [alert["kind"] for alert in json.loads(active_payload("van-1", state))["alerts"]] == ["soc_low"]
    raise_and_clear(state, LIMITS, third, PLACES)
    assert active_payload("van-1", state) == b""


def test_the_payload_names_the_place():
    state = AlertsState()
    for inputs in looks((0, {}), (1, {"places": ("centre",)}), (2, {})):
        raise_and_clear(state, LIMITS, inputs, PLACES)
    (alert,) = json.loads(active_payload("van-1", state))["alerts"]
    assert alert["place"] == "centre"
    assert alert["message"] == "van-1: entered centre"
