"""Fuzzing of everything behind the socket: `python -m benchmarks.fuzz [--size N] [--seed N] [--guided RUNS]`.

Every input goes through the whole agent: MQTT packet decoder (for packets), decode, step, points. The exit status is 1,
and the input is printed, if an unexpected exception is raised, an input takes more than two seconds, or a result is not
a finite number.
"""

import argparse
import contextlib
import faulthandler
import importlib.util
import itertools
import os
import random
import resource
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator

from agent.messages import Message
from benchmarks.fuzz.hypothesis_cases import run_hypothesis
from benchmarks.fuzz.packets import streams
from benchmarks.fuzz.payloads import MAKERS, Case, cases
from benchmarks.fuzz.whole_way import Agent, Splitter, Violation

START_MS = 1_773_065_130_000
BATCH = 50
HANG_S = 60


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, help="generated payloads and packets in all")
    parser.add_argument("--seed", type=int, default=1, help="another seed, other inputs")
    parser.add_argument("--guided", type=int, help="inputs of the coverage-guided fuzzer; 0: none")
    arguments = parser.parse_args()
    guided = arguments.size // 10 if arguments.guided is None else arguments.guided
    print(f"{'target':<22}{'inputs':>10}{'seconds':>9}{'µs each':>9}{'slowest ms':>12}  outcome")
    started = time.perf_counter()
    total = 0
    try:
        for index, (name, count) in enumerate(shares(arguments.size).items()):
            total += run(name, count, random.Random(arguments.seed * 1000 + index))
        total += hypothesis(max(200, arguments.size // 100))
        total += coverage_guided(guided)
    except Violation as violation:
        print(f"\nVIOLATION: {violation}", file=sys.stderr)
        return 1
    seconds = time.perf_counter() - started
    print(f"\n{total:,} inputs in {seconds:.0f} s: no crash, no hang, at most {peak_mb()} MB of memory")
    return 0


def shares(size: int) -> dict[str, int]:
    """The number of inputs per target: a third for packets, the rest for the dialects."""
    names = [*MAKERS]
    each = size // (len(names) + 3)
    return {**dict.fromkeys(names, each), "mqtt packets": size - each * len(names)}


def run(name: str, count: int, chance: random.Random) -> int:
    """Run one target and print its line."""
    agent, splitter = Agent(), Splitter()
    moments = itertools.count(START_MS, 20)
    done, received_ms = 0, START_MS
    begun, early_mb = time.perf_counter(), 0
    for inputs, messages in batches(name, count, chance, moments, splitter):
        received_ms += 100 * ((BATCH * 20) // 100)
        faulthandler.dump_traceback_later(HANG_S, exit=True)
        agent.take(messages, received_ms)
        done += inputs
        if early_mb == 0 and done > count // 3:
            early_mb = peak_mb()
    faulthandler.cancel_dump_traceback_later()
    largest = agent.check_states()
    report(name, done, time.perf_counter() - begun, agent, splitter.outcomes)
    peak = peak_mb()
    memory = f"memory at most {peak} MB, of that {peak - early_mb} MB in the last two thirds"
    print(f"{'':<22}{agent.points:,} points, largest state {largest:,} bytes; {memory}")
    return done


def batches(
    name: str, count: int, chance: random.Random, moments: Iterator[int], splitter: Splitter
) -> Iterator[tuple[int, list[Message]]]:
    """The number of inputs, and their messages."""
    if name == "mqtt packets":
        mixed = _mixed(chance, count, moments)
        for inputs, reads in streams(chance, mixed):
            with quiet_codec():
                messages = splitter.take(reads)
            if chance.random() < 0.3:
                splitter.reconnect()
            yield inputs, messages
        return
    inputs = cases(chance, name, count, moments)
    while batch := list(itertools.islice(inputs, BATCH)):
        retained = chance.random() < 0.1
        yield len(batch), [Message(topic, payload, retained=retained) for topic, payload in batch]


@contextlib.contextmanager
def quiet_codec() -> Iterator[None]:
    """Suppress stderr, because the codec prints a stack trace for each topic that is not UTF-8."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _mixed(chance: random.Random, count: int, moments: Iterator[int]) -> Iterator[Case]:
    generators = [cases(chance, name, count, moments) for name in MAKERS]
    # Five per cent of the packets are not PUBLISH packets. They count too.
    for _ in range(count * 100 // 105):
        yield next(chance.choice(generators))


def hypothesis(count: int) -> int:
    """Run inputs from hypothesis, for edge cases that random inputs do not reach."""
    agent = Agent()
    begun = time.perf_counter()
    done = run_hypothesis(agent, count, START_MS)
    report("hypothesis", done, time.perf_counter() - begun, agent, Counter())
    print(f"{'':<22}memory at most {peak_mb()} MB, with what hypothesis itself keeps")
    return done


def coverage_guided(runs: int) -> int:
    """Run the coverage-guided fuzzer in a separate process, if it is installed."""
    if runs == 0:
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("coverage-guided       skipped: pip install atheris")
        return 0
    begun = time.perf_counter()
    command = [sys.executable, "-m", "benchmarks.fuzz.guided", str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Violation(f"coverage-guided: {done.stderr[-2000:]}")
    last = [line for line in done.stderr.splitlines() if " cov: " in line][-1:]
    seconds = time.perf_counter() - begun
    found = " ".join(last[0].split()[1:6]) if last else ""
    print(f"{'coverage-guided':<22}{runs:>10,}{seconds:>9.1f}{seconds / runs * 1e6:>9.1f}{'':>12}  {found}")
    return runs


def report(name: str, count: int, seconds: float, agent: Agent, packets: Counter[str]) -> None:
    counters = agent.shard.counters
    used = {
        "accepted": counters.accepted,
        "late": counters.late,
        "duplicate": counters.duplicates,
        "stale": counters.stale,
    }
    outcome = {**{key: value for key, value in packets.items() if key != "publish"}, **used, **agent.outcomes}
    text = ", ".join(f"{key} {value:,}" for key, value in outcome.items() if value)
    each = seconds / count * 1e6
    print(f"{name:<22}{count:>10,}{seconds:>9.1f}{each:>9.1f}{agent.slowest_s * 1000:>12.1f}  {text}", flush=True)


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


if __name__ == "__main__":
    sys.exit(main())
