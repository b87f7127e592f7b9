"""Vans → broker → agent → store, each a real process."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agent.commands.ports import free_port
from tests.servers.agent import Agent, wait_for
from tests.servers.influxdb import FrontEnd, InfluxServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs
from tests.servers.publishing import drive, publish

HOUR_MS = 3_600_000


def an_hour_ago() -> int:
    return time.time_ns() // 1_000_000 - HOUR_MS


def assert_the_drive_is_there(agent: Agent, vehicle_id: str) -> None:
    """What `drive` sends, as the store must hold it: 180 readings and one trip of 6 km."""
    battery = agent.points("battery", vehicle_id=vehicle_id)
    assert len(battery) == 180
    assert battery[0]["soc_pct"] == 80.0
    assert battery[0]["battery_power_kw"] == -0.3
    assert len(agent.points("location", vehicle_id=vehicle_id)) == 180
    (trip,) = agent.points("trip", vehicle_id=vehicle_id)
    assert trip["distance_km"] == pytest.approx(6.0, rel=0.02)
    assert trip["energy_kwh"] == pytest.approx(1.5, rel=0.05)
    assert trip["co2e_g"] > 0
    energy = agent.points("energy", vehicle_id=vehicle_id)
    totals = [point["used_kwh_total"] for point in energy]
    assert totals == sorted(totals)
    assert energy[-1]["distance_km_total"] == pytest.approx(6.0, rel=0.02)
    assert len(energy) <= 181


@needs("mosquitto")
def test_mqtt_5_into_sqlite(tmp_path: Path) -> None:
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
        sent = publish(broker.port, drive("van-1", start_ms=an_hour_ago()))
        agent.wait_processed(sent)
        assert_the_drive_is_there(agent, "van-1")
        assert agent.dead_letters() == []
        assert agent.refusals() == []
        assert agent.stop() == 0


GATEWAY = """
[mqtt]
dialects = ["gateway"]
[dialects.gateway]
topic = "acme/{vehicle_id}/status"
time = {path = "ts", unit = "s"}
[dialects.gateway.fields]
soc_pct = {path = "ev.soc", sentinels = [255]}
battery_power_kw = {path = "ev.p", unit = "W", sign = -1}
latitude_deg = {path = "gps.lat", when = "gps.ok"}
longitude_deg = {path = "gps.lon", when = "gps.ok"}
speed_kmh = {path = "gps.v", unit = "m/s"}
odometer_km = {path = ["can.odo", "odo"], unit = "m"}
"""


@needs("mosquitto")
def test_a_gateway_with_a_format_of_its_own_into_sqlite(tmp_path: Path) -> None:
    messages = [
        (
            "acme/van-1/status",
            {
                "ts": said["time"] / 1000,
                "ev": {"soc": said["soc_pct"], "p": -1000 * said["battery_power_kw"]},
                "gps": {
                    "ok": True,
                    "lat": said["latitude_deg"],
                    "lon": said["longitude_deg"],
                    "v": said["speed_kmh"] / 3.6,
                },
                "odo": round(1000 * said["odometer_km"]),
            },
        )
        for _, said in drive("van-1", start_ms=an_hour_ago())
    ]
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "vanpulse.toml").write_text(GATEWAY)
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url) as agent:
        sent = publish(broker.port, [*messages, ("acme/van-1/status", {"ts": 5})])
        agent.wait_processed(sent)
        assert_the_drive_is_there(agent, "van-1")
        assert [letter.reason for letter in agent.dead_letters()] == ["schema"]
        assert agent.stop() == 0


@needs("mosquitto")
def test_mqtt_3_1_1_into_sqlite(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, mqtt__protocol="3.1.1") as agent,
    ):
        sent = publish(broker.port, drive("van-1", start_ms=an_hour_ago()))
        agent.wait_processed(sent)
        assert_the_drive_is_there(agent, "van-1")
        assert agent.stop() == 0


def test_the_embedded_broker_into_sqlite(tmp_path: Path) -> None:
    port = free_port()
    broker = subprocess.Popen([sys.executable, "-m", "agent.commands.demo_broker", str(port)])
    try:
        settings = {"mqtt__url": f"mqtt://127.0.0.1:{port}", "mqtt__protocol": "3.1.1"}
        with Agent(tmp_path / "agent", **settings) as agent:
            sent = publish(port, drive("van-1", start_ms=an_hour_ago()))
            agent.wait_processed(sent)
            assert_the_drive_is_there(agent, "van-1")
            assert agent.stop() == 0
    finally:
        broker.terminate()
        broker.wait(20)


@needs("mosquitto", "influxd")
async def test_mqtt_5_into_influxdb_read_back_by_influxql(tmp_path: Path) -> None:
    server = InfluxServer().start()
    try:
        server.create_database("fleet")
        async with FrontEnd(server, write_tokens={"secret"}) as front:
            url = front.store_url("fleet")

            def run() -> None:
                with (
                    Mosquitto(tmp_path) as broker,
                    Agent(tmp_path / "agent", mqtt__url=broker.url, store__url=url, store__token="secret") as agent,
                ):
                    sent = publish(broker.port, drive("van-1", start_ms=an_hour_ago()))
                    agent.wait_processed(sent)
                    assert agent.stop() == 0

            await asyncio.to_thread(run)
        (battery,) = server.query('SELECT count("soc_pct") FROM "battery"', "fleet")
        assert battery["values"][0][1] == 180
        (series,) = server.query('SELECT * FROM "trip"', "fleet")
        (trip,) = [dict(zip(series["columns"], values, strict=True)) for values in series["values"]]
        assert trip["distance_km"] == pytest.approx(6.0, rel=0.02)
        assert trip["vehicle_id"] == "van-1"
    finally:
        server.stop()


@needs("mosquitto")
def test_what_a_process_ending_in_order_leaves_behind_is_taken_up(tmp_path: Path) -> None:
    """The same totals whether the agent ran through, was stopped, or was killed in the middle."""
    messages = drive("van-1", start_ms=an_hour_ago())
    with Mosquitto(tmp_path) as broker:
        whole = Agent(tmp_path / "whole", mqtt__url=broker.url, mqtt__client_id="whole")
        cut = Agent(tmp_path / "cut", mqtt__url=broker.url, mqtt__client_id="cut")
        with whole, cut:
            publish(broker.port, messages[:70])
            cut.wait_processed(70)
            assert cut.stop() == 0
            publish(broker.port, messages[70:110])
            cut.start()
            cut.wait_processed(40)
            cut.kill()
            publish(broker.port, messages[110:])
            cut.start()
            cut.wait_processed(70)
            whole.wait_processed(180)
            for measurement in ("battery", "location", "energy", "emissions", "trip", "stop", "alert"):
                assert cut.points(measurement) == whole.points(measurement), measurement


BAD_BETWEEN_GOOD = [
    ("malformed", "vans/bad/telemetry", b"{not json"),
    ("malformed", "vans/bad/soc", b'{"time": 1, "soc_pct": NaN}'),
    ("schema", "vans/bad/soc", b'{"time": 1795000000000, "soc_pct": "50"}'),
    ("schema", "vans/bad/soc", b'{"time": 1795000000000, "soc_pct": true}'),
    ("schema", "vans/bad/location", b'{"time": 1795000000000, "latitude_deg": 52.5}'),
    ("out_of_range", "vans/bad/soc", b'{"time": TIME, "soc_pct": 101}'),
    ("identity_mismatch", "vans/bad/soc", b'{"time": TIME, "soc_pct": 50, "vehicle_id": "other"}'),
    ("unknown_topic", "vans/bad/tyres", b"{}"),
    ("too_old", "vans/bad/soc", b'{"time": 1600000000000, "soc_pct": 50}'),
    ("in_future", "vans/bad/soc", b'{"time": 4000000000000, "soc_pct": 50}'),
    ("oversize", "vans/bad/soc", b" " * 5000),
]


@needs("mosquitto")
def test_each_kind_of_bad_message_between_good_ones(tmp_path: Path) -> None:
    start_ms = an_hour_ago()
    good = drive("van-1", start_ms=start_ms)
    bad = [
        (reason, topic, payload.replace(b"TIME", str(start_ms).encode())) for reason, topic, payload in BAD_BETWEEN_GOOD
    ]
    mixed = list(good)
    for number, (_, topic, payload) in enumerate(bad):
        mixed.insert(number * 15 + 3, (topic, payload))
    with (
        Mosquitto(tmp_path) as broker,
        Agent(tmp_path / "agent", mqtt__url=broker.url, mqtt__max_packet_bytes=4000) as agent,
    ):
        agent.wait_processed(publish(broker.port, mixed))
        assert_the_drive_is_there(agent, "van-1")
        wait_for(lambda: len(agent.dead_letters()) == len(bad), "all dead letters")
        letters = sorted(agent.dead_letters(), key=lambda letter: letter.key)
        assert [letter.reason for letter in letters] == [reason for reason, _, _ in bad]
        for letter, (_, topic, payload) in zip(letters, bad, strict=True):
            assert letter.topic == topic
            assert payload.startswith(letter.payload)
            assert letter.detail
        listed = agent.command("deadletters", "list", "--format", "jsonl").stdout.splitlines()
        assert sorted(json.loads(line)["reason"] for line in listed) == sorted(reason for reason, _, _ in bad)
        metrics = agent.metrics()
        assert metrics["messages_rejected_total"] == len(bad)
        assert metrics["messages_rejected_total{malformed}"] == 2


@needs("mosquitto")
def test_vans_that_the_fleet_file_does_not_name_can_be_refused(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.toml"
    fleet.write_text('[vans.van-1]\ndepot = "north"\ncountry = "SE"\nmodel = "farizon-sv-67"\n')
    settings = {"fleet__file": fleet, "fleet__unknown_vehicles": "reject"}
    with Mosquitto(tmp_path) as broker, Agent(tmp_path / "agent", mqtt__url=broker.url, **settings) as agent:
        time_ms = an_hour_ago()
        reading = {"time": time_ms, "soc_pct": 50.0}
        publish(broker.port, [("vans/van-1/soc", reading), ("vans/stranger/soc", reading)])
        agent.wait_processed(2)
        (point,) = agent.points("battery")
        assert point["vehicle_id"] == "van-1"
        assert point["depot"] == "north"
        assert point["country"] == "SE"
        (letter,) = wait_for(agent.dead_letters, "the dead letter")
        assert letter.reason == "unknown_vehicle"


@needs("mosquitto")
def test_refused_credentials_are_said_in_words_and_tried_again(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users={"agent": "right"}) as broker:
        settings = {"mqtt__url": broker.url, "mqtt__username": "agent", "mqtt__password": "wrong"}
        agent = Agent(tmp_path / "agent", **settings)
        agent.start(wait=False)
        try:
            status, text = wait_for(lambda: (got := agent.get("/readyz"))[0] and got, "the health endpoint")
            assert status == 503
            wait_for(lambda: "not authorized" in agent.get("/readyz")[1].lower(), "the reason in words")
            assert "wrong" not in agent.log
            assert agent.returncode is None
            assert agent.get("/healthz")[0] == 200
        finally:
            agent.kill()
        assert "reasons" in text


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"mqtt__receive_maximum": "0"}, "mqtt.receive_maximum"),
        ({"mqtt__url": "http://example.org"}, "mqtt.url"),
        ({"store__url": "postgres://"}, "store.url"),
        ({"fleet__file": "/nonexistent/fleet.toml"}, "fleet.file"),
        ({"fleet__country": "XX"}, "XX"),
        ({"emissions__factor_set": "none"}, "none"),
        ({"mqtt__colour": "red"}, "mqtt.colour"),
        ({"http__listen": "nowhere"}, "http.listen"),
    ],
)
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    agent = Agent(tmp_path / "agent", **settings)
    result = agent.command("run", check=False)
    assert result.returncode == 2
    assert named in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert "Traceback" not in result.stderr
