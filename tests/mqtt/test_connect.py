from typing import Any

import pytest

from agent.errors import SettingsError
from agent.mqtt.client311 import Mqtt311Receiver
from agent.mqtt.connect import broker_address, make_receiver
from agent.mqtt.session import Mqtt5Receiver

GOOD: dict[str, Any] = {
    "url": "mqtt://broker",
    "protocol": "5",
    "client_id": "agent",
    "filters": ["vans/#"],
    "receive_maximum": 2000,
    "session_expiry_s": 600,
    "keepalive_s": 30,
    "max_packet_bytes": 65_536,
}


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", ("broker", 1883, False)),
        ("mqtts://broker", ("broker", 8883, True)),
        ("mqtt://10.0.0.1:1884/", ("10.0.0.1", 1884, False)),
        ("mqtt://[::1]:1884", ("::1", 1884, False)),
    ],
)
def test_addresses(url: str, address: tuple[str, int, bool]) -> None:
    assert broker_address(url) == address


@pytest.mark.parametrize(
    "url",
    [
        *("broker", "http://broker", "mqtt://", "mqtt://broker:0", "mqtt://broker:99999", "mqtt://broker:port"),
        *("mqtt://broker/path", "mqtt://user:secret@broker", "mqtt://broker?x=1", "mqtt://a..b", "mqtt://[::1"),
    ],
)
def test_an_address_that_means_nothing_names_the_setting_and_no_secret(url: str) -> None:
    with pytest.raises(SettingsError, match=r"mqtt\.url") as caught:
        make_receiver(**GOOD | {"url": url})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("protocol", "4"),
        ("receive_maximum", 0),
        ("receive_maximum", 65_536),
        ("session_expiry_s", -1),
        ("keepalive_s", 65_536),
        ("max_packet_bytes", 10),
        ("ca_file", "/nowhere/ca.pem"),
        ("password", "secret"),
    ],
)
def test_a_bad_value_names_its_setting(setting: str, value: object) -> None:
    with pytest.raises(SettingsError, match=rf"mqtt\.({setting}|url)"):
        make_receiver(**GOOD | {setting: value})


async def test_the_protocol_chooses_the_receiver() -> None:
    assert isinstance(make_receiver(**GOOD), Mqtt5Receiver)
    assert isinstance(make_receiver(**GOOD | {"protocol": "3.1.1"}), Mqtt311Receiver)
