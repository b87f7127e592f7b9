"""Several dialects at once."""

import pytest

from agent.config import MqttSettings
from agent.dialects.decoder import Decoder, make_dialects
from agent.dialects.names import NAMES
from agent.errors import Rejected, SettingsError
from agent.messages import Message
from tests.dialects.senders import ask

NOW_MS = 1773065130000


def test_every_name_makes_its_dialect() -> None:
    assert [dialect.name for dialect in make_dialects(NAMES)] == list(NAMES)


def test_the_settings_accept_the_same_names() -> None:
    assert MqttSettings(dialects=NAMES).dialects == NAMES


@pytest.mark.parametrize("names", [[], ["nativ"], ["native", "canbus"]])
def test_an_unknown_name_is_answered_with_the_known_ones(names: list[str]) -> None:
    with pytest.raises(SettingsError, match="native, gbt32960, ovms, saic, vss, teslamate"):
        make_dialects(names)


def test_an_identity_has_to_lead_to_a_vehicle_id() -> None:
    with pytest.raises(SettingsError, match="van 7"):
        make_dialects(["ovms"], identities={"VIN": "van 7"})


def test_each_message_goes_where_its_topic_belongs() -> None:
    decoder = Decoder(make_dialects(NAMES))
    assert len(set(decoder.topic_filters())) == len(decoder.topic_filters())
    (reading,) = decoder.decode(Message("vans/a/soc", b'{"time": 1773065130000, "soc_pct": 5}'), NOW_MS)
    assert reading.vehicle_id == "a"
    assert list(decoder.decode(Message("ovms/b/b/metric/v/b/soc", b"5"), NOW_MS)) == []
    assert list(decoder.decode(Message("saic/u/vehicles/LTESTVAN00000000C/drivetrain/soc", b"5"), NOW_MS)) == []
    assert [each.vehicle_id for each in decoder.tick(NOW_MS + 1000)] == ["b", "LTESTVAN00000000C"]


@pytest.mark.parametrize("names", [["native"], ["native", "ovms"]])
def test_a_topic_of_nobody(names: list[str]) -> None:
    with pytest.raises(Rejected, match="unknown_topic"):
        Decoder(make_dialects(names)).decode(Message("cars/a/soc", b""), NOW_MS)


def test_memories_keep_their_dialects_apart() -> None:
    decoder = Decoder(make_dialects(NAMES))
    for topic in ("ovms/LTESTVAN00000000A/metric/v/b/soc", "saic/u/vehicles/LTESTVAN00000000A/drivetrain/soc"):
        decoder.decode(Message(topic, b"5"), NOW_MS)
    kept = decoder.changed()
    assert sorted(kept) == ["ovms/LTESTVAN00000000A", "saic/LTESTVAN00000000A"]
    assert decoder.changed() == {}
    again = Decoder(make_dialects(NAMES))
    again.restore(kept | {"gone/a": b"x"})
    assert len(list(again.tick(NOW_MS + 1000))) == 2


def test_the_native_dialect_remembers_nothing() -> None:
    decoder = Decoder(make_dialects(["native"]))
    assert ask(decoder.dialects[0], "vans/a/soc", '{"time": 1773065130000, "soc_pct": 5}', NOW_MS)
    assert decoder.changed() == {}
    assert list(decoder.tick(NOW_MS)) == []
    assert decoder.findings() == {}
