import ssl
from pathlib import Path
from typing import Any

import pytest

from agent.config import MqttSettings, load
from agent.errors import SettingsError
from agent.mqtt.address import BrokerAddress, broker_addresses
from agent.mqtt.options import MqttOptions


def options(**settings: Any) -> MqttOptions:
    return MqttOptions.from_settings(MqttSettings(**{"url": "mqtt://broker"} | settings), ["vans/#"])


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker", ("broker", 1883, False, None)),
        ("mqtts://broker", ("broker", 8883, True, None)),
        ("mqtt://10.0.0.1:1884/", ("10.0.0.1", 1884, False, None)),
        ("mqtt://[::1]:1884", ("::1", 1884, False, None)),
        ("ws://broker", ("broker", 80, False, "/mqtt")),
        ("wss://broker:8084/", ("broker", 8084, True, "/")),
        ("wss://broker/mqtt?token=a/b", ("broker", 443, True, "/mqtt?token=a/b")),
    ],
)
def test_addresses(url: str, address: tuple[str, int, bool, str | None]) -> None:
    assert broker_addresses(url) == (BrokerAddress(*address),)


def test_several_addresses_stay_in_their_order() -> None:
    addresses = broker_addresses("mqtts://one, wss://[::1]/mqtt,mqtts://three:1")
    assert [str(address) for address in addresses] == ["one:8883", "[::1]:443", "three:1"]


@pytest.mark.parametrize(
    "url",
    [
        *("broker", "http://broker", "mqtt://", "mqtt://broker:0", "mqtt://broker:99999", "mqtt://broker:port"),
        *("mqtt://broker/path", "mqtt://user:secret@broker", "mqtt://broker?x=1", "mqtt://a..b", "mqtt://[::1"),
        *("mqtt://broker,", "mqtt://a,mqtts://b", "ws://broker/#x", ",".join(["mqtt://broker"] * 17)),
        "mqtt://agent:secret/#?@broker",
    ],
)
def test_an_invalid_address_names_the_setting_and_no_secret(url: str) -> None:
    with pytest.raises(SettingsError, match=r"mqtt\.url") as caught:
        options(url=url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("protocol", '"4"'),
        ("receive_maximum", "0"),
        ("receive_maximum", "65536"),
        ("session_expiry_s", "-1"),
        ("keepalive_s", "65536"),
        ("max_packet_bytes", "10"),
        ("ca_file", '"/nowhere/ca.pem"'),
        ("password", '"secret"'),
    ],
)
def test_a_bad_value_names_its_setting(tmp_path: Path, setting: str, value: str) -> None:
    file = tmp_path / "vanpulse.toml"
    file.write_text(f'[mqtt]\nurl = "mqtt://broker"\n{setting} = {value}\n')
    with pytest.raises(SettingsError, match=rf"mqtt\.({setting}|url)"):
        MqttOptions.from_settings(load(file).mqtt, ["vans/#"])


def test_every_setting_of_the_connection_is_handed_down() -> None:
    made = options(
        url="mqtts://broker:9999",
        client_id="north",
        username="agent",
        password="sesame",
        receive_maximum=7,
        session_expiry_s=8,
        keepalive_s=9,
        max_packet_bytes=1000,
    )
    assert made.brokers == (BrokerAddress("broker", 9999, encrypted=True),)
    assert (made.protocol, made.client_id, made.filters) == ("5", "north", ("vans/#",))
    assert (made.receive_maximum, made.session_expiry_s, made.keepalive_s, made.max_packet_bytes) == (7, 8, 9, 1000)
    login = made.credentials.read(encrypted=True)
    assert (login.username, login.password) == ("agent", b"sesame")
    assert isinstance(login.tls, ssl.SSLContext)
