"""`python -m tests.torture --kills 1000`: the long run, with a table at its end."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.torture.disk import may_mount
from tests.torture.run import Torture, print_table


def main() -> int:
    """Run on each store in turn; exit status 1 when the oracle found anything."""
    parser = argparse.ArgumentParser(
        prog="make torture", description="Kill the agent again and again; compare every row."
    )
    parser.add_argument("--kills", type=int, default=100, help="how often the agent is killed, over all stores (100)")
    parser.add_argument("--store", choices=("sqlite", "influxdb", "both"), default="both")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same faults in the same order")
    arguments = parser.parse_args()
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
    print_table(reports)
    return 1 if any(report.differences for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
