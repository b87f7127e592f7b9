"""The pages of mappings and presets: each example gives what its page says. And what presets must not believe."""

import json
import re
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.mapping.quick import UnusualPayload
from agent.dialects.mapping.settings import MappingSettings
from agent.dialects.presets import PRESETS, with_preset
from agent.errors import Rejected
from agent.readings import Reading
from tests.dialects.mapping.mappings import NOW_MS, fields_of, told
from tests.test_docs import table_after

ROOT = Path(__file__).parents[3]
PAGES = {name: f"docs/dialects-{name}.md" for name in ("mapping", *PRESETS)}


def blocks(text: str, kind: str) -> list[str]:
    return re.findall(rf"^```{kind}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def decoder_of_settings(toml: str) -> Decoder:
    content = tomllib.loads(toml)
    tables = {
        name: MappingSettings.model_validate(with_preset(name, table))
        for name, table in content.get("dialects", {}).items()
    }
    return Decoder(make_dialects(content["mqtt"]["dialects"], mappings=tables))


def expected_of(text: str, heading: str) -> dict[str, Any]:
    rows = {row[0].strip("`"): row[1] for row in table_after(text, heading)}
    time_ms = round(datetime.fromisoformat(rows.pop("time")).timestamp() * 1000)
    vehicle_id = rows.pop("vehicle_id")
    return {"vehicle_id": vehicle_id, "time_ms": time_ms} | {name: json.loads(value) for name, value in rows.items()}


def shown(reading: Any) -> dict[str, Any]:
    assert isinstance(reading, Reading), reading
    return {"vehicle_id": reading.vehicle_id, "time_ms": reading.time_ms} | fields_of(reading)


@pytest.mark.parametrize("name", PAGES)
def test_the_example_of_a_page(name: str) -> None:
    text = (ROOT / PAGES[name]).read_text(encoding="utf-8")
    decoder = decoder_of_settings(blocks(text, "toml")[0])
    (topic,) = re.findall(r"^Topic `([^`]+)`$", text, re.MULTILINE)
    (payload,) = blocks(text, "json")
    (reading,) = told(decoder, topic, payload.encode())
    # A converted number may differ in its last digit.
    assert shown(reading) == pytest.approx(expected_of(text, "## Example" if name in PRESETS else "Topic `acme"))


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_settings_is_accepted(name: str) -> None:
    text = (ROOT / PAGES[name]).read_text(encoding="utf-8")
    for block in blocks(text, "toml"):
        content = tomllib.loads(block)
        dialects = list(content.get("dialects", {}))
        if dialects:
            decoder_of_settings(block if "mqtt" in content else f"mqtt.dialects = {json.dumps(dialects)}\n{block}")


@pytest.mark.parametrize("name", PRESETS)
def test_an_example_takes_the_quick_way_once_its_van_is_known(name: str) -> None:
    text = (ROOT / PAGES[name]).read_text(encoding="utf-8")
    decoder = decoder_of_settings(f'mqtt.dialects = ["{name}"]')
    (topic,) = re.findall(r"^Topic `([^`]+)`$", text, re.MULTILINE)
    (payload,) = blocks(text, "json")
    (plain,) = told(decoder, topic, payload.encode())
    place = decoder.dialects[0].place_of(topic)  # type: ignore[attr-defined]
    try:
        (quick,) = place.quick(payload.encode(), place.vehicle_id, NOW_MS, False)
    except UnusualPayload:
        pytest.fail("the example has to be read in the plain way")
    assert quick == plain


def preset(name: str, **fields: str) -> Decoder:
    lines = "".join(f"dialects.{name}.fields.{key} = {source}\n" for key, source in fields.items())
    return decoder_of_settings(f'mqtt.dialects = ["{name}"]\n{lines}')


TRACCAR: dict[str, Any] = {
    "position": {
        "fixTime": "2026-03-09T14:05:30.000+00:00",
        "valid": True,
        "outdated": False,
        "latitude": 52.5,
        "longitude": 13.4,
        "speed": 10.0,
        "attributes": {"obdOdometer": 5000, "batteryLevel": 62},
    },
    "device": {"uniqueId": "van-7"},
}


def traccar(**position: Any) -> dict[str, Any]:
    return TRACCAR | {"position": TRACCAR["position"] | position}


@pytest.mark.parametrize(
    ("title", "message", "expected"),
    [
        ("a valid position", traccar(), {"latitude_deg": 52.5, "longitude_deg": 13.4, "speed_kmh": 18.52}),
        ("an invalid one", traccar(valid=False), {}),
        ("an outdated one", traccar(outdated=True), {}),
    ],
)
def test_traccar_uses_valid_positions_only(title: str, message: dict[str, Any], expected: dict[str, float]) -> None:
    (reading,) = told(preset("traccar"), "positions", message)
    assert fields_of(reading) == pytest.approx(expected | {"odometer_km": 5.0}), title


def test_a_van_without_a_fix_is_heard_at_the_time_of_its_message() -> None:
    """In a garage Traccar repeats the last fix, with its time. Such a van may charge for hours."""
    message = traccar(outdated=True, fixTime="2026-03-09T12:05:30Z", deviceTime="2026-03-09T14:05:30Z")
    (reading,) = told(preset("traccar"), "positions", message)
    assert isinstance(reading, Reading)
    assert reading.time_ms == 1_773_065_130_000


def test_a_battery_level_of_traccar_counts_if_the_fleet_says_so() -> None:
    decoder = preset("traccar", soc_pct='{path = "position.attributes.batteryLevel"}', speed_kmh="false")
    (reading,) = told(decoder, "positions", traccar())
    assert fields_of(reading) == {"latitude_deg": 52.5, "longitude_deg": 13.4, "odometer_km": 5.0, "soc_pct": 62.0}


def flespi(**known: Any) -> dict[str, Any]:
    names = {"level": "can.vehicle.battery.level", "ignition": "engine.ignition.status", "mileage": "vehicle.mileage"}
    return {"ident": "van-7", "timestamp": 1_773_065_130} | {names[key]: value for key, value in known.items()}


@pytest.mark.parametrize(
    ("title", "message", "soc_pct"),
    [
        ("awake", flespi(level=62, ignition=True), 62.0),
        ("parked, but the bus is awake", flespi(level=62, ignition=False), 62.0),
        ("the bus sleeps", flespi(level=0, ignition=False, mileage=5), None),
        ("ignition unknown", flespi(level=0, mileage=5), None),
        ("empty", flespi(level=0, ignition=True), 0.0),
    ],
)
def test_zero_of_a_sleeping_bus_is_unknown_with_flespi(
    title: str, message: dict[str, Any], soc_pct: float | None
) -> None:
    (reading,) = told(preset("flespi"), "flespi/message/gw/devices/1", message)
    assert isinstance(reading, Reading)
    assert reading.soc_pct == soc_pct, title


@pytest.mark.parametrize(
    ("title", "reported", "soc_pct"),
    [
        ("awake", {"411": 62, "239": 1}, 62.0),
        ("charging, ignition off", {"411": 62, "239": 0}, 62.0),
        ("the bus sleeps", {"411": 0, "239": 0}, None),
        ("empty", {"411": 0, "239": 1}, 0.0),
        ("of another family", {"10882": 62}, 62.0),
        ("the bus of one sleeps, the other one has its last value", {"411": 0, "10882": 57, "239": 0}, None),
    ],
)
def test_zero_of_a_sleeping_bus_is_unknown_with_teltonika(title: str, reported: Any, soc_pct: float | None) -> None:
    message = {"state": {"reported": {"ts": NOW_MS, "389": 5, **reported}}}
    (reading,) = told(preset("teltonika"), "van-7/data", message)
    assert isinstance(reading, Reading)
    assert reading.soc_pct == soc_pct, title


def test_teltonika_without_satellites_has_no_position() -> None:
    message = {
        "state": {"reported": {"ts": NOW_MS, "latlng": "0.000000,0.000000", "sat": 0, "sp": 0, "ang": 0, "411": 62}}
    }
    (reading,) = told(preset("teltonika"), "van-7/data", message)
    assert fields_of(reading) == {"soc_pct": 62.0}


def test_owntracks_messages_of_other_types_are_ignored() -> None:
    for message in ({"_type": "lwt", "tst": 1}, {"_type": "encrypted", "data": "x"}, {"lat": 5, "lon": 5, "tst": 1}):
        assert told(preset("owntracks"), "owntracks/van-7/phone", message) == []


def test_owntracks_speeds_that_are_unknown() -> None:
    message = {"_type": "location", "tst": NOW_MS // 1000, "lat": 5.0, "lon": 6.0, "vel": -1, "cog": -1, "batt": 50}
    (reading,) = told(preset("owntracks"), "owntracks/van-7/phone", message)
    assert fields_of(reading) == {"latitude_deg": 5.0, "longitude_deg": 6.0}
    assert isinstance(reading, Reading)
    assert reading.vehicle_id == "van-7"


def test_a_preset_under_another_name() -> None:
    decoder = decoder_of_settings(
        'mqtt.dialects = ["north"]\ndialects.north = {preset = "traccar", topic = "tracker/{vehicle_id}"}'
    )
    (reading,) = told(decoder, "tracker/van-8", traccar())
    assert isinstance(reading, Reading)
    assert reading.vehicle_id == "van-8"
    (refused,) = told(decoder, "positions", traccar())
    assert isinstance(refused, Rejected)
    assert refused.reason == "unknown_topic"


def test_the_gateway_of_the_readme() -> None:
    readme = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "toml")
    (block,) = [block for block in readme if "[dialects.gateway]" in block]
    assert len(block.splitlines()) == 10
    message = {
        "ts": 1_773_065_130,
        "ev": {"soc": 62.5, "p": 18_500},
        "gps": {"ok": True, "lat": 52.5, "lon": 13.4, "v": 25},
    }
    (reading,) = told(decoder_of_settings(block), "acme/van-007/status", message)
    assert shown(reading) == pytest.approx(
        {
            "vehicle_id": "van-007",
            "time_ms": 1_773_065_130_000,
            "soc_pct": 62.5,
            "battery_power_kw": -18.5,
            "latitude_deg": 52.5,
            "longitude_deg": 13.4,
            "speed_kmh": 25 * 1.609344,
        }
    )
