"""The measurements. All give CPU time of the agents, which is the same whatever else the machine does, or ratios."""

import asyncio
import os
import signal
import time
from pathlib import Path
from statistics import median
from typing import Final, NamedTuple

from agent.kafka.owner import PartitionOwner
from agent.kafka.partition_log import PartitionLog
from agent.kafka.topics import Topics, TopicShape, ensure
from agent.shard.shard import Shard
from benchmarks.scale.cluster import Fleet, Records, one_machine, role_agents, wanted_s
from benchmarks.sleeping import Load as ShardLoad
from benchmarks.speed.whole import PAUSE_S, WAIT_S, Load, peak_bytes
from tests.servers.agent import wait_for
from tests.servers.kafka import KafkaServer, settings
from tests.servers.mosquitto import Mosquitto

WARM_UP_TURNS: Final = 3
PARTITION_VANS: Final = 8000
"""The most vans that a partition should have."""


class Compared(NamedTuple):
    """CPU of both forms for the same readings, in µs per message: the median of the rounds."""

    machine_us: float
    process_us: float
    ratio: float
    """The median of the ratios of a round."""


def beside_one_machine(
    directory: Path, kafka: KafkaServer, *, count: int, vans: int, partitions: int, rounds: int
) -> Compared:
    """The daemon on its journal and a processing agent on packed records, in turn in each round."""
    records = Records(kafka, f"beside-{vans}", partitions=partitions)
    fleet = Fleet(vans)
    with Mosquitto(directory, max_queued_messages=10_000_000) as broker:
        machine = one_machine(directory, mqtt_url=broker.url)
        process = role_agents(directory, "process", mqtt_url=broker.url, log_url=records.url)
        load = Load(broker.port, vans)
        found: list[tuple[float, float]] = []
        done = 0
        for number in range(rounds + 1):
            some = count if number else WARM_UP_TURNS * vans
            done += some
            before_s = machine.cpu_s
            load.publish(some)
            machine.wait_stored(done)
            machine_us = (machine.cpu_s - before_s) / some * 1e6
            before_s = process.cpu_s
            records.put(fleet.next(some))
            process.wait_stored(done)
            process_us = (process.cpu_s - before_s) / some * 1e6
            if number:  # in the first round the vans become known
                found.append((machine_us, process_us))
        process.stop()
        machine.stop()
    return Compared(
        median(machine for machine, _ in found),
        median(process for _, process in found),
        median(process / machine for machine, process in found),
    )


def ingest_us(directory: Path, kafka: KafkaServer, *, count: int, vans: int, partitions: int, rounds: int) -> float:
    """CPU of an ingesting agent at saturation, in µs per message: messages wait at the broker all the time."""
    records = Records(kafka, "ingest", partitions=partitions)
    with Mosquitto(directory, max_queued_messages=10_000_000) as broker:
        ingest = role_agents(directory, "ingest", mqtt_url=broker.url, log_url=records.url)
        (agent,) = ingest.agents
        load = Load(broker.port, vans)
        found = []
        done = 0
        for _ in range(rounds):
            before_s = ingest.cpu_s
            os.kill(agent.pid, signal.SIGSTOP)
            load.publish(count)
            os.kill(agent.pid, signal.SIGCONT)
            done += count
            wait_for(
                lambda: agent.metrics().get("acks_sent_total", 0) >= done,  # noqa: B023  # called in this round only
                "the acknowledgements",
                timeout_s=WAIT_S,
                pause_s=PAUSE_S,
            )
            found.append((ingest.cpu_s - before_s) / count * 1e6)
        ingest.stop()
    return median(found)


class Busy(NamedTuple):
    """How processing agents use a machine while they work through a backlog."""

    us: float
    """CPU of all agents per message."""
    per_s: float
    """Messages of all agents."""
    wanted_cores: float
    """Of the least busy agent: the mean number of cores that its threads used or waited for."""
    peak_mb: float
    """The largest resident memory of an agent."""


def backlog(
    directory: Path, kafka: KafkaServer, *, count: int, vans: int, partitions: int, agents: int, topic: str
) -> Busy:
    """Let agents work through `count` messages that are in the log already."""
    records = Records(kafka, topic, partitions=partitions)
    fleet = Fleet(vans)
    with Mosquitto(directory) as broker:
        process = role_agents(directory, "process", count=agents, mqtt_url=broker.url, log_url=records.url)
        records.put(fleet.next(WARM_UP_TURNS * vans))
        process.wait_stored(WARM_UP_TURNS * vans)
        wait_for(
            lambda: all(agent.metrics().get("vans") for agent in process.agents),
            "each agent to have partitions",
            timeout_s=WAIT_S,
        )
        before_s, wanted_before_s = process.cpu_s, [wanted_s(agent) for agent in process.agents]
        began = time.monotonic()
        records.put(fleet.next(count))
        process.wait_stored(WARM_UP_TURNS * vans + count)
        seconds = time.monotonic() - began
        wanted = [wanted_s(agent) - spent_s for agent, spent_s in zip(process.agents, wanted_before_s, strict=True)]
        cpu_s = process.cpu_s - before_s
        peak = max(peak_bytes(agent.pid) for agent in process.agents)
        process.stop()
    return Busy(cpu_s / count * 1e6, count / seconds, min(wanted) / seconds, peak / 1e6)


class Restored(NamedTuple):
    """A processing agent's start with all partitions of a fleet."""

    seconds: float
    """Until the states of all vans are taken up, from a Kafka on the same machine."""
    cpu_s: float
    state_bytes: float
    """Of one van."""


def restore(kafka: KafkaServer, *, vans: int, rounds: int) -> Restored:
    """Take over partitions with so many vans, in this process, as an agent does: all partitions at once.

    Other work on the machine can only make it longer, so the shortest of the rounds counts.
    """
    partitions = -(-vans // PARTITION_VANS)
    topics = Topics.of(f"restore-{vans}")
    client = settings(kafka)
    ensure(client, topics, TopicShape(partitions, replication=1))
    size = 0
    for partition in range(partitions):
        states = states_of(len(range(partition, vans, partitions)))
        size += sum(map(len, states.values()))
        PartitionOwner(client, topics, partition).checkpoint(0, states, [])

    async def take_all() -> tuple[float, float]:
        began, began_cpu = time.monotonic(), time.process_time()
        logs = [PartitionLog(client, topics, partition) for partition in range(partitions)]
        shards = await asyncio.gather(*(take(log, number) for number, log in enumerate(logs)))
        found = time.monotonic() - began, time.process_time() - began_cpu
        if sum(len(shard.vans) for shard in shards) != vans:
            raise RuntimeError("not all vans were restored")
        for log in logs:
            await log.close()
        return found

    async def take(log: PartitionLog, number: int) -> Shard:
        shard = ShardLoad(vans, sleeping=True).shard
        shard.restore((await log.load(number)).states)
        return shard

    seconds, cpu_s = min(asyncio.run(take_all()) for _ in range(rounds))
    return Restored(seconds, cpu_s, size / vans)


def states_of(vans: int) -> dict[str, bytes]:
    """The checkpoint of a shard whose vans have reported."""
    load = ShardLoad(vans, sleeping=True)
    for _ in range(WARM_UP_TURNS):
        load.report(range(vans))
        load.tick()
    return {key: state for part in load.shard.snapshot() for key, state in part.items()}
