"""Builds the agents of `vanpulse run --role ingest` and `--role process`, which share a log on Kafka."""

import asyncio
import os
from collections.abc import Callable
from functools import partial

import msgspec

from agent.commands.kafka_log import KafkaPlace, client_of, instance_of, open_kafka
from agent.commands.parts import identify_of, listen_of, subscriptions_file_of, throttle_of
from agent.commands.sources import decoder_of_sources, sources_of
from agent.commands.storage import store_of
from agent.config import Settings
from agent.fleet_roll_ups import FleetRollUps, say_parts
from agent.ingesting import IngestingAgent
from agent.kafka.ingest_log import IngestLog
from agent.kafka.lease import Lease
from agent.kafka.membership import Membership
from agent.kafka.partition_log import PartitionLog
from agent.kafka.roll_ups import RollUpReader, RollUpWriter
from agent.kafka.source_topic import begin_term, ensure_sources, sources_topic
from agent.kafka.topic_watch import TopicWatch
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.owned_partition import OwnedPartition, PartitionSettings
from agent.processing import ProcessingAgent
from agent.shard.opening import roster_of
from agent.shard.shard import Shard
from agent.shared_store import SharedStore
from agent.source_run import SourceRun
from agent.starting import Starting

ANSWER_S = 2.0
"""At the start the brokers are asked again and again, each time for so long."""


class Watched:
    """An agent that runs while its topics are watched."""

    def __init__(self, agent: IngestingAgent | ProcessingAgent, watch: TopicWatch) -> None:
        agent.vitals.topic_problems = watch.problems
        self._agent = agent
        self._watch = watch

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None]) -> None:
        """Run until `stop` is set."""
        watching = asyncio.create_task(self._watch.run(), name="topics")
        try:
            await self._agent.run(stop, on_ready=on_ready)
        finally:
            watching.cancel()


def build_ingesting(settings: Settings) -> Starting[KafkaPlace]:
    """The agent that receives. Raises `SettingsError`."""
    sources = sources_of(settings, roster_of(settings))
    options = [MqttOptions.from_settings(each.mqtt, each.decoder.topic_filters()) for each in sources]
    client_of(settings.log)  # a wrong setting is found now, not when Kafka answers

    def take(place: KafkaPlace, unsafe: Callable[[], str | None], number: int) -> SourceRun:
        source, decoder = sources[number], sources[number].decoder
        return SourceRun(
            source.name,
            log=IngestLog(
                place.client,
                place.topics.messages,
                partitions=place.partitions,
                source=source.name,
                identify=identify_of(decoder),
                unsafe=unsafe,
                next_term=partial(
                    begin_term, place.client, place.topics.messages, number, instance=instance_of(settings.log)
                ),
            ),
            connect=lambda session_expected: make_receiver(
                options[number],
                session_expected=session_expected,
                subscriptions_file=subscriptions_file_of(settings),
            ),
            sender_of=decoder.sender,
            throttle=throttle_of(settings, decoder),
        )

    def build(place: KafkaPlace) -> Watched:
        watch = TopicWatch(place.client, place.topics)
        lease = Lease()

        def unsafe() -> str | None:
            if lease.is_held():
                return watch.unsafe()
            return f"Kafka at {place.client['bootstrap.servers']} does not answer: is the source still ours?"

        agent = IngestingAgent(
            names=[each.name for each in sources],
            join=partial(Membership, place.client, sources_topic(place.topics.messages), lease=lease),
            take=partial(take, place, unsafe),
            listen=listen_of(settings),
        )
        return Watched(agent, watch)

    def reach() -> KafkaPlace:
        place = _reach(settings)()
        ensure_sources(place.client, place.topics.messages, sources=len(sources), replication=settings.log.replication)
        return place

    return Starting(reach=reach, build=build, listen=listen_of(settings))


def build_processing(settings: Settings) -> Starting[KafkaPlace]:
    """The agent that processes. Raises `SettingsError`."""
    roster = roster_of(settings)
    decoder_of_sources(settings, roster)  # a wrong setting is found now, not when the first partition comes
    client_of(settings.log)
    options = MqttOptions.from_settings(settings.mqtt, ())
    instance = instance_of(settings.log)
    # The broker keeps nothing for a connection that only publishes, so a new name at each start does no harm.
    client_id = f"{options.client_id}-alerts-{instance}-{os.getpid()}"
    connection = make_receiver(msgspec.structs.replace(options, client_id=client_id, session_expiry_s=0))
    store = store_of(settings.store)
    shared = SharedStore(store, durable_after_s=settings.store.durable_after_s)

    def take(place: KafkaPlace, say: RollUpWriter, number: int) -> OwnedPartition:
        log = PartitionLog(place.client, place.topics, number)
        durable_after_s = settings.store.durable_after_s
        return OwnedPartition(
            number,
            log_of_messages=log,
            shard=Shard(decoder_of_sources(settings, roster), roster, is_whole=False),
            store=shared.view(),
            settings=PartitionSettings(
                batch_points=settings.store.batch_points,
                flush_s=settings.store.flush_ms / 1000,
                checkpoint_every_s=settings.journal.checkpoint_every_s,
                durable_after_s=durable_after_s,
                alert_prefix=f"{settings.mqtt.prefix}-alerts",
            ),
            publish=connection.publish,
            subscribed_since_ms=lambda: connection.counters.subscribed_since_ms,
            say_parts=partial(say_parts, say, number),
            roll_ups=None
            if number
            else FleetRollUps(
                partial(RollUpReader, place.client, place.topics.roll_ups),
                log,
                shared.view(),
                shards=place.partitions,
                durable_after_s=durable_after_s,
            ),
        )

    def build(place: KafkaPlace) -> Watched:
        agent = ProcessingAgent(
            connection=connection,
            join=partial(Membership, place.client, place.topics.messages),
            take=partial(take, place, RollUpWriter(place.client, place.topics.roll_ups)),
            store=store,
            listen=listen_of(settings),
            instance=instance,
        )
        return Watched(agent, TopicWatch(place.client, place.topics))

    return Starting(reach=_reach(settings), build=build, listen=listen_of(settings))


def _reach(settings: Settings) -> Callable[[], KafkaPlace]:
    return partial(open_kafka, settings.log, answer_s=ANSWER_S)
