"""Secrets stay out of sight."""

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.config import Settings, load
from agent.errors import SettingsError
from agent.kafka.address import KafkaAddress
from agent.mqtt.address import broker_addresses
from agent.stores import make_store

SECRET = "correct-horse-battery-staple"  # the one that must not be seen


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    file = tmp_path / "vanpulse.toml"
    file.write_text(
        f'[mqtt]\npassword_file = "{secret}"\n[store]\ntoken_file = "{secret}"\n[live]\npassword_file = "{secret}"\n'
    )
    return file


def test_settings_show_no_secret(settings_file: Path) -> None:
    settings = load(settings_file)
    assert settings.mqtt.password is not None
    assert settings.mqtt.password.get_secret_value() == SECRET
    assert SECRET not in repr(settings)
    assert SECRET not in str(settings.model_dump())
    assert SECRET not in settings.model_dump_json()


@pytest.mark.parametrize("section", ["mqtt", "live"])
def test_an_error_about_a_secret_does_not_tell_it(section: str, settings_file: Path) -> None:
    text = settings_file.read_text().replace(f"[{section}]\n", f'[{section}]\npassword = "{SECRET}"\n')
    settings_file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(settings_file)
    assert "password" in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("scheme", ["odd", "kafka", "mqtt", "influxdb", "sqlite"])
@pytest.mark.parametrize("key", ["mqtt.url", "log.url", "store.url", "live.tiles_url", "http.listen"])
def test_a_password_in_an_address_is_not_told(key: str, scheme: str, settings_file: Path) -> None:
    section, _, name = key.partition(".")
    settings_file.write_text(f'[{section}]\n{name} = "{scheme}://agent:{SECRET}@host:1/x"\n')
    checks: dict[str, Callable[[Settings], object]] = {
        "mqtt.url": lambda settings: broker_addresses(settings.mqtt.url),
        "log.url": lambda settings: KafkaAddress.parse(settings.log.url),
        "store.url": lambda settings: make_store(settings.store.url),
    }
    with pytest.raises(SettingsError) as caught:
        checks.get(key, lambda _settings: None)(load(settings_file))
    assert key in str(caught.value)
    assert SECRET not in str(caught.value)


def test_a_secret_of_the_wrong_type_is_not_told(settings_file: Path) -> None:
    settings_file.write_text(f'[store]\ntoken = ["{SECRET}"]\n')
    with pytest.raises(SettingsError) as caught:
        load(settings_file)
    assert "store.token" in str(caught.value)
    assert SECRET not in str(caught.value)
