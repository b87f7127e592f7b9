"""The broker's rights as deployed: the topic's vehicle is the user that the broker knows."""

import asyncio
from contextlib import suppress
from pathlib import Path

import aiomqtt
import pytest

from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.names import NAMES
from agent.errors import Rejected
from agent.messages import Message
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

ROOT = Path(__file__).parents[2]
ALL = [*NAMES, "traccar", "teltonika", "owntracks"]
ACL = ROOT / "deploy" / "mosquitto" / "acl"
NOW_MS = 1_790_000_000_000
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


def recommended() -> str:
    """The rights that docs/security.md recommends for the other dialects."""
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    return text.partition("```\n# Mosquitto")[2].partition("\n")[2].partition("```")[0]


GATEWAYS = {"saic-gateway": "s", "emqx-gateway": "g", "traccar": "t"}
LAST_TOPICS = {"saic-gateway": "saic/x/vehicles/x/end", "emqx-gateway": "gbt32960/end", "traccar": "positions"}
VIN = "LTESTVAN000000008"
REPORT = (
    '{"Vin":"%s","Cmd":2,"Encrypt":1,"Data":{"Time":{"Year":26,"Month":9,"Day":21,"Hour":22,"Minute":13,"Second":20},'
    '"Infos":[{"Type":"Vehicle","SOC":50}]}}'
)
CLAIMS_OF_VAN_8 = [
    # A topic and payload that is taken for van-008, or would have to be.
    ("vans/van-008/soc", '{"time":1790000000000,"soc_pct":50}'),
    ("ovms/van-008/van-008/metric/v/b/soc", "50"),
    ("ovms/van-008/metric/v/b/soc", "50"),
    ("ovms/van-007/van-008/metric/v/b/soc", "50"),
    (f"ovms/van-007/{VIN}/metric/v/b/soc", "50"),
    ("vss/van-008/Vehicle/Powertrain/TractionBattery/StateOfCharge/Current", "50"),
    ("teslamate/van-008/cars/van-008/battery_level", "50"),
    ("teslamate/van-007/cars/van-008/battery_level", "50"),
    ("teslamate/cars/van-008/battery_level", "50"),
    (f"saic/x/vehicles/{VIN}/drivetrain/soc", "50"),
    ("saic/x/vehicles/van-008/drivetrain/soc", "50"),
    ("gbt32960/upstream/info", REPORT % VIN),
    ("gbt32960/upstream/info", REPORT % "van-008"),
    ("owntracks/van-008/phone", '{"_type":"location","tst":1790000000,"lat":5.0,"lon":6.0}'),
    ("van-008/data", '{"state":{"reported":{"ts":1790000000000,"411":50}}}'),
    ("positions", '{"position":{"fixTime":1790000000000,"attributes":{"odometer":5}},"device":{"uniqueId":"van-008"}}'),
]
SPEAKERS = {
    "van-008": {"native", "ovms", "vss", "teslamate", "owntracks", "van-008"},
    "van-007": set(),
    "traccar": {"positions"},
    "saic-gateway": {"saic"},
    "emqx-gateway": {"gbt32960"},
}
"""Under which first levels each user can speak for van-008, of which the table knows the VIN."""


@needs("mosquitto", "mosquitto_passwd")
async def test_with_the_recommended_rights_nobody_speaks_for_another(tmp_path: Path) -> None:
    acl = f"{ACL.read_text()}\n{recommended()}"
    users = USERS | GATEWAYS
    spoken: dict[str, set[str]] = {user: set() for user in SPEAKERS}
    with Mosquitto(tmp_path, users=users, acl=acl) as broker:
        async with aiomqtt.Client("127.0.0.1", broker.port, username="agent", password="a") as agent:
            for topic_filter in Decoder(make_dialects(ALL)).topic_filters():
                await agent.subscribe(topic_filter, qos=1)
            for user in SPEAKERS:
                async with aiomqtt.Client("127.0.0.1", broker.port, username=user, password=users[user]) as sender:
                    for topic, payload in CLAIMS_OF_VAN_8:
                        await sender.publish(topic, payload, qos=1)
                    await sender.publish(LAST_TOPICS.get(user, f"vans/{user}/end"), b"end", qos=1)
                decoder = Decoder(make_dialects(ALL, identities={VIN: "van-008"}))
                async with asyncio.timeout(20):
                    async for message in agent.messages:
                        if message.payload == b"end":
                            break
                        spoken[user] |= taken_for_van_8(decoder, str(message.topic), bytes(message.payload))
    assert spoken == SPEAKERS


def taken_for_van_8(decoder: Decoder, topic: str, payload: bytes) -> set[str]:
    """The dialect, if this message is taken for van-008."""
    with suppress(Rejected):
        said = [*decoder.decode(Message(topic, payload), NOW_MS), *decoder.tick(NOW_MS + 10_000)]
        return {topic.partition("/")[0].replace("vans", "native") for each in said if each.vehicle_id == "van-008"}
    return set()


@needs("mosquitto", "mosquitto_passwd")
@pytest.mark.parametrize("password", ["wrong", ""])
async def test_no_password_no_entry(tmp_path: Path, password: str) -> None:
    refused = pytest.raises(aiomqtt.MqttError, match=r"[Nn]ot authori")
    with Mosquitto(tmp_path, users=USERS, acl=ACL.read_text()) as broker, refused:
        async with aiomqtt.Client("127.0.0.1", broker.port, username="van-007", password=password):
            pass
