from pathlib import Path

import pytest

from agent.errors import SettingsError
from agent.stores import make_history, make_store, sqlite_path
from agent.stores.influxdb import InfluxStore
from agent.stores.influxdb_address import InfluxAddress
from agent.stores.influxdb_history import InfluxHistory
from agent.stores.sqlite import SqliteStore


@pytest.mark.parametrize(
    ("url", "path"), [("sqlite:///data/h.db", "data/h.db"), ("sqlite:////var/lib/h.db", "/var/lib/h.db")]
)
def test_sqlite_addresses(url: str, path: str) -> None:
    store = make_store(url, keep_days=30)
    assert isinstance(store, SqliteStore)
    assert store.path == sqlite_path(url) == Path(path)


@pytest.mark.parametrize(
    ("url", "base", "org", "bucket"),
    [
        ("influxdb://db:8086?org=O&bucket=B", "http://db:8086", "O", "B"),
        ("influxdb://db?bucket=B", "http://db:8086", "", "B"),
        ("influxdbs://db:443/influx/?org=my%20org&bucket=a/b", "https://db:443/influx", "my org", "a/b"),
        ("influxdb://[::1]:8087?bucket=B", "http://[::1]:8087", "", "B"),
    ],
)
def test_influxdb_addresses(url: str, base: str, org: str, bucket: str) -> None:
    store, history = make_store(url, token="t"), make_history(url, token="t")
    assert isinstance(store, InfluxStore)
    assert isinstance(history, InfluxHistory)
    assert store.address == history.address
    assert (store.address.base, store.address.org, store.address.bucket) == (base, org, bucket)
    assert store.address.write_url.startswith(f"{base}/api/v2/write?org=")
    assert store.address.write_url.endswith("&precision=ms")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "history.db",
        "sqlite:history.db",
        "sqlite://history.db",
        "sqlite:///",
        "sqlite:///data/",
        "http://db:8086",
        "influxdb://",
        "influxdb://db:port?bucket=b",
        "influxdb://db:99999?bucket=b",
        "influxdb://db?org=o",
        "influxdb://db?bucket=b&bukket=c",
        "influxdb://user:secret@db?bucket=b",
        "influxdb://db?bucket",
    ],
)
def test_an_address_that_means_nothing_names_the_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.url") as raised:
        make_store(url)
    assert "secret" not in str(raised.value)


def test_retention_of_a_server_is_the_servers() -> None:
    with pytest.raises(SettingsError, match=r"store\.keep_days"):
        make_store("influxdb://db?bucket=b", keep_days=3)


def test_an_address_is_local_or_not() -> None:
    assert InfluxAddress.parse("influxdb://localhost?bucket=b").is_local
    assert not InfluxAddress.parse("influxdb://10.0.0.1?bucket=b").is_local
