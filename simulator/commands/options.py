"""What the simulator's commands have in common: the broker's options and the last line."""

import argparse
import datetime
import os
import sys

from simulator.publisher import DEFAULT_URL, Broker, Summary


def positive(text: str) -> float:
    """A number above 0."""
    value = float(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def positive_int(text: str) -> int:
    """A whole number above 0."""
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def wall_clock(text: str) -> str:
    """The text, if it is HH:MM or "real"."""
    if text != "real":
        datetime.time.fromisoformat(text)
    return text


def broker(text: str) -> str:
    """A broker's URL."""
    try:
        Broker.from_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Where to publish, under which topics, over how many connections."""
    parser.add_argument(
        "--broker",
        type=broker,
        metavar="URL",
        help=f"mqtt[s]://[user:password@]host[:port]; VANPULSE_MQTT__URL, else {DEFAULT_URL}",
    )
    parser.add_argument("--prefix", default="vans", help="first level of the topics (vans)")
    parser.add_argument(
        "--connections",
        type=int,
        default=0,
        metavar="N",
        help="0: one aiomqtt connection (MQTT 3.1.1); N: N lean MQTT 5 connections, for load (0)",
    )


def broker_url(arguments: argparse.Namespace) -> str:
    """The broker's address from the option, the environment, or the default."""
    return arguments.broker or os.environ.get("VANPULSE_MQTT__URL") or DEFAULT_URL


def finish(summary: Summary, *, vans: int) -> None:
    """Print the one line that scripts and people read."""
    again = f", {summary.reconnects} reconnects" if summary.reconnects else ""
    line = f"{summary.messages} messages of {vans} vans in {summary.seconds:.1f} s, all acknowledged{again}"
    sys.stdout.write(line + "\n")


def complain(command: str, error: Exception) -> None:
    """One line on stderr."""
    sys.stderr.write(f"vanpulse {command}: {error}\n")
