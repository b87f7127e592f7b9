"""`python -m tests.torture --kills 1000 [--log kafka]`: the long run, with a table at its end."""

import argparse
import sys
import tempfile
from pathlib import Path

from agent.commands.kafka_node import what_is_missing
from tests.servers.kafka import kafka_server
from tests.torture.disk import may_mount
from tests.torture.kafka_run import KafkaTorture
from tests.torture.run import Report, Torture, print_table


def main() -> int:
    """Run all kills; exit status 1 when the oracle found anything, 2 when Kafka cannot run here."""
    parser = argparse.ArgumentParser(
        prog="make torture", description="Kill the agent again and again; compare every row."
    )
    parser.add_argument("--kills", type=int, default=100, help="how often the agent is killed, over all stores (100)")
    parser.add_argument("--store", choices=("sqlite", "influxdb", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same faults in the same order")
    parser.add_argument("--log", choices=("journal", "kafka"), default="journal", help="one machine, or several roles")
    arguments = parser.parse_args()
    if arguments.log == "kafka":
        missing = what_is_missing()
        if missing is not None:
            sys.stderr.write(f"{missing}\n")
            return 2
        reports = [_with_kafka(arguments)]
    else:
        reports = _with_journal(arguments)
    print_table(reports)
    return 1 if any(report.differences for report in reports) else 0


def _with_journal(arguments: argparse.Namespace) -> list[Report]:
    """One run on each store."""
    stores = ("sqlite", "influxdb") if arguments.store == "both" else (arguments.store,)
    reports = []
    for store in stores:
        with tempfile.TemporaryDirectory(prefix="vanpulse-torture-") as directory:
            torture = Torture(
                Path(directory),
                store=store,
                kills=arguments.kills // len(stores),
                seed=arguments.seed,
                small_disk=store == "sqlite" and may_mount(),
            )
            reports.append(torture.run(progress=sys.stderr.isatty()))
    return reports


def _with_kafka(arguments: argparse.Namespace) -> Report:
    """One run of agents that share a log, with a SQLite history."""
    with tempfile.TemporaryDirectory(prefix="vanpulse-torture-") as directory, kafka_server() as kafka:
        torture = KafkaTorture(Path(directory), kafka, "torture", kills=arguments.kills, seed=arguments.seed)
        return torture.run(progress=sys.stderr.isatty())


if __name__ == "__main__":
    sys.exit(main())
