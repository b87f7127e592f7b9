"""`simulate`: publishes a fleet of simulated vans to a broker."""

import argparse
import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from simulator.commands.options import (
    add_broker,
    broker_url,
    complain,
    finish,
    moment_s,
    not_negative,
    positive,
    positive_int,
    share,
    topic_prefix,
    wall_clock,
)
from simulator.dialects import DIALECTS
from simulator.publisher import Broker, Outgoing, SendSummary, Unreachable, make_sender
from simulator.simulation import DEFAULT_CLOCK, Plan, Simulation
from simulator.truth import TruthWriter


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--vans", type=positive_int, default=25, metavar="N", help="how many vans (25)")
    parser.add_argument(
        "--rate",
        type=positive,
        metavar="HZ",
        help="messages per second and van; by default one per 10 s awake, fewer asleep",
    )
    parser.add_argument("--speedup", type=positive, default=1.0, metavar="N", help="live time runs N times as fast")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="the same seed gives the same fleet (1)")
    parser.add_argument(
        "--hours", type=not_negative, default=0.0, metavar="N", help="first send the last N hours without waiting"
    )
    parser.add_argument(
        "--buffer",
        type=positive_int,
        default=1,
        metavar="N",
        help="send the past as arrays of up to N readings; native dialect only (1)",
    )
    parser.add_argument(
        "--share",
        type=share,
        default=(1, 1),
        metavar="I/N",
        help="send only the I-th of N equal parts of the fleet, for several brokers or prefixes (1/1)",
    )
    parser.add_argument("--faults", default="", metavar="NAME,...", help='faults of real vans by name, or "all"')
    parser.add_argument("--truth", type=Path, metavar="FILE", help="write the true values as JSON lines")
    parser.add_argument("--dialect", choices=DIALECTS, default="native", metavar="NAME", help=", ".join(DIALECTS))
    parser.add_argument(
        "--clock",
        type=wall_clock,
        default=DEFAULT_CLOCK,
        metavar="HH:MM",
        help=f'local time of a working day at every depot at the start ({DEFAULT_CLOCK}), or "real" for the true time',
    )
    parser.add_argument(
        "--start", type=moment_s, metavar="TIME", help="end of the past, as an RFC 3339 time; by default now"
    )
    parser.add_argument("--fleet-file", type=Path, metavar="FILE", help="write the fleet file for the agent")
    parser.add_argument("--seconds", type=not_negative, metavar="N", help="stop after N seconds of live sending")
    parser.add_argument("--messages", type=positive_int, metavar="N", help="stop after N messages")
    add_broker(parser)


def run(arguments: argparse.Namespace) -> int:
    """Simulate until stopped. Returns the exit status."""
    live_s = int(time.time()) if arguments.start is None else arguments.start
    try:
        simulation = Simulation(
            Plan(
                vans=arguments.vans,
                seed=arguments.seed,
                hours=arguments.hours,
                live_s=live_s,
                rate_hz=arguments.rate,
                clock=arguments.clock,
                prefix=topic_prefix(arguments),
                dialect=arguments.dialect,
                buffer=arguments.buffer if arguments.dialect == "native" else 1,
                share=arguments.share,
                faults=tuple(name for name in arguments.faults.split(",") if name),
            )
        )
    except ValueError as error:
        complain("simulate", error)
        return 2
    try:
        if arguments.fleet_file is not None:
            simulation.write_fleet_file(arguments.fleet_file)
            if arguments.seconds == 0 and arguments.hours == 0:
                return 0
        url = broker_url(arguments)
        truth = TruthWriter(simulation.fleet, arguments.truth) if arguments.truth is not None else None
    except (OSError, ValueError) as error:
        complain("simulate", error)
        return 2
    if Broker.from_url(url).edition is not None and arguments.dialect != "gbt32960":
        complain("simulate", ValueError(f"--broker {url}: give --dialect gbt32960 with it"))
        return 2
    try:
        with truth or contextlib.nullcontext():
            summary = asyncio.run(_publish(simulation, url, arguments))
    except Unreachable as error:
        complain("simulate", error)
        return 1
    finish(summary, vans=arguments.vans)
    return 0


async def _publish(simulation: Simulation, url: str, arguments: argparse.Namespace) -> SendSummary:
    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    retain = simulation.encoder.retain
    sender = make_sender(url, connections=arguments.connections, retain=retain)
    async with sender:
        async for batch in _until(simulation.stream(speedup=arguments.speedup, seconds=arguments.seconds), stop):
            if arguments.messages is not None:
                batch = batch[: arguments.messages - sender.summary.messages]
            await sender.send(batch)
            if sender.summary.messages == arguments.messages:
                break
        else:
            await sender.send(simulation.last())
        await sender.drain()
    return sender.summary


async def _until(batches: AsyncIterator[list[Outgoing]], stop: asyncio.Event) -> AsyncIterator[list[Outgoing]]:
    """The batches until the event is set, even during a wait."""
    stopped = asyncio.ensure_future(stop.wait())
    try:
        while not stop.is_set():
            following = asyncio.ensure_future(anext(batches, None))
            await asyncio.wait([following, stopped], return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                return
            batch = following.result()
            if batch is None:
                return
            yield batch
    finally:
        stopped.cancel()
