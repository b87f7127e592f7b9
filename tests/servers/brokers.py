"""Other people's brokers on loopback: each as its maker ships it, with free ports and a folder of its own.

Maven and npm fetch what they need once, into the user's cache; later runs use that.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Final

from agent.commands.ports import free_port
from tests.servers.certificates import Authority
from tests.servers.mosquitto import BrokerTls, Mosquitto
from tests.servers.programs import find_program

HERE: Final = Path(__file__).parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vanpulse"
READY_S: Final = 60.0
FETCH_S: Final = 600.0
JAVA_OPTIONS: Final = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData")
STORE_PASSWORD: Final = "loopback"


class Broker(ABC):
    """One broker with three listeners: MQTT, MQTT over TLS, and WebSocket."""

    name: ClassVar[str]
    protocols: ClassVar[tuple[str, ...]]
    programs: ClassVar[tuple[str, ...]]
    package: ClassVar[str]
    """What to install where a program is missing."""
    websocket_path: ClassVar[str] = "/mqtt"
    keeps_sessions: ClassVar[bool] = True
    """Whether sessions and messages survive a kill."""
    marks_retained: ClassVar[bool] = True
    """Whether a retained message says that it is one."""
    unsubscribes_all: ClassVar[bool] = True
    """Whether UNSUBSCRIBE ends what an earlier connection of the session has subscribed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / self.name
        self.folder.mkdir(parents=True)
        self.authority = Authority(folder / f"{self.name}-authority")
        self.port, self.tls_port, self.websocket_port = free_port(), free_port(), free_port()
        self._certificate = self.authority.issue("broker", hosts=("IP:127.0.0.1",))
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def missing(cls) -> str | None:
        """What to install so that it can run; None when everything is there."""
        programs = [name for name in cls.programs if find_program(name) is None]
        return f"{', '.join(programs)} missing: apt-get install {cls.package}" if programs else None

    @property
    def log(self) -> str:
        """Everything it has printed, over all starts."""
        return (self.folder / "log").read_text(errors="replace")

    @abstractmethod
    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """The command that starts it, and what it needs in the environment; writes its configuration."""

    def start(self) -> None:
        """Start it, and return once it accepts connections on every port."""
        command, environment = self.command()
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=os.environ | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + READY_S
        for port in (self.port, self.tls_port, self.websocket_port):
            while not _listens(port):
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    self.kill()
                    raise RuntimeError(f"{self.name} did not start:\n{self.log[-3000:]}")
                time.sleep(0.02)

    def kill(self) -> None:
        """End it, with the processes that it has started, as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def stop(self) -> None:
        """End it for good."""
        self.kill()

    def _key_store(self) -> Path:
        """Certificate and key in the form that Java reads."""
        store = self.folder / "keys.p12"
        if not store.exists():
            cert, key = self._certificate
            words = ("pkcs12", "-export", "-name", "broker", "-passout", f"pass:{STORE_PASSWORD}", "-out", str(store))
            subprocess.run(["openssl", *words, "-in", str(cert), "-inkey", str(key)], check=True, capture_output=True)
        return store


class MosquittoBroker(Broker):
    """The Mosquitto that is installed, 2.0 or 2.1."""

    name = "mosquitto"
    protocols = ("5", "3.1.1")
    programs = ("mosquitto", "openssl")
    package = "mosquitto openssl"

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """The configuration is written by `Mosquitto`."""
        tls = BrokerTls(*self._certificate)
        lines = [f"listener {self.tls_port} 127.0.0.1", f"certfile {tls.cert_file}", f"keyfile {tls.key_file}"]
        lines += [f"listener {self.websocket_port} 127.0.0.1", "protocol websockets", "autosave_interval 1"]
        # Saved at each change, so that a kill loses nothing.
        lines += ["autosave_on_changes true"]
        folder = self.folder / f"mosquitto-{self.port}"
        if not folder.exists():
            Mosquitto(self.folder, port=self.port, persistence=True, max_queued_messages=10_000, extra="\n".join(lines))
        program = find_program("mosquitto")
        assert program is not None
        return [program, "-c", str(folder / "mosquitto.conf"), "-v"], {}


class RabbitMq(Broker):
    """RabbitMQ with its MQTT plugins: an Erlang node with a port mapper of its own."""

    name = "rabbitmq"
    protocols = ("3.1.1",)  # MQTT 5 came with RabbitMQ 3.13
    programs = ("rabbitmq-server", "epmd", "openssl")
    package = "rabbitmq-server openssl"
    unsubscribes_all = False
    websocket_path = "/ws"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._distribution_port, self._mapper_port = free_port(), free_port()

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """The script of the package drops its rights and writes elsewhere, so the one behind it is called."""
        cert, key = self._certificate
        lines = [
            "listeners.tcp = none",
            f"mqtt.listeners.tcp.1 = 127.0.0.1:{self.port}",
            f"mqtt.listeners.ssl.1 = 127.0.0.1:{self.tls_port}",
            "mqtt.allow_anonymous = true",
            "web_mqtt.tcp.ip = 127.0.0.1",
            f"web_mqtt.tcp.port = {self.websocket_port}",
            f"ssl_options.cacertfile = {self.authority.cert_file}",
            f"ssl_options.certfile = {cert}",
            f"ssl_options.keyfile = {key}",
            "distribution.listener.interface = 127.0.0.1",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
        ]
        (self.folder / "rabbitmq.conf").write_text("\n".join([*lines, ""]))
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt, rabbitmq_web_mqtt].\n")
        return ["/usr/lib/rabbitmq/bin/rabbitmq-server"], {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"vanpulse{self.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "none"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._mapper_port),
        }

    def stop(self) -> None:
        """End the port mapper too, which has left the process group."""
        self.kill()
        own = os.environ | {"ERL_EPMD_PORT": str(self._mapper_port)}
        subprocess.run(["epmd", "-kill"], env=own, check=False, capture_output=True, timeout=30)


class HiveMq(Broker):
    """HiveMQ Community Edition. It needs an extension in Java, so a compiler has to be there."""

    name = "hivemq"
    protocols = ("5", "3.1.1")
    programs = ("javac", "mvn", "openssl")
    package = "default-jdk-headless maven openssl"

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """A source file that Java compiles when it starts."""
        store = f"<path>{self._key_store()}</path><password>{STORE_PASSWORD}</password>"
        key_store = f"<keystore>{store}<private-key-password>{STORE_PASSWORD}</private-key-password></keystore>"
        address = "<bind-address>127.0.0.1</bind-address>"
        (self.folder / "config.xml").write_text(
            '<?xml version="1.0"?><hivemq><listeners>'
            f"<tcp-listener><port>{self.port}</port>{address}</tcp-listener>"
            f"<tls-tcp-listener><port>{self.tls_port}</port>{address}<tls>{key_store}</tls></tls-tcp-listener>"
            f"<websocket-listener><port>{self.websocket_port}</port>{address}<path>/mqtt</path></websocket-listener>"
            "</listeners><anonymous-usage-statistics><enabled>false</enabled></anonymous-usage-statistics></hivemq>"
        )
        jars = _fetched("hivemq-2025.5", _maven(HERE / "hivemq" / "pom.xml"))
        source = str(HERE / "hivemq" / "Broker.java")
        return ["java", *JAVA_OPTIONS, "-cp", f"{jars}/*", source, str(self.folder), str(self.folder)], {}


class Moquette(Broker):
    """Moquette 0.17, which knows MQTT 3.1.1."""

    name = "moquette"
    protocols = ("3.1.1",)
    programs = ("java", "mvn", "openssl")
    package = "default-jre-headless maven openssl"
    keeps_sessions = False  # it saves each 30 s
    marks_retained = False

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """Its server reads `config/moquette.conf` below `moquette.path`."""
        lines = [
            "host 127.0.0.1",
            f"port {self.port}",
            f"ssl_port {self.tls_port}",
            f"jks_path {self._key_store()}",
            "key_store_type pkcs12",
            f"key_store_password {STORE_PASSWORD}",
            f"key_manager_password {STORE_PASSWORD}",
            f"websocket_port {self.websocket_port}",
            "websocket_path /mqtt",
            "allow_anonymous true",
            "persistence_enabled true",
            f"data_path {self.folder / 'data'}",
            "telemetry_enabled false",
        ]
        for name in ("config", "data"):
            (self.folder / name).mkdir(exist_ok=True)
        (self.folder / "config" / "moquette.conf").write_text("\n".join([*lines, ""]))
        jars = _fetched("moquette-0.17", _maven(HERE / "moquette" / "pom.xml"))
        path = f"-Dmoquette.path={self.folder}"
        return ["java", *JAVA_OPTIONS, path, "-cp", f"{jars}/*", "io.moquette.broker.Server"], {}


class Aedes(Broker):
    """aedes on Node.js, with its sessions in memory."""

    name = "aedes"
    protocols = ("3.1.1",)
    programs = ("node", "npm", "openssl")
    package = "nodejs npm openssl"
    keeps_sessions = False

    def command(self) -> tuple[Sequence[str], dict[str, str]]:
        """A script that makes the three listeners."""
        modules = _fetched("aedes-1.0.2", _npm(HERE / "aedes" / "package.json")) / "node_modules"
        ports = [str(port) for port in (self.port, self.tls_port, self.websocket_port)]
        files = [str(file) for file in self._certificate]
        return ["node", str(HERE / "aedes" / "broker.js"), *ports, *files], {"NODE_PATH": str(modules)}


BROKERS: Final[tuple[type[Broker], ...]] = (MosquittoBroker, Aedes, Moquette, RabbitMq, HiveMq)
"""The quick ones first."""


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
    except OSError:
        return False
    return True


def _maven(pom: Path) -> Callable[[Path], Sequence[str]]:
    return lambda folder: [
        *("mvn", "-q", "-B", "-f", str(pom), "dependency:copy-dependencies", f"-DoutputDirectory={folder}")
    ]


def _npm(package: Path) -> Callable[[Path], Sequence[str]]:
    def command(folder: Path) -> Sequence[str]:
        shutil.copy(package, folder)
        return ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder)]

    return command


def _fetched(name: str, command_for: Callable[[Path], Sequence[str]]) -> Path:
    """The folder of this name in the cache; a command fills it when it is not there yet."""
    folder = CACHE / name
    if not folder.is_dir():
        partial = folder.with_name(f"{name}.{os.getpid()}")
        partial.mkdir(parents=True)
        subprocess.run(command_for(partial), check=True, capture_output=True, timeout=FETCH_S)
        with contextlib.suppress(OSError):  # somebody else was faster
            partial.rename(folder)
        shutil.rmtree(partial, ignore_errors=True)
    return folder
