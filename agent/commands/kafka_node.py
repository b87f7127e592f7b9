"""One Kafka node for a trial on this machine: what it needs, its jars and its settings.

Broker and controller are one process on the loopback interface, without replication. Maven fetches the jars once
(46 files, 44 MB); later runs use the folder. Java 17 and Maven are needed.
"""

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

POM: Final = Path(__file__).parents[2] / "deploy" / "kafka" / "pom.xml"
JARS: Final = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "vanpulse" / "kafka-4.3.1"
CLUSTER_ID: Final = "dmFucHVsc2UtdGVzdGtmaw"
LEAST_JAVA: Final = 17
JAVA: Final = ("java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*")
FORMAT: Final = (*JAVA, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c")
RUN: Final = (*JAVA, "kafka.Kafka")
"""To each of both belongs the path of the properties."""

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
"""


def what_is_missing() -> str | None:
    """What to install so that Kafka can run; None when everything is there."""
    java = shutil.which("java")
    programs = ["java"] if java is None else []
    if not JARS.is_dir() and shutil.which("mvn") is None:
        programs.append("mvn")
    if java is None or programs:
        return f"{', '.join(programs)} missing: apt-get install default-jre-headless maven"
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr  # noqa: S603  # found above
    version = re.search(r'version "(\d+)', said)
    if version is not None and int(version[1]) < LEAST_JAVA:
        return (
            f"Java {LEAST_JAVA} or newer is needed, and this is {version[1]}: apt-get install openjdk-17-jre-headless"
        )
    return None


def fetch_command(folder: Path) -> tuple[str, ...]:
    """The command that copies the jars into this folder, which Maven makes."""
    return ("mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={folder}")


def keep_jars(partial: Path) -> None:
    """Put the fetched jars where they are looked for."""
    with contextlib.suppress(OSError):  # somebody else was faster
        partial.rename(JARS)


def properties(folder: Path, *, plain: int, controller: int, listener: str = "") -> str:
    """The content of a properties file; `plain` and `controller` are ports. `listener` is added to the listeners."""
    return PROPERTIES.format(folder=folder, plain=plain, controller=controller, listener=listener)
