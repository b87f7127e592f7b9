"""`replay`: publishes recorded drives to a broker."""

import argparse
import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

from simulator.commands.options import add_broker, broker_url, complain, fields, finish, positive, topic_prefix
from simulator.publisher import Outgoing, SendSummary, Unreachable, make_sender
from simulator.recordings import FORMATS, RecordingError, Thinning, load, timeline


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="recorded drives")
    parser.add_argument("--format", choices=FORMATS, help="what the files are; else the first line tells")
    parser.add_argument("--speedup", type=positive, metavar="N", help="N times as fast as recorded; else at once")
    parser.add_argument("--thin", type=positive, metavar="SECONDS", help="one reading in so many seconds, and the last")
    parser.add_argument("--soc-step", type=positive, metavar="PCT", help="round the state of charge to this step")
    parser.add_argument("--hide", type=fields, default=(), metavar="FIELD,...", help="leave out these fields")
    parser.add_argument("--faults", default="", metavar="NAME,...", help='faults of real vans by name, or "all"')
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="same seed, same faults (1)")
    parser.add_argument("--vehicle", metavar="ID", help="send everything as this vehicle")
    add_broker(parser)


def run(arguments: argparse.Namespace) -> int:
    """Publish the recordings; the exit status."""
    try:
        recordings = [
            recording
            for path in arguments.files
            for recording in load(path, format_name=arguments.format, vehicle_id=arguments.vehicle)
        ]
        url = broker_url(arguments)
    except (RecordingError, ValueError) as error:
        complain("replay", error)
        return 2
    thinning = Thinning(period_s=arguments.thin, soc_step_pct=arguments.soc_step, hidden=frozenset(arguments.hide))
    try:
        messages = timeline(
            recordings,
            end_ms=int(time.time() * 1000),
            thinning=thinning,
            prefix=topic_prefix(arguments),
            faults=tuple(name for name in arguments.faults.split(",") if name),
            seed=arguments.seed,
        )
    except ValueError as error:
        complain("replay", error)
        return 2
    vans = len({recording.vehicle_id for recording in recordings})
    try:
        summary = asyncio.run(_publish(messages, url, arguments))
    except Unreachable as error:
        complain("replay", error)
        return 1
    finish(summary, vans=vans)
    return 0


async def _publish(messages: list[tuple[int, Outgoing]], url: str, arguments: argparse.Namespace) -> SendSummary:
    sender = make_sender(url, connections=arguments.connections)
    async with sender:
        async for batch in _paced(messages, arguments.speedup):
            await sender.send(batch)
        await sender.drain()
    return sender.summary


async def _paced(messages: list[tuple[int, Outgoing]], speedup: float | None) -> AsyncIterator[list[Outgoing]]:
    """Batches of messages, all at once or each at its time."""
    if speedup is None:
        for start in range(0, len(messages), 500):
            yield [message for _, message in messages[start : start + 500]]
        return
    started = time.monotonic()
    first_ms = messages[0][0] if messages else 0
    at = 0
    while at < len(messages):
        now_ms = first_ms + (time.monotonic() - started) * 1000.0 * speedup
        end = at
        while end < len(messages) and end - at < 500 and messages[end][0] <= now_ms:
            end += 1
        if end == at:
            await asyncio.sleep((messages[at][0] - now_ms) / 1000.0 / speedup)
            continue
        yield [message for _, message in messages[at:end]]
        at = end
