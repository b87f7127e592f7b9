"""Passwords of any characters, and credentials that are renewed on disk while the agent runs."""

from pathlib import Path

import pytest

from agent.config import MqttSettings
from agent.errors import SettingsError
from agent.mqtt.options import MqttOptions
from tests.mqtt.conftest import Running
from tests.mqtt.waiting import until
from tests.servers.certificates import Authority
from tests.servers.mosquitto import BrokerTls, Mosquitto
from tests.servers.programs import needs

PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])


@needs("mosquitto", "mosquitto_passwd")
@PROTOCOLS
@pytest.mark.parametrize("secret", ["p@ss:w/rd?#%41 &'\"\\$`,;", "ключ 鍵 🔑 é"], ids=["signs", "letters"])
async def test_a_password_may_hold_any_character(tmp_path: Path, running: Running, protocol: str, secret: str) -> None:
    with Mosquitto(tmp_path, users={"ägent@x": secret}) as broker:
        async with running(broker.port, protocol=protocol, username="ägent@x", password=secret) as subject:
            await subject.subscribed()


@needs("mosquitto", "mosquitto_passwd")
@PROTOCOLS
async def test_a_renewed_password_file_is_read_at_the_next_attempt(
    tmp_path: Path, running: Running, protocol: str
) -> None:
    file = tmp_path / "password"
    file.write_text("old\n")
    with Mosquitto(tmp_path, users={"agent": "new"}) as broker:
        async with running(broker.port, protocol=protocol, username="agent", password_file=file) as subject:
            await until(lambda: "mqtt.password" in subject.counters.last_error)
            file.unlink()
            await until(lambda: "cannot be read" in subject.counters.last_error)
            file.write_text("new\n")
            await subject.subscribed()


@needs("mosquitto", "openssl")
@PROTOCOLS
async def test_a_renewed_certificate_is_read_at_the_next_attempt(
    tmp_path: Path, running: Running, protocol: str
) -> None:
    authority = Authority(tmp_path / "authority")
    server = authority.issue("broker", hosts=("IP:127.0.0.1",))
    expired, renewed = authority.issue("agent", expired=True), authority.issue("agent")
    cert_file, key_file = tmp_path / "agent.pem", tmp_path / "agent.key"
    cert_file.write_bytes(expired.cert_file.read_bytes())
    key_file.write_bytes(expired.key_file.read_bytes())
    tls = BrokerTls(server.cert_file, server.key_file, authority.cert_file)
    files = {"ca_file": authority.cert_file, "cert_file": cert_file, "key_file": key_file}
    with Mosquitto(tmp_path, tls=tls) as broker:
        async with running(broker.port, protocol=protocol, encrypted=True, **files) as subject:
            await until(lambda: "renew mqtt.cert_file" in subject.counters.last_error)
            cert_file.write_bytes(renewed.cert_file.read_bytes())  # for a moment certificate and key do not match
            await until(lambda: "its own key" in subject.counters.last_error)
            key_file.write_bytes(renewed.key_file.read_bytes())
            await subject.subscribed()


def test_the_settings_name_the_file_and_check_it_at_the_start(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("first\n")
    settings = MqttSettings(username="agent", password_file=file)
    options = MqttOptions.from_settings(settings, ["vans/#"])
    assert options.credentials.read(encrypted=False).password == b"first"
    file.write_text("second\n")
    assert options.credentials.read(encrypted=False).password == b"second"
    file.write_text("\n")
    with pytest.raises(SettingsError, match=r"mqtt\.password_file = .* is empty"):
        options.credentials.read(encrypted=False)
