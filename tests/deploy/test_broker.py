"""The stack's broker configuration in a real Mosquitto, with the passwords and rights of the stack."""

import asyncio
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiomqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from agent.commands.ports import free_port
from tests.deploy.stack import ROOT, SERVICES, contents, hand_out
from tests.servers.agent import wait_for
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import find_program, needs


class Stack(Mosquitto):
    """A real Mosquitto with the stack's configuration; only paths, port and user are those of the test."""

    def __init__(self, directory: Path, auth: Path) -> None:
        super().__init__(directory)
        text = (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(encoding="utf-8")
        data = self.directory / "data"
        data.mkdir()
        for before, after in [
            ("/run/auth", str(auth)),
            ("/mosquitto/data/", f"{data}/"),
            ("/mosquitto/config/conf.d", str(ROOT / "deploy/mosquitto/conf.d")),
            ("listener 1883", f"listener {self.port} 127.0.0.1"),
        ]:
            assert before in text
            text = text.replace(before, after)
        if os.geteuid() == 0:
            text = f"user root\n{text}"
        self._config_file.write_text(text)
        self.passwords: dict[str, str] = {}

    def client(self, user: str, **options: Any) -> aiomqtt.Client:
        return aiomqtt.Client(
            "127.0.0.1",
            self.port,
            username=user,
            password=self.passwords.get(user, "wrong"),
            protocol=aiomqtt.ProtocolVersion.V5,
            **options,
        )


@pytest.fixture
def broker(generated: Path, tmp_path: Path) -> Iterator[Stack]:
    auth = tmp_path / "auth"
    hand_out.hand_out_secrets(generated, auth, ROOT / "deploy/mosquitto/acl")
    stack = Stack(tmp_path, auth)
    secrets = contents(generated)
    stack.passwords = {name.removeprefix("mqtt_"): text for name, text in secrets.items() if name.startswith("mqtt_")}
    stack.passwords |= {name.removeprefix("vans/"): text for name, text in secrets.items() if name.startswith("vans/")}
    with stack:
        yield stack


async def received(broker: Stack, user: str, filters: list[str], publish: list[tuple[str, str]]) -> list[str]:
    """The topics that reach `user`'s subscriptions when others publish (user, topic); then a last one ends it."""
    async with broker.client(user) as listener, broker.client("simulator") as simulator:
        for each in filters:
            await listener.subscribe(each, qos=1)
        for sender, topic in publish:
            async with broker.client(sender) as client:
                await client.publish(topic, b"{}", qos=1)
        await simulator.publish("vans/last/soc", b"{}", qos=1)
        found = []
        async for message in listener.messages:
            if message.topic.matches("vans/last/soc"):
                break
            found.append(str(message.topic))
        return found


@needs("mosquitto")
async def test_a_van_writes_its_own_topics_and_nothing_else(broker: Stack) -> None:
    topics = await received(
        broker,
        "agent",
        ["vans/#"],
        [
            ("van-1", "vans/van-1/telemetry"),
            ("van-1", "vans/van-2/telemetry"),
            ("van-1", "vans-alerts/van-1"),
            ("van-2", "vans/van-2/soc"),
            ("van-2", "vans/van-1/soc"),
            ("van-2", "other/van-2"),
            ("simulator", "vans/van-1/load"),
        ],
    )
    assert topics == ["vans/van-1/telemetry", "vans/van-2/soc", "vans/van-1/load"]


@needs("mosquitto")
async def test_a_van_reads_its_own_alerts_and_no_vans(broker: Stack) -> None:
    async with broker.client("van-1") as van, broker.client("agent") as agent:
        for each in ("vans-alerts/#", "vans-alerts/van-1", "vans/#"):
            await van.subscribe(each, qos=1)
        await agent.publish("vans-alerts/van-2", b"other", qos=1)
        async with broker.client("van-2") as other:
            await other.publish("vans/van-2/soc", b"other", qos=1)
        await agent.publish("vans-alerts/van-1", b"own", qos=1)
        first = await anext(aiter(van.messages))
        assert (str(first.topic), first.payload) == ("vans-alerts/van-1", b"own")


@needs("mosquitto")
@pytest.mark.parametrize("user", ["nobody", ""])
async def test_strangers_are_refused(broker: Stack, user: str) -> None:
    with pytest.raises(aiomqtt.MqttError):
        async with broker.client(user):
            pass


@needs("mosquitto")
async def test_a_wrong_password_is_refused(broker: Stack) -> None:
    broker.passwords["van-1"] = broker.passwords["van-2"]
    with pytest.raises(aiomqtt.MqttError):
        async with broker.client("van-1"):
            pass


@needs("mosquitto")
async def test_the_health_check_of_the_stack_works(broker: Stack) -> None:
    program = find_program("mosquitto_sub")
    if program is None:
        pytest.skip("mosquitto_sub missing: apt-get install mosquitto-clients")
    check = SERVICES["mosquitto"]["healthcheck"]["test"][1].replace("$$", "$")
    assert "-t '$SYS/broker/uptime' -C 1" in check
    arguments = ["-h", "127.0.0.1", "-p", str(broker.port), "-u", "health", "-P", broker.passwords["health"]]
    process = await asyncio.create_subprocess_exec(
        program, *arguments, "-t", "$SYS/broker/uptime", "-C", "1", "-W", "15", stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    assert b"seconds" in output


@needs("mosquitto")
async def test_the_queue_survives_a_restart_of_the_broker(broker: Stack) -> None:
    """More than the default 1000 messages wait for the absent agent, and for the restarted broker."""
    count = 1500
    session = {"identifier": "vanpulse", "clean_start": False}
    properties = Properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = 3600
    async with broker.client("agent", properties=properties, **session) as agent:
        await agent.subscribe("vans/#", qos=1)
    async with broker.client("simulator") as simulator:
        for number in range(count):
            await simulator.publish("vans/van-1/soc", str(number).encode(), qos=1)
    await asyncio.to_thread(broker.restart)
    numbers = []
    async with broker.client("agent", properties=properties, **session) as agent:
        async for message in agent.messages:
            assert isinstance(message.payload, bytes)
            numbers.append(int(message.payload))
            if len(numbers) == count:
                break
    assert numbers == list(range(count))


@needs("mosquitto", "openssl")
def test_the_tls_listener_that_is_shipped_as_an_example_starts(tmp_path: Path) -> None:
    key, certificate = tmp_path / "server.key", tmp_path / "server.crt"
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    command = ["openssl", "req", "-x509", *curve, "-nodes", "-days", "1", "-subj", "/CN=localhost", *files]
    subprocess.run(command, check=True, capture_output=True)
    text = (ROOT / "deploy/mosquitto/conf.d/tls.conf.example").read_text(encoding="utf-8")
    text = text.replace("/mosquitto/config/tls/server.crt", str(certificate))
    text = text.replace("/mosquitto/config/tls/server.key", str(key))
    tls_port = free_port()
    text = text.replace("listener 8883", f"listener {tls_port} 127.0.0.1")
    with Mosquitto(tmp_path, extra=text) as broker:
        wait_for(lambda: f"port {tls_port}" in broker.log, "the second listener")
