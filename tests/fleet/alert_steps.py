"""Steps in the life of a van, and the alerts that they raise and clear."""

import json

from agent.fleet.alert_kinds import SEVERITY, AlertLimits
from agent.fleet.alert_state import AlertInputs, AlertsState
from agent.fleet.alerts import raise_and_clear
from agent.geofence_file import parse_places

LIMITS = AlertLimits()
MINUTE = 60_000
START = 1_750_000_000_000
PLACES = parse_places(
    json.dumps(
        {
            "type": "FeatureCollection",
            "features": [
                {
                    "type": "Feature",
                    "properties": {"name": name, "kind": kind, "radius_m": radius},
                    "geometry": {"type": "Point", "coordinates": [longitude, 48.0]},
                }
                for name, kind, longitude, radius in (
                    ("home", "depot", 11.0, 200),
                    ("centre", "zone", 11.1, 2000),
                    ("shop", "customer", 11.1, 50),
                )
            ],
        }
    )
)


def looks(*steps):
    """Looks from (minute, {what changed}); what is not changed stays."""
    known = {"vehicle_id": "van-1", "depot": "home", "state": "driving", "places": ()}
    for minute, change in steps:
        known |= change
        yield AlertInputs(time_ms=START + round(minute * MINUTE), **known)


def play(*steps, limits=LIMITS, places=PLACES):
    """What was raised (+) and cleared (-), with the minute."""
    state = AlertsState()
    said = []
    for inputs in looks(*steps):
        for record in raise_and_clear(state, limits, inputs, places):
            sign = "+" if record.state == "raised" else "-"
            said.append(f"{(inputs.time_ms - START) // MINUTE}{sign}{record.kind}")
            assert record.severity == SEVERITY[record.kind]
            assert record.message.startswith("van-1: ")
            assert "None" not in record.message
    return said
