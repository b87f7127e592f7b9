"""Compares results with true values: `python -m benchmarks.accuracy [--size small|full] [--only …]`.

There are three comparisons. Recorded drives of a BMW i3 (true battery power at 1 Hz) and a Renault Twizy (position
faults of a real receiver) are replayed with part of the recording hidden. A simulated fleet sends messages while the
simulator writes the true values. The recorded drives are replayed again with every fault of real vans. All messages go
through the agent's own decoding, van core and rows. No parameter is fitted to a drive.
"""

import argparse
import sys

from benchmarks.accuracy import estimators, knowable, witness
from benchmarks.accuracy.estimators import EstimatorResult
from benchmarks.accuracy.recorded import DATA, i3_recordings, twizy_recordings


def main() -> int:
    """Print the tables. The exit status is 1 if an error exceeds its bound."""
    parser = argparse.ArgumentParser(prog="make accuracy")
    parser.add_argument("--size", choices=("small", "full"), default="small", help="of the simulated fleet")
    parser.add_argument("--only", choices=("estimators", "faults"), help="one of the two tables")
    arguments = parser.parse_args()
    there = DATA.is_dir()
    if not there:
        print(f"the recorded drives are not there ({DATA}): only the simulated fleet is judged")
    held = True
    if arguments.only != "faults":
        held = print_estimators(estimators.judge(recorded=there, vans=12 if arguments.size == "small" else 50))
    if arguments.only != "estimators" and there:
        held = print_faults(witness.judge(witness.sources(i3_recordings(), twizy_recordings()))) and held
    return 0 if held else 1


def print_estimators(results: list[EstimatorResult]) -> bool:
    """Print the first table. Returns whether all errors are within their bounds."""
    width = max(len(result.what) for result in results)
    print(f"| {'what':{width}} | {'measured':14} | {'bound':14} |    |")
    print(f"|-{'-' * width}-|-{'-' * 14}-|-{'-' * 14}-|----|")
    for result in results:
        kept = "ok" if result.held else "NO"
        print(f"| {result.what:{width}} | {result.value:14} | {result.bound:14} | {kept} |")
    return all(result.held for result in results)


def print_faults(rows: list[witness.FaultResult]) -> bool:
    """Print the second table. Returns whether all errors are within their bounds."""
    print()
    print("\n".join(witness.table(rows)))
    print()
    print(
        "In brackets: what is allowed, or how many there were. Behind ! is what is out of its bounds. For all of them:"
    )
    print(f"  grid energy is {knowable.GRID_SHARE[0]:g} to {knowable.GRID_SHARE[1]:g} times what was charged,")
    print(f"  braking returns at most {knowable.RETURNED_PCT:g} %, idling takes at most {knowable.IDLE_W:g} W.")
    print("What each fault leaves to be known:")
    for fault, what in knowable.FAULTS.items():
        print(f"  {fault or 'no fault':20} {what.left}")
    return not any(row.wrong for row in rows)


if __name__ == "__main__":
    sys.exit(main())
