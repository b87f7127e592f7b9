"""`python -m simulator simulate …` and `python -m simulator replay …`."""

import argparse
import sys

from simulator.commands import check, replay, simulate

COMMANDS = {
    "simulate": (simulate, "a fleet of simulated vans publishes to a broker"),
    "replay": (replay, "recorded drives are published to a broker"),
    "check": (check, "the simulated vans' physics against published figures"),
}


def main(argv: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    parser = argparse.ArgumentParser(prog="simulator", description=__doc__)
    subparsers = parser.add_subparsers(dest="command", required=True)
    for name, (command, text) in COMMANDS.items():
        command.add_arguments(subparsers.add_parser(name, help=text, description=text))
    arguments = parser.parse_args(argv)
    status: int = COMMANDS[arguments.command][0].run(arguments)
    return status


if __name__ == "__main__":
    sys.exit(main())
