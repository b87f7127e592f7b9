"""Each source of a setting, which one wins, and what is said when it is wrong."""

import os
from pathlib import Path

import pytest

from agent.config import FleetSettings, Settings, load, load_fleet
from agent.errors import SettingsError


@pytest.fixture(autouse=True)
def _nothing_from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for variable in list(os.environ):
        if variable.startswith("VANPULSE_"):
            monkeypatch.delenv(variable)


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_without_anything_there_are_the_defaults() -> None:
    settings = load()
    assert settings.model_dump() == Settings().model_dump()
    assert settings.mqtt.url == "mqtt://127.0.0.1:1883"
    assert settings.store.url == "sqlite:///data/history.db"
    assert settings.journal.when_full == "pause"
    assert settings.store.derived_every_s == 10


def test_the_file_in_the_folder_is_read_by_itself(tmp_path: Path) -> None:
    write(tmp_path / "vanpulse.toml", '[mqtt]\nclient_id = "north"\n')
    assert load().mqtt.client_id == "north"


def test_a_file_that_is_named_is_read_instead(tmp_path: Path) -> None:
    write(tmp_path / "vanpulse.toml", '[mqtt]\nclient_id = "north"\n')
    other = write(tmp_path / "other.toml", "[journal]\nmax_bytes = 2_000_000\n")
    settings = load(other)
    assert settings.journal.max_bytes == 2_000_000
    assert settings.mqtt.client_id == "vanpulse"


def test_the_environment_wins_over_the_file_key_by_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "vanpulse.toml", '[mqtt]\nclient_id = "north"\nkeepalive_s = 60\n[store]\nflush_ms = 100\n')
    monkeypatch.setenv("VANPULSE_MQTT__CLIENT_ID", "south")
    monkeypatch.setenv("VANPULSE_STORE__BATCH_POINTS", "7")
    settings = load()
    assert (settings.mqtt.client_id, settings.mqtt.keepalive_s) == ("south", 60)
    assert (settings.store.flush_ms, settings.store.batch_points) == (100, 7)


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VANPULSE_FLEET__BATTERY_KWH", "")
    assert load().fleet.battery_kwh is None


def test_lists_in_the_environment_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VANPULSE_MQTT__DIALECTS", '["native", "ovms"]')
    assert load().mqtt.dialects == ("native", "ovms")
    monkeypatch.setenv("VANPULSE_MQTT__DIALECTS", "native,ovms")
    with pytest.raises(SettingsError, match=r'VANPULSE_MQTT__DIALECTS = .*write a list as JSON, such as \["native"\]'):
        load()


@pytest.mark.parametrize(
    ("section", "key", "file_key"),
    [("mqtt", "password", "password_file"), ("store", "token", "token_file"), ("live", "password", "password_file")],
)
def test_secrets_from_file_and_environment(
    section: str, key: str, file_key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = write(tmp_path / "secret", "  s3cret with spaces \n")
    monkeypatch.setenv(f"VANPULSE_{section.upper()}__{file_key.upper()}", str(secret))
    assert getattr(getattr(load(), section), key).get_secret_value() == "s3cret with spaces"
    monkeypatch.delenv(f"VANPULSE_{section.upper()}__{file_key.upper()}")
    write(tmp_path / "vanpulse.toml", f'[{section}]\n{file_key} = "{secret}"\n')
    assert getattr(getattr(load(), section), key).get_secret_value() == "s3cret with spaces"
    monkeypatch.setenv(f"VANPULSE_{section.upper()}__{key.upper()}", "other")
    with pytest.raises(SettingsError, match=f"{key} and {file_key} are both set"):
        load()


@pytest.mark.parametrize(("section", "key"), [("mqtt", "password"), ("store", "token"), ("live", "password")])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_line_break_behind_a_secret_is_no_part_of_it(
    section: str, key: str, ending: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"VANPULSE_{section.upper()}__{key.upper()}", f" agent:s3cret-t0ken {ending}")
    assert getattr(getattr(load(), section), key).get_secret_value() == " agent:s3cret-t0ken "


def test_a_token_with_a_line_break_within_is_refused_and_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No HTTP header can hold it, and the error of the HTTP client would print it."""
    monkeypatch.setenv("VANPULSE_STORE__TOKEN", "agent:s3cret\nt0ken")
    with pytest.raises(SettingsError, match="token holds a line break") as caught:
        load()
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("content", [None, "", "  \n", b"\xff\xfe"])
def test_a_file_without_a_secret_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object) -> None:
    secret = tmp_path / "secret"
    if isinstance(content, bytes):
        secret.write_bytes(content)
    elif content is not None:
        secret.write_text(str(content))
    monkeypatch.setenv("VANPULSE_STORE__TOKEN_FILE", str(secret))
    with pytest.raises(SettingsError, match="token_file"):
        load()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[mqtt]\ncolour = "red"\n', "unknown setting 'mqtt.colour'"),
        ('[weather]\nsun = "yes"\n', "unknown setting 'weather'"),
        ("[journal]\nmax_bytes = 5\n", "journal.max_bytes = 5: Input should be greater than or equal to 1048576"),
        ('[journal]\nwhen_full = "burn"\n', "journal.when_full = 'burn': Input should be 'pause' or 'drop_oldest'"),
        ('[mqtt]\nprotocol = "4"\n', "mqtt.protocol = '4': Input should be '5' or '3.1.1'"),
        ("[mqtt]\ndialects = []\n", "mqtt.dialects = []: "),
        ('[mqtt]\nprefix = "vans/+"\n', "mqtt.prefix = 'vans/+': "),
        ('[mqtt]\nprefix = "vans#"\n', "mqtt.prefix = 'vans#': "),
        ('[mqtt]\nprefix = "$SYS/broker"\n', "mqtt.prefix = '$SYS/broker': a prefix does not begin with $"),
        ('[mqtt]\nprefix = " vans"\n', "mqtt.prefix = ' vans': no level of a prefix begins or ends with a space"),
        ('[mqtt]\nprefix = "fleet /vans"\n', "mqtt.prefix = 'fleet /vans': no level"),
        ('[mqtt]\nprefix = "va\\u0007ns"\n', "mqtt.prefix = 'va\\x07ns': no level"),
        ('[mqtt]\nprefix = "$share/agents/vans"\n', "mqtt.prefix = '$share/agents/vans': a shared subscription would"),
        ('[log.sources.east]\nprefix = "$share/g/v"\n', "log.sources.east.prefix = '$share/g/v': a shared"),
        ("[log.sources.east]\nqos = 1\n", "unknown setting 'log.sources.east.qos'"),
        ('[log.sources."a b"]\nprefix = "v"\n', "log.sources.a b"),
        ('[http]\nlisten = "8081"\n', "http.listen = '8081': "),
        ('[fleet]\ncountry = "germany"\n', "fleet.country = 'germany': "),
        ('[http]\nlisten = "127.0.0.1:65536"\n', "http.listen = '127.0.0.1:65536': the port is above 65535"),
        ('[http]\nlisten = "[nope]:8081"\n', "http.listen = '[nope]:8081': "),
        ('[journal]\npath = "."\n', "journal.path = '.': this is a directory; name a file in it"),
        ('[live]\ntiles_url = "tiles"\n', "live.tiles_url = 'tiles': "),
        ('[mqtt]\ngbt32960_utc_offset = "+99:00"\n', "mqtt.gbt32960_utc_offset = '+99:00': "),
        ("[fleet]\nbattery_kwh = nan\n", "fleet.battery_kwh = nan: "),
        ("[store]\nderived_every_s = 0\n", "store.derived_every_s = 0: Input should be greater than 0"),
        ("[emissions]\ncharging_efficiency_ac = 1.2\n", "emissions.charging_efficiency_ac = 1.2: "),
        ("[mqtt\n", "is not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path / "settings.toml", text)
    with pytest.raises(SettingsError) as caught:
        load(file)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value).strip()


@pytest.mark.parametrize(
    ("variable", "said"),
    [
        ("VANPULSE_MQTT__COLOUR", "mqtt.colour"),
        ("VANPULSE_WEATHER__SUN", "VANPULSE_WEATHER__SUN"),
        ("VANPULSE_MQTT_URL", "the form is VANPULSE_<SECTION>__<KEY>"),
        ("VANPULSE_STORE__FLUSH_MS", "store.flush_ms = 'red'"),
    ],
)
def test_the_environment_is_checked_as_strictly(variable: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "red")
    with pytest.raises(SettingsError) as caught:
        load()
    assert said in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="does not exist"):
        load(tmp_path / "none.toml")
    with pytest.raises(SettingsError, match="does not exist"):
        load(tmp_path)


def test_settings_cannot_be_changed_later() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().mqtt.client_id = "other"


def test_the_default_fleet_file_may_be_missing_another_may_not(tmp_path: Path) -> None:
    assert load_fleet(FleetSettings()).vans == {}
    with pytest.raises(SettingsError, match=r"fleet\.file .* cannot be read"):
        load_fleet(FleetSettings(file=tmp_path / "vans.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[vans.van-1]\nwheels = 4\n", "unknown setting 'vans.van-1.wheels'"),
        ('[vans."a van"]\n', "vans.a van"),
        (
            '[vans.a]\nidentities = ["X"]\n[vans.b]\nidentities = ["X"]\n',
            "the vans 'a' and 'b' both have the identity 'X'",
        ),
        ("[depots.north]\nlatitude_deg = 95\n", "depots.north.latitude_deg = 95: "),
        ('[vans.a]\ncountry = "Germany"\n', "vans.a.country = 'Germany': "),
        ("[vans", "is not valid TOML"),
    ],
)
def test_what_is_wrong_in_the_fleet_file(tmp_path: Path, text: str, said: str) -> None:
    file = write(tmp_path / "fleet.toml", text)
    with pytest.raises(SettingsError) as caught:
        load_fleet(FleetSettings(file=file))
    assert said in str(caught.value)
    assert str(file) in str(caught.value)
