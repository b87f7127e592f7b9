"""Process entry: the command line, logging, exit status. Only this module ends the process."""

import argparse
import importlib
import io
import logging
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from urllib.parse import quote

from agent.compiled_core import describe
from agent.errors import LogBroken, SettingsError, VanpulseError
from agent.interrupts import interruptible


class Command(NamedTuple):
    """A command and its module, which is imported only when the command is called."""

    module: str
    help: str
    needs_settings: bool = True


COMMANDS = {
    "run": Command("agent.commands.run", "run the agent: receive, journal, compute, store"),
    "demo": Command("agent.commands.demo", "run a simulated fleet, a broker, the agent and the live page"),
    "simulate": Command(
        "simulator.commands.simulate", "publish the messages of a simulated fleet", needs_settings=False
    ),
    "replay": Command("simulator.commands.replay", "publish the messages of recorded drives", needs_settings=False),
    "live": Command("agent.commands.live", "serve the live page"),
    "export": Command("agent.commands.export", "export the points of a measurement as CSV or JSON lines"),
    "migrate": Command("agent.commands.migrate", "convert a history file of an earlier version"),
    "report": Command("agent.commands.report", "report energy and emissions of a period, with method and factors"),
    "correct": Command(
        "agent.commands.correct",
        "exclude a period of a van from its totals; list these corrections",
    ),
    "import": Command(
        "agent.commands.import_command",
        "import messages or deliveries that another program recorded",
    ),
    "deadletters": Command("agent.commands.dead_letters", "list, show or replay the messages that could not be used"),
    "migrate-log": Command("agent.commands.migrate_log", "move what the journal holds to a log on Kafka"),
    "salvage": Command("agent.commands.salvage", "copy what is readable of a damaged journal", needs_settings=False),
    "compare": Command("agent.commands.compare", "compare the simulator's true values with what the agent computed"),
    "factors": Command("agent.commands.factors", "show the emission factors in use, each with its source"),
    "doctor": Command("agent.commands.doctor", "check broker, log and store; compute how long an outage may last"),
    "check-config": Command("agent.commands.check_config", "check the settings and the fleet file"),
}

OK, FAILED, WRONG_USAGE = 0, 1, 2


class Parser(argparse.ArgumentParser):
    """A parser that reports an error in one line."""

    def error(self, message: str) -> NoReturn:
        """Write one line instead of the whole usage and exit."""
        self.exit(WRONG_USAGE, f"{self.prog}: {message}; see {self.prog} --help\n")


def make_parser(chosen: str | None = None) -> argparse.ArgumentParser:
    """The parser of the command line, with the options of the chosen command only."""
    parser = Parser(
        prog="vanpulse",
        description="Live energy, trips and emissions of electric delivery vans.",
        epilog="Run vanpulse COMMAND --help for the options of a command.",
    )
    parser.add_argument("--version", action="version", version=f"vanpulse {_version()} ({describe()})")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help[0].upper() + command.help[1:] + ".")
        sub.add_argument("--config", type=Path, metavar="FILE", help="settings file (default: vanpulse.toml, if any)")
        if name == chosen:
            importlib.import_module(command.module).add_arguments(sub)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run one command and return the exit status: 0 done, 1 failed, 2 wrong usage or settings."""
    words = sys.argv[1:] if argv is None else argv
    chosen = next((word for word in words if word in COMMANDS), None)
    try:
        with interruptible():
            _write_utf8()
            arguments = make_parser(chosen).parse_args(words)
            command = _load(COMMANDS[arguments.command], arguments)
        return command()
    except SettingsError as error:
        _complain(error)
        return WRONG_USAGE
    except VanpulseError as error:
        _complain(error)
        return FAILED
    except BaseExceptionGroup as group:
        return _complain_about_group(group)
    except KeyboardInterrupt:
        return FAILED
    except BrokenPipeError:
        # Whoever read our output has closed the pipe. Closing stdout at exit must not fail either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except OSError as error:
        if error.filename is None:
            raise
        _complain(f"{error.filename}: {error.strerror}")
        return FAILED


def _load(command: Command, arguments: argparse.Namespace) -> Callable[[], int]:
    """Import the command and read its settings; returns the function that runs it."""
    module: Any = importlib.import_module(command.module)
    from agent import config  # pydantic is not needed for --help

    if not command.needs_settings:
        start_logging("info")
        if arguments.config is not None or config.DEFAULT_FILE.exists():
            _name_broker(arguments, config.load(arguments.config).mqtt)
        return partial(module.run, arguments)
    settings = config.load(arguments.config)
    start_logging(settings.log.level)
    return partial(module.run, arguments, settings)


def _name_broker(arguments: argparse.Namespace, mqtt: Any) -> None:
    """The simulator reads no settings. Without options on its command line, it gets the broker of the settings."""
    if "broker" not in arguments:
        return
    if arguments.broker is None:
        scheme, _, address = mqtt.url.partition("://")
        words = [word for word in (mqtt.username, mqtt.password and mqtt.password.get_secret_value()) if word]
        login = ":".join(quote(word, safe="") for word in words)
        arguments.broker = f"{scheme}://{login}@{address}" if login else mqtt.url
    if arguments.prefix is None:
        arguments.prefix = mqtt.prefix


def _write_utf8() -> None:
    """Print UTF-8 whatever the locale is, so that an export is always the same."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() not in {"utf-8", "utf8"}:
            stream.reconfigure(encoding="utf-8")


def start_logging(level: str) -> None:
    """Log to stderr, one line for each change of state."""
    logging.basicConfig(
        level=level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
    )


def _complain(error: BaseException | str) -> None:
    text = " ".join(str(error).split())
    sys.stderr.write(f"vanpulse: {text}\n")


def _complain_about_group(group: BaseExceptionGroup[BaseException]) -> int:
    """Report the first of our own errors of a group. Raises the group if it has an error that is not ours."""
    known, unknown = group.split(VanpulseError)
    if unknown is not None or known is None:
        raise group
    first: BaseException = known
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    _complain(first)
    if isinstance(first, LogBroken):
        # Without closing the file: after a failed sync, the result of a further write is unknown.
        sys.stderr.flush()
        os._exit(FAILED)
    return WRONG_USAGE if isinstance(first, SettingsError) else FAILED


def _version() -> str:
    from importlib import metadata  # slow to import, rarely needed

    try:
        return metadata.version("vanpulse")
    except metadata.PackageNotFoundError:
        return "(not installed)"


if __name__ == "__main__":
    sys.exit(main())
