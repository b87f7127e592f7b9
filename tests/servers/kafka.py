"""A real Kafka for tests: one node, broker and controller in one process, on free loopback ports.

Maven fetches its jars once (46 files, 44 MB); later runs use the folder. Java 17 and Maven are needed.
"""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from agent.commands.ports import free_port

POM: Final = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
JARS: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vanpulse" / "kafka-4.3.1"
CLUSTER_ID: Final = "dmFucHVsc2UtdGVzdGtmaw"
READY_S: Final = 60.0

JAVA_OPTIONS: Final = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

PROPERTIES: Final = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{plain},CONTROLLER://127.0.0.1:{controller}{listener}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain}{listener}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL
inter.broker.listener.name=PLAINTEXT
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
"""

USER: Final = "vans"
PASSWORD: Final = "open-sesame"
SECURED: Final = """
ssl.keystore.type=PEM
ssl.keystore.location={pem_file}
sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.sasl_ssl.plain.sasl.jaas.config=\
  org.apache.kafka.common.security.plain.PlainLoginModule required user_{user}="{password}";
"""


def what_is_missing() -> str | None:
    """What to install so that Kafka can run; None when everything is there."""
    programs = [name for name in ("java", "mvn") if shutil.which(name) is None]
    if not programs or (JARS.is_dir() and programs == ["mvn"]):
        return None
    return f"{', '.join(programs)} missing: apt-get install default-jre-headless maven"


def jars() -> Path:
    """The folder of Kafka's jars, fetched when it is not there yet."""
    if not JARS.is_dir():
        partial = JARS.with_name(f"{JARS.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        subprocess.run(
            ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={partial}"],
            check=True,
            capture_output=True,
            timeout=600,
        )
        with contextlib.suppress(OSError):  # somebody else was faster
            partial.rename(JARS)
        shutil.rmtree(partial, ignore_errors=True)
    return JARS


class KafkaServer:
    """One node with a fresh folder.

    With `pem_file`, a key and its certificate, `port` needs TLS and the login `USER` by SCRAM-SHA-512 or PLAIN.
    """

    def __init__(self, *, pem_file: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kafka-"))
        self._plain_port = free_port()
        self.port = self._plain_port if pem_file is None else free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._properties = self.folder / "server.properties"
        listener = "" if pem_file is None else f",SASL_SSL://127.0.0.1:{self.port}"
        text = PROPERTIES.format(plain=self._plain_port, controller=free_port(), folder=self.folder, listener=listener)
        users: tuple[str, ...] = ()
        if pem_file is not None:
            text += SECURED.format(pem_file=pem_file, user=USER, password=PASSWORD)
            users = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        self._properties.write_text(text, encoding="utf-8")
        where = ("-t", CLUSTER_ID, "-c", str(self._properties))
        self._java("kafka.tools.StorageTool", "format", *where, *users).wait(timeout=60)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def _java(self, main: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(
                ["java", *JAVA_OPTIONS, "-cp", f"{jars()}/*", main, *arguments], stdout=log, stderr=log
            )

    def start(self) -> Self:
        """Run, and return once the node answers."""
        from confluent_kafka.admin import AdminClient

        self._process = self._java("kafka.Kafka", str(self._properties))
        deadline = time.monotonic() + READY_S
        admin = AdminClient({"bootstrap.servers": f"127.0.0.1:{self._plain_port}", "log_level": 0})
        while True:
            try:
                if admin.list_topics(timeout=1).brokers:
                    return self
            except Exception as error:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from error

    def kill(self) -> None:
        """End it as a crash would; `start` takes up what it had written."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def kafka_server(*, pem_file: Path | None = None) -> Iterator[KafkaServer]:
    server = KafkaServer(pem_file=pem_file)
    try:
        yield server.start()
    finally:
        server.stop()


def settings(server: KafkaServer) -> dict[str, Any]:
    """What a client of confluent-kafka needs to reach it."""
    return {"bootstrap.servers": server.address}
