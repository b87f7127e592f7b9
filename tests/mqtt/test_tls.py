"""TLS with a real Mosquitto: valid set-ups connect; every other one ends in a clear error without a connection."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent.errors import SettingsError
from agent.mqtt.credentials import tls_context
from tests.mqtt.conftest import Running
from tests.mqtt.waiting import until
from tests.servers.certificates import Authority, Certificate
from tests.servers.mosquitto import BrokerTls, Mosquitto
from tests.servers.programs import needs

pytestmark = [needs("mosquitto", "openssl")]
PROTOCOLS = pytest.mark.parametrize("protocol", ["5", "3.1.1"])
HERE = ("IP:127.0.0.1",)


class Certificates:
    """One of each kind, made once for all tests of the module."""

    def __init__(self, directory: Path) -> None:
        self.ours = Authority(directory / "ours")
        self.foreign = Authority(directory / "foreign", "somebody else")
        self.broker = self.ours.issue("broker", hosts=HERE)
        self.expired = self.ours.issue("broker", hosts=HERE, expired=True)
        self.elsewhere = self.ours.issue("broker", hosts=("DNS:broker.example",))
        self.client = self.ours.issue("agent")
        self.foreign_client = self.foreign.issue("agent")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Certificates]:
    directory = tmp_path_factory.mktemp("certificates")
    yield Certificates(directory)
    shutil.rmtree(directory)


def encrypted(directory: Path, certificate: Certificate, *, clients_of: Authority | None = None) -> Mosquitto:
    client_ca_file = clients_of.cert_file if clients_of else None
    return Mosquitto(directory, tls=BrokerTls(certificate.cert_file, certificate.key_file, client_ca_file))


def files(ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None) -> dict[str, Any]:
    """Options of an encrypted connection."""
    return {"encrypted": True, "ca_file": ca_file, "cert_file": cert_file, "key_file": key_file}


@PROTOCOLS
async def test_mutual_tls(tmp_path: Path, certificates: Certificates, running: Running, protocol: str) -> None:
    with encrypted(tmp_path, certificates.broker, clients_of=certificates.ours) as broker:
        tls = files(certificates.ours.cert_file, certificates.client.cert_file, certificates.client.key_file)
        async with (
            running(broker.port, protocol=protocol, **tls) as subject,
            running(broker.port, protocol="5", **tls, client_id="sender", filters=("none",)) as sender,
        ):
            await subject.subscribed()
            await sender.subscribed()
            for number in range(50):
                assert await sender.receiver.publish("vans/a/soc", b"%d" % number * 500, retain=False)
            await subject.received(50)
            subject.receiver.pause()
            assert await sender.receiver.publish("vans/a/soc", b"held", retain=False)
            subject.receiver.resume()
            await subject.received(51)


@PROTOCOLS
@pytest.mark.parametrize(
    ("certificate", "words"),
    [("expired", "has expired"), ("elsewhere", "is for another")],
)
async def test_a_brokers_certificate_that_does_not_hold(
    tmp_path: Path, certificates: Certificates, running: Running, protocol: str, certificate: str, words: str
) -> None:
    with encrypted(tmp_path, getattr(certificates, certificate)) as broker:
        async with running(broker.port, protocol=protocol, **files(certificates.ours.cert_file)) as subject:
            await until(lambda: words in subject.counters.last_error)
            assert subject.receiver.limits is None
        assert "New client connected" not in broker.log


@PROTOCOLS
async def test_an_unknown_authority(
    tmp_path: Path, certificates: Certificates, running: Running, protocol: str
) -> None:
    with encrypted(tmp_path, certificates.broker) as broker:
        for tls in (files(certificates.foreign.cert_file), files()):
            async with running(broker.port, protocol=protocol, **tls) as subject:
                await until(lambda subject=subject: "mqtt.ca_file" in subject.counters.last_error)
                assert subject.receiver.limits is None
        assert "New client connected" not in broker.log


@PROTOCOLS
@pytest.mark.parametrize(
    ("which", "words"),
    [
        (None, "demands a client certificate: set mqtt.cert_file"),
        ("foreign_client", "certificate: check mqtt.cert_file"),
    ],
    ids=["none", "of another authority"],
)
async def test_a_client_certificate_that_is_missing_or_not_known(
    tmp_path: Path, certificates: Certificates, running: Running, protocol: str, which: str | None, words: str
) -> None:
    own: Certificate | tuple[None, None] = getattr(certificates, which) if which else (None, None)
    with encrypted(tmp_path, certificates.broker, clients_of=certificates.ours) as broker:
        tls = files(certificates.ours.cert_file, *own)
        async with running(broker.port, protocol=protocol, **tls) as subject:
            await until(lambda: words in subject.counters.last_error)
            assert subject.receiver.limits is None
        assert "New client connected" not in broker.log


@PROTOCOLS
async def test_tls_at_a_port_without(
    tmp_path: Path, certificates: Certificates, running: Running, protocol: str
) -> None:
    with Mosquitto(tmp_path) as broker:
        async with running(broker.port, protocol=protocol, **files(certificates.ours.cert_file)) as subject:
            await until(lambda: subject.counters.last_error)
            assert subject.receiver.limits is None


@PROTOCOLS
async def test_no_tls_at_a_port_with(
    tmp_path: Path, certificates: Certificates, running: Running, protocol: str
) -> None:
    with encrypted(tmp_path, certificates.broker) as broker:
        async with running(broker.port, protocol=protocol) as subject:
            await until(lambda: subject.counters.last_error)
            assert subject.receiver.limits is None


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("/nowhere/ca.pem", None, None), "mqtt.ca_file = '/nowhere/ca.pem': no such file"),
        ((__file__, None, None), "mqtt.ca_file"),
        ((None, "/nowhere/agent.pem", "/nowhere/agent.key"), "mqtt.cert_file = '/nowhere/agent.pem': no such file"),
        ((None, None, "/nowhere/agent.key"), "mqtt.key_file is set, but mqtt.cert_file is not"),
        ((None, __file__, __file__), "do not hold a certificate and its own key"),
    ],
)
def test_files_that_cannot_be_used(files: tuple[str | None, str | None, str | None], words: str) -> None:
    with pytest.raises(SettingsError, match="mqtt") as caught:
        tls_context(*files)
    assert words in str(caught.value)


def test_a_key_that_belongs_to_another_certificate(certificates: Certificates) -> None:
    with pytest.raises(SettingsError, match="its own key"):
        tls_context(None, certificates.client.cert_file, certificates.broker.key_file)
