"""`vanpulse run`: builds the pipeline from the settings and runs it until a signal."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Protocol

import uvloop

from agent.commands.parts import listen_of, listener_of, subscriptions_file_of, throttle_of
from agent.commands.storage import open_journal, store_of
from agent.compiled_core import describe
from agent.config import Settings, load_fleet
from agent.errors import SettingsError
from agent.journal import SqliteLog
from agent.log_settings import JOURNAL_URL
from agent.mqtt.connect import make_receiver
from agent.mqtt.options import MqttOptions
from agent.pipeline import Pipeline
from agent.receivers import BrokerAndListener
from agent.shard.opening import decoder_of, roster_of
from agent.shard.shard import Shard

log = logging.getLogger(__name__)

ROLES = ("all", "ingest", "process")

GC_THRESHOLDS = (50_000, 20, 50)
"""Rows are made and freed by the thousand and form no cycles: with the default of 700 the collector runs in vain."""

SWITCH_INTERVAL_S = 0.001
"""The longest time that the event loop keeps the interpreter lock while the journal thread waits for it."""


class Agent(Protocol):
    """What runs until it is stopped, in any role."""

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[], None]) -> None:
        """Run until `stop` is set."""
        ...


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The role; all else is in the settings."""
    parser.add_argument(
        "--role",
        choices=ROLES,
        default="all",
        help="`all`: the whole agent, with the journal; `ingest`, `process`: a part, with a log on Kafka",
    )
    parser.epilog = (
        "SIGTERM or Ctrl-C stops the agent in order, a second one at once. Neither loses an acknowledged message."
    )


def run(arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT."""
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_run(settings, arguments.role))
    return 0


async def _run(settings: Settings, role: str) -> None:
    stop = asyncio.Event()
    agent = build_role(settings, role)

    def on_signal() -> None:
        if stop.is_set():
            log.warning("second signal: stopping at once; what is not yet in the store stays in the log")
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    await agent.run(
        stop, on_ready=lambda: log.info("running; health at http://%s/readyz; %s", settings.http.listen, describe())
    )


def build_role(settings: Settings, role: str) -> Agent:
    """The agent of this role. Raises `SettingsError` where role and log do not go together."""
    on_journal = settings.log.url == JOURNAL_URL
    if role == "all":
        if not on_journal:
            raise SettingsError(
                "log.url names a log that several agents share: run them with --role ingest and "
                f"--role process, or set log.url = {JOURNAL_URL!r}"
            )
        if settings.log.sources is not None:
            raise SettingsError("log.sources are for agents that share a log on Kafka: set log.url, or remove them")
        return build(settings)
    if on_journal:
        raise SettingsError(f"--role {role} needs a log on Kafka: set log.url, as in 'kafka://HOST:9092/vans'")
    if settings.gbt32960.listen is not None:
        raise SettingsError("gbt32960.listen works with --role all only: put a gateway before agents that share a log")
    from agent.commands import run_roles  # the client of Kafka is an extra

    return run_roles.build_ingesting(settings) if role == "ingest" else run_roles.build_processing(settings)


def build(settings: Settings) -> Pipeline:
    """The whole agent, made from its settings. Raises `SettingsError` or `LogCorrupt`."""
    fleet = load_fleet(settings.fleet)
    for depot, vehicle_id in fleet.depots_without_entry().items():
        log.warning("fleet.file: van %r names depot %r, which has no entry", vehicle_id, depot)
    roster = roster_of(settings, fleet)
    decoder = decoder_of(settings, roster)
    store = store_of(settings.store)
    journal = open_journal(settings.journal)
    mqtt = MqttOptions.from_settings(settings.mqtt, decoder.topic_filters())
    receiver = make_receiver(
        mqtt,
        session_expected=journal.status.next_offset > 0,
        subscriptions_file=subscriptions_file_of(settings),
    )
    listener = listener_of(settings, roster)
    return Pipeline(
        receiver=receiver if listener is None else BrokerAndListener(receiver, listener),
        listener=None if listener is None else listener.counters,
        log=SqliteLog(journal),
        shard=Shard(decoder, roster),
        throttle=throttle_of(settings, decoder),
        store=store,
        batch_points=settings.store.batch_points,
        flush_s=settings.store.flush_ms / 1000,
        checkpoint_every_s=settings.journal.checkpoint_every_s,
        durable_after_s=settings.store.durable_after_s,
        alert_prefix=f"{settings.mqtt.prefix}-alerts",
        listen=listen_of(settings),
    )
