"""`vanpulse run`: build the pipeline from the settings and run it until a signal."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys

import uvloop

from agent.commands.components import receiver_of
from agent.commands.storage import open_journal, store_of
from agent.config import Settings, load_fleet
from agent.pipeline import Pipeline
from agent.shard.opening import decoder_of, roster_of
from agent.shard.shard import Shard
from agent.throttle import LEAST_BURST, Throttle

log = logging.getLogger(__name__)

GC_THRESHOLDS = (50_000, 20, 50)
"""Rows by the thousand are made and let go together; looking for cycles among them every 700 would be in vain."""

SWITCH_INTERVAL_S = 0.001
"""How long the event loop may keep the interpreter while the journal thread waits to go on after a sync."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The daemon is configured by its settings alone."""
    parser.epilog = "SIGTERM or Ctrl-C ends it in order; a second one at once. Neither loses what was acknowledged."


def run(_arguments: argparse.Namespace, settings: Settings) -> int:
    """Run until SIGTERM or SIGINT."""
    gc.set_threshold(*GC_THRESHOLDS)
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    uvloop.run(_run(settings))
    return 0


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    pipeline = build(settings)

    def on_signal() -> None:
        if stop.is_set():
            log.warning("second signal: ending at once; the journal keeps what is not in the store")
            os._exit(1)
        stop.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    await pipeline.run(stop, on_ready=lambda: log.info("running; health at http://%s/readyz", settings.http.listen))


def build(settings: Settings) -> Pipeline:
    """The whole agent from its settings. Raises `SettingsError` or `JournalCorrupt`."""
    fleet = load_fleet(settings.fleet)
    for depot, vehicle_id in fleet.depots_without_entry().items():
        log.warning("fleet.file: van %r is of depot %r, which has no entry", vehicle_id, depot)
    roster = roster_of(settings, fleet)
    decoder = decoder_of(settings, roster)
    store = store_of(settings.store)
    journal = open_journal(settings.journal)
    receiver = receiver_of(settings, decoder, session_expected=journal.counters.next_offset > 0)
    host, _, port = settings.http.listen.rpartition(":")
    return Pipeline(
        receiver=receiver,
        journal=journal,
        shard=Shard(decoder, roster),
        throttle=Throttle(
            decoder.sender,
            rate_per_s=settings.fleet.messages_per_s,
            # All that a van can have kept back and that is not too old, at a reading a second.
            burst=max(LEAST_BURST, round(settings.fleet.max_age_s)),
        ),
        store=store,
        batch_points=settings.store.batch_points,
        flush_s=settings.store.flush_ms / 1000,
        checkpoint_every_s=settings.journal.checkpoint_every_s,
        durable_after_s=settings.store.durable_after_s,
        alert_prefix=f"{settings.mqtt.prefix}-alerts",
        listen=(host.strip("[]"), int(port)),
    )
