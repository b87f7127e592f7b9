"""A real Kafka for tests: the node of `make cluster` on free loopback ports, and what tests need besides."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, Self

from agent.commands.kafka_node import FORMAT, JARS, RUN, fetch_command, keep_jars, properties
from agent.commands.ports import free_port

READY_S: Final = 60.0

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


def fetch_jars() -> None:
    """Fetch Kafka's jars if they are not there yet."""
    if not JARS.is_dir():
        partial = JARS.with_name(f"{JARS.name}.{os.getpid()}")
        partial.mkdir(parents=True)
        subprocess.run(
            fetch_command(partial),
            check=True,
            capture_output=True,
            timeout=600,
        )
        keep_jars(partial)
        shutil.rmtree(partial, ignore_errors=True)


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
        text = properties(self.folder, plain=self._plain_port, controller=free_port(), listener=listener)
        text += "group.min.session.timeout.ms=1000\n"
        users: tuple[str, ...] = ()
        if pem_file is not None:
            text += SECURED.format(pem_file=pem_file, user=USER, password=PASSWORD)
            users = ("--add-scram", f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]")
        self._properties.write_text(text, encoding="utf-8")
        fetch_jars()
        self._run(*FORMAT, str(self._properties), *users).wait(timeout=60)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def _run(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(words, stdout=log, stderr=log)

    def start(self) -> Self:
        """Run, and return once the node answers."""
        from confluent_kafka.admin import AdminClient

        self._process = self._run(*RUN, str(self._properties))
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
