import pytest

from agent.dialects.base import first_levels
from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.identity import is_vehicle_id, resolve
from agent.dialects.names import NAMES
from agent.errors import Rejected
from agent.messages import Message

TABLE = {"LTESTVAN000000001": "van-007", "depot1/17": "van-017"}
NOW_MS = 1_790_000_000_000


@pytest.mark.parametrize(
    ("name", "vehicle_id"),
    [("LTESTVAN000000001", "van-007"), ("LTESTVAN000000002", "LTESTVAN000000002"), ("depot1/17", "van-017")],
)
def test_resolve(name: str, vehicle_id: str) -> None:
    assert resolve(TABLE, name) == vehicle_id


@pytest.mark.parametrize("name", ["", "van 7", "van/7", "vän", "v" * 65, "van-7\n", "van+7", "#"])
def test_a_name_that_cannot_be_a_vehicle_id(name: str) -> None:
    assert not is_vehicle_id(name)
    with pytest.raises(Rejected, match="unknown_vehicle"):
        resolve(TABLE, name)


SOC = b"50"
VIN_B = "LTESTVAN000000002"
REPORT = (
    b'{"Vin":"%s","Cmd":2,"Encrypt":1,"Data":{"Time":{"Year":26,"Month":9,"Day":21,"Hour":22,"Minute":13,"Second":20},'
    b'"Infos":[{"Type":"Vehicle","SOC":50}]}}'
)
IDENTITIES = {VIN_B: "van-b", "fleet/7": "van-c", "depot/1": "van-t"}

CLAIMS = [
    # who publishes by the recommended rights, topic, payload, who it is taken for: None for nobody, "" says nothing
    ("van-a: its own name", "ovms/van-a/van-a/metric/v/b/soc", SOC, "van-a"),
    ("van-a: without a level for the vehicle", "ovms/van-a/metric/v/b/soc", SOC, "van-a"),
    ("fleet: a whole name in the table", "ovms/fleet/7/metric/v/b/soc", SOC, "van-c"),
    ("van-a: another van's name is one of its own", "ovms/van-a/van-b/metric/v/b/soc", SOC, "van-a.van-b"),
    ("van-a: a VIN that the table gives to another van", f"ovms/van-a/{VIN_B}/metric/v/b/soc", SOC, f"van-a.{VIN_B}"),
    ("van-a: deeper", "ovms/van-a/x/van-b/metric/v/b/soc", SOC, None),
    ("van-a: a second metric level", "ovms/van-a/metric/van-b/metric/v/b/soc", SOC, ""),
    ("van-a: a name beside one in the table", "ovms/van-a/7/metric/v/b/soc", SOC, "van-a.7"),
    ("van-a: a name that would be ambiguous", "ovms/van-a/x.7/metric/v/b/soc", SOC, None),
    ("van.a: a user that would be ambiguous", "ovms/van.a/7/metric/v/b/soc", SOC, None),
    ("depot: a whole name in the table", "teslamate/depot/cars/1/battery_level", SOC, "van-t"),
    ("depot: another van's name is one of its own", "teslamate/depot/cars/van-b/battery_level", SOC, "depot.van-b"),
    ("depot: another TeslaMate's number is one of its own", "teslamate/depot/cars/2/battery_level", SOC, "depot.2"),
    ("TeslaMate without namespace: a number", "teslamate/cars/2/battery_level", SOC, "2"),
    ("TeslaMate without namespace: a van that speaks for itself", "teslamate/cars/van-a/battery_level", SOC, None),
    ("SAIC gateway: a VIN of the table", f"saic/me/vehicles/{VIN_B}/drivetrain/soc", SOC, "van-b"),
    ("SAIC gateway: another VIN", "saic/me/vehicles/LTESTVAN000000009/drivetrain/soc", SOC, "LTESTVAN000000009"),
    ("SAIC gateway: a van that speaks for itself", "saic/me/vehicles/van-a/drivetrain/soc", SOC, None),
    ("GB/T gateway: a VIN of the table", "gbt32960/upstream/info", REPORT % VIN_B.encode(), "van-b"),
    ("GB/T gateway: a van that speaks for itself", "gbt32960/upstream/info", REPORT % b"van-a", None),
    ("GB/T: under another VIN", "gbt32960/LTESTVAN000000009/upstream/info", REPORT % VIN_B.encode(), None),
    ("GB/T: below another VIN", f"gbt32960/LTESTVAN000000009/{VIN_B}/upstream/info", REPORT % VIN_B.encode(), None),
    ("GB/T: under another van's id", "gbt32960/van-c/upstream/info", REPORT % VIN_B.encode(), None),
    ("van-a: VSS", "vss/van-a/Vehicle/Speed", SOC, "van-a"),
    (
        "van-a: VSS with another van's VIN",
        "vss/van-a",
        b'{"Vehicle.VehicleIdentification.VIN":"%s","Vehicle.Speed":5.0}' % VIN_B.encode(),
        None,
    ),
    ("van-a: native", "vans/van-a/soc", b'{"time":%d,"soc_pct":50}' % NOW_MS, "van-a"),
    (
        "van-a: native, another in the payload",
        "vans/van-a/soc",
        b'{"time":%d,"soc_pct":50,"vehicle_id":"van-b"}' % NOW_MS,
        None,
    ),
]


@pytest.mark.parametrize(("topic", "payload", "taken_for"), [claim[1:] for claim in CLAIMS], ids=[c[0] for c in CLAIMS])
def test_a_sender_speaks_for_itself_alone(topic: str, payload: bytes, taken_for: str | None) -> None:
    decoder = Decoder(make_dialects(NAMES, identities=IDENTITIES))
    try:
        said = [*decoder.decode(Message(topic, payload), NOW_MS), *decoder.tick(NOW_MS + 10_000)]
    except Rejected as rejected:
        said = [rejected]
    expected = {None: ["identity_mismatch"], "": []}.get(taken_for, [taken_for])
    assert [getattr(each, "vehicle_id", None) or each.reason for each in said] == expected


SENDERS = [
    ("vans/van-a/soc", "van-a"),
    ("vans/van-a/any/thing", "van-a"),
    ("vans/van a/soc", "vans/van a"),
    ("ovms/fleet/7/metric/v/b/soc", "van-c"),
    ("ovms/van-a/van-b/metric/v/b/soc", "ovms/van-a"),
    ("ovms/van-a/anything", "ovms/van-a"),
    (f"saic/me/vehicles/{VIN_B}/drivetrain/soc", "van-b"),
    ("saic/me/other", "saic/me"),
    (f"gbt32960/{VIN_B}/upstream/info", "van-b"),
    ("gbt32960/upstream/info", "gbt32960/upstream"),
    ("vss/van-a", "van-a"),
    ("elsewhere/a/b", "elsewhere/a"),
    ("", ""),
]


@pytest.mark.parametrize(("topic", "sender"), SENDERS)
def test_who_a_dead_letter_is_counted_for(topic: str, sender: str) -> None:
    assert (Decoder(make_dialects(NAMES, identities=IDENTITIES)).sender(topic) or first_levels(topic)) == sender
