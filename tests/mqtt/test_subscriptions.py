"""Filters travel in portions, and what an earlier run has subscribed is given up."""

import json
from pathlib import Path

import mqtt5
import pytest

from agent.mqtt import connection as connection_module
from agent.mqtt.subscriptions import SubscriptionNotes
from tests.mqtt.conftest import Running
from tests.mqtt.fake_broker import FakeBroker
from tests.mqtt.test_mosquitto import send
from tests.mqtt.waiting import until
from tests.servers.mosquitto import Mosquitto
from tests.servers.programs import needs

MANY = tuple(f"old-{number}/#" for number in range(20))


def notes(folder: Path) -> SubscriptionNotes:
    return SubscriptionNotes(folder / "subscriptions", "agent")


def noted(folder: Path) -> dict[str, dict[str, list[str]]]:
    content: dict[str, dict[str, list[str]]] = json.loads((folder / "subscriptions").read_text())
    return content


async def test_no_packet_has_more_than_eight_filters(broker: FakeBroker, running: Running) -> None:
    """AWS IoT Core closes the connection at more (AWS IoT Core endpoints and quotas, "Subscriptions per request")."""
    async with running(broker.port, filters=MANY) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket())
        portions = [await connection.grant() for _ in range(3)]
        await subject.subscribed()
        assert [len(portion.topic_filters) for portion in portions] == [8, 8, 4]
        assert [each.pattern for portion in portions for each in portion.topic_filters] == list(MANY)
        assert subject.receiver.limits is not None
        assert len(subject.receiver.limits.granted_qos) == 20


async def test_a_filter_refused_in_the_first_portion_is_asked_for_again_with_all(
    broker: FakeBroker, running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "RESUBSCRIBE_FIRST_S", 0.01)
    granted, refused = mqtt5.SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE, mqtt5.SubAckReasonCode.NOT_AUTHORIZED
    async with running(broker.port, filters=MANY[:10]) as subject:
        connection = await broker.connection()
        await connection.expect(mqtt5.ConnectPacket)
        connection.send(mqtt5.ConnAckPacket())
        await connection.grant(refused, *[granted] * 7)
        await connection.grant()
        await until(lambda: "'old-0/#': not authorized" in subject.counters.last_error)
        assert subject.counters.subscribed_since_ms == 0
        await connection.grant()
        await connection.grant()
        await subject.subscribed()


async def test_a_broker_that_closes_at_subscribe_is_not_taken_for_another_client(
    broker: FakeBroker, running: Running
) -> None:
    async with running(broker.port) as subject:
        for _ in range(4):
            connection = await broker.connection()
            await connection.expect(mqtt5.ConnectPacket)
            connection.send(mqtt5.ConnAckPacket())
            await connection.expect(mqtt5.SubscribePacket)
            connection.close()
            await until(lambda: "when we subscribed: it may not allow vans/#" in subject.counters.last_error)
            assert "client_id" not in subject.counters.last_error


@needs("mosquitto")
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
async def test_what_the_settings_no_longer_name_is_given_up(tmp_path: Path, running: Running, protocol: str) -> None:
    with Mosquitto(tmp_path) as broker:
        async with running(broker.port, protocol=protocol, filters=("vans/#", *MANY), notes=notes(tmp_path)) as subject:
            await subject.subscribed()
        await send(broker, b"while away")
        async with running(broker.port, protocol=protocol, filters=("fleet/#",), notes=notes(tmp_path)) as subject:
            await subject.received(1)
            address = f"127.0.0.1:{broker.port}"
            await until(lambda: noted(tmp_path) == {"agent": {address: ["fleet/#"]}})
            await send(broker, b"old", topic="vans/a/soc")
            await send(broker, b"oldest", topic="old-19/a")
            await send(broker, b"new", topic="fleet/a/soc")
            await subject.received(2)
            assert subject.payloads == [b"while away", b"new"]
        assert broker.log.count("Received UNSUBSCRIBE from agent") == 3


async def test_a_new_session_has_nothing_to_give_up(tmp_path: Path, broker: FakeBroker, running: Running) -> None:
    notes(tmp_path).add("elsewhere:1883", MANY)
    async with running(broker.port, notes=notes(tmp_path)) as subject:
        connection = await broker.connection()
        await connection.accept(session_present=False)
        await subject.subscribed()
    await connection.expect(mqtt5.DisconnectPacket)
    assert noted(tmp_path) == {"agent": {f"127.0.0.1:{broker.port}": ["vans/#"]}}


async def test_filters_are_noted_before_they_are_subscribed_and_kept_until_the_broker_has_answered(
    tmp_path: Path, broker: FakeBroker, running: Running
) -> None:
    notes(tmp_path).add("former-name:1883", ["a/#", "b/#"])
    here = f"127.0.0.1:{broker.port}"
    async with running(broker.port, notes=notes(tmp_path)) as subject:
        connection = await broker.connection()
        assert noted(tmp_path) == {"agent": {"former-name:1883": ["a/#", "b/#"], here: ["vans/#"]}}
        await connection.accept(session_present=True)
        unsubscribe = await connection.expect(mqtt5.UnsubscribePacket)
        assert list(unsubscribe.patterns) == ["a/#", "b/#"]
        connection.reset()
        connection = await broker.connection()
        await connection.accept(session_present=True)
        unsubscribe = await connection.expect(mqtt5.UnsubscribePacket)
        codes = [mqtt5.UnsubAckReasonCode.SUCCESS, mqtt5.UnsubAckReasonCode.NOT_AUTHORIZED]
        connection.send(mqtt5.UnsubAckPacket(unsubscribe.packet_id, codes))
        await until(lambda: noted(tmp_path) == {"agent": {here: ["b/#", "vans/#"]}})
        assert subject.counters.last_error == ""


async def test_a_broker_that_does_not_answer_keeps_the_connection(
    tmp_path: Path,
    broker: FakeBroker,
    running: Running,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection_module, "ANSWER_TIMEOUT_S", 0.2)
    notes(tmp_path).add("former-name:1883", ["a/#"])
    async with running(broker.port, notes=notes(tmp_path)) as subject:
        connection = await broker.connection()
        await connection.accept(session_present=True)
        await connection.expect(mqtt5.UnsubscribePacket)
        await until(lambda: "did not answer UNSUBSCRIBE" in caplog.text)
        assert subject.counters.connected
        assert "former-name:1883" in noted(tmp_path)["agent"]


def test_other_clients_keep_their_notes(tmp_path: Path) -> None:
    file = tmp_path / "data" / "subscriptions"
    for client_id in ("one", "two"):
        SubscriptionNotes(file, client_id).add("broker:1883", [f"{client_id}/#"])
    one = SubscriptionNotes(file, "one")
    one.settle("broker:1883", ["new/#"], addresses=["broker:1883"])
    assert SubscriptionNotes(file, "two").former(["x"]) == ("two/#",)
    assert one.former([]) == ("new/#",)


@pytest.mark.parametrize("content", [b"", b"{", b'{"agent": ["vans/#"]}', b"\xff"])
def test_a_damaged_file_is_begun_anew(tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "subscriptions").write_bytes(content)
    subject = notes(tmp_path)
    assert subject.former([]) == ()
    subject.add("broker:1883", ["vans/#"])
    assert notes(tmp_path).former([]) == ("vans/#",)
    assert "is damaged" in caplog.text


def test_a_place_that_cannot_be_written_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    subject = SubscriptionNotes(tmp_path / "file" / "subscriptions", "agent")
    subject.add("broker:1883", ["vans/#"])
    subject.settle("broker:1883", ["vans/#"], addresses=["broker:1883"])
    assert subject.former([]) == ()
    assert caplog.text.count("will stay at the broker") == 1
