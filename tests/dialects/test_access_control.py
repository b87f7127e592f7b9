"""The broker's rights as deployed: the topic's vehicle is the user that the broker knows."""

import asyncio
from pathlib import Path

import aiomqtt
import pytest

from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

ACL = Path(__file__).parents[2] / "deploy" / "mosquitto" / "acl"
USERS = {"agent": "a", "van-007": "b", "van-008": "c"}
ALLOWED = {"van-007": "vans/van-007/soc", "van-008": "vans/van-008/soc"}
REFUSED = [
    ("van-007", "vans/van-008/soc"),
    ("van-007", "vans/soc"),
    ("van-007", "gbt32960/LTESTVAN000000001/upstream/info"),
    ("van-007", "vans-alerts/van-008"),
    ("agent", "vans/van-007/soc"),
]


def client(broker: Mosquitto, user: str) -> aiomqtt.Client:
    return aiomqtt.Client("127.0.0.1", broker.port, username=user, password=USERS[user])


@needs("mosquitto", "mosquitto_passwd")
async def test_a_van_writes_under_its_own_name_only(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users=USERS, acl=ACL.read_text()) as broker:
        async with client(broker, "agent") as agent:
            await agent.subscribe("vans/#", qos=1)
            for user, topic in REFUSED:
                async with client(broker, user) as sender:
                    await sender.publish(topic, b"{}", qos=1)
            for user, topic in ALLOWED.items():
                async with client(broker, user) as sender:
                    await sender.publish(topic, user.encode(), qos=1)
            arrived = []
            async with asyncio.timeout(20):
                async for message in agent.messages:
                    arrived.append((message.payload.decode(), str(message.topic)))
                    if len(arrived) == len(ALLOWED):
                        break
        # Everything refused was published before: had it passed, it would have arrived first.
        assert dict(arrived) == ALLOWED


@needs("mosquitto", "mosquitto_passwd")
async def test_a_van_hears_nothing_of_the_others(tmp_path: Path) -> None:
    with Mosquitto(tmp_path, users=USERS, acl=ACL.read_text()) as broker:
        async with (
            client(broker, "van-007") as curious,
            client(broker, "van-008") as sender,
            client(broker, "agent") as agent,
        ):
            await curious.subscribe("#", qos=1)
            await sender.publish("vans/van-008/soc", b"{}", qos=1)
            await agent.publish("vans-alerts/van-008", b"{}", qos=1)
            await agent.publish("vans-alerts/van-007", b"mine", qos=1)
            async with asyncio.timeout(20):
                message = await anext(aiter(curious.messages))
        assert (str(message.topic), message.payload) == ("vans-alerts/van-007", b"mine")


@needs("mosquitto", "mosquitto_passwd")
@pytest.mark.parametrize("password", ["wrong", ""])
async def test_no_password_no_entry(tmp_path: Path, password: str) -> None:
    refused = pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori")
    with Mosquitto(tmp_path, users=USERS, acl=ACL.read_text()) as broker, refused:
        async with aiomqtt.Client("127.0.0.1", broker.port, username="van-007", password=password):
            pass
