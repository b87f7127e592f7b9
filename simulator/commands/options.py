"""Options and output that the commands of the simulator share."""

import argparse
import datetime
import os
import sys

from agent.readings import Reading
from simulator.publisher import DEFAULT_URL, Broker, SendSummary

DEFAULT_PREFIX = "vans"


def positive(text: str) -> float:
    """A number above 0."""
    value = _number(text)
    if not 0.0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return value


def not_negative(text: str) -> float:
    """A number of 0 or more."""
    value = _number(text)
    if not 0.0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return value


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def positive_int(text: str) -> int:
    """A whole number above 0."""
    value = int(text) if text.isdigit() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return value


def share(text: str) -> tuple[int, int]:
    """I/N with I from 1 to N."""
    part, _, parts = text.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a part of a fleet, such as 1/2")
    return int(part), int(parts)


def wall_clock(text: str) -> str:
    """A text that is HH:MM or "real"."""
    if text != "real":
        try:
            datetime.time.fromisoformat(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f'{text!r} is neither HH:MM nor "real"') from error
    return text


def moment_s(text: str) -> int:
    """An RFC 3339 time as seconds since the epoch."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not RFC 3339 with a zone, such as 2026-03-09T06:00:00Z")
    return int(moment.timestamp())


def fields(text: str) -> tuple[str, ...]:
    """Names of a reading's fields, separated by commas."""
    names = tuple(name for name in text.split(",") if name)
    for name in names:
        if name not in Reading.__struct_fields__:
            raise argparse.ArgumentTypeError(f"{name!r} is not a field of a reading")
    return names


def prefix(text: str) -> str:
    """A valid beginning of a topic."""
    if not text.strip("/") or any(sign in text for sign in "+#\0"):
        raise argparse.ArgumentTypeError(f"{text!r} cannot begin a topic")
    return text


def broker(text: str) -> str:
    """A broker's URL."""
    try:
        Broker.from_url(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
    return text


def add_broker(parser: argparse.ArgumentParser) -> None:
    """Declare the options for the broker, the topics and the connections."""
    parser.add_argument(
        "--broker",
        type=broker,
        metavar="URL",
        help=f"mqtt[s]://[user:password@]host[:port]; default mqtt.url, or {DEFAULT_URL}. "
        "gbt32960[s]://host:port[?edition=2025]: vans connect to the agent itself",
    )
    parser.add_argument(
        "--prefix", type=prefix, help=f"first level of the topics; default mqtt.prefix ({DEFAULT_PREFIX})"
    )
    parser.add_argument(
        "--connections",
        type=int,
        default=0,
        metavar="N",
        help="0: one aiomqtt connection (MQTT 3.1.1); N: N lean MQTT 5 connections, for load (0)",
    )


def broker_url(arguments: argparse.Namespace) -> str:
    """The address of the broker from the option, the environment or the default. Raises ValueError if it is invalid."""
    url: str = arguments.broker or os.environ.get("VANPULSE_MQTT__URL") or DEFAULT_URL
    Broker.from_url(url)
    return url


def topic_prefix(arguments: argparse.Namespace) -> str:
    """The first level of the topics, from the option, the environment or the default."""
    return arguments.prefix or os.environ.get("VANPULSE_MQTT__PREFIX") or DEFAULT_PREFIX


def finish(summary: SendSummary, *, vans: int) -> None:
    """Print the one line that scripts and people read."""
    again = f", {summary.reconnects} reconnects" if summary.reconnects else ""
    line = f"{summary.messages} messages of {vans} vans in {summary.seconds:.1f} s, all acknowledged{again}"
    sys.stdout.write(line + "\n")


def complain(command: str, error: Exception) -> None:
    """Print one line to stderr."""
    sys.stderr.write(f"vanpulse {command}: {error}\n")
