"""One torture run: the faults of agent, broker, network and store, and its report."""

import random
import sqlite3
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from agent.stores import make_history
from tests.faults.mqtt_proxy import HEALTHY, MqttProxy, ThreadedProxy
from tests.servers.agent import Agent, wait_for
from tests.servers.mosquitto import Mosquitto
from tests.torture.disk import SmallDisk
from tests.torture.failpoints import CLOSING, POINTS
from tests.torture.load import CYCLE, FEW_VANS, LAST, VANS, Load
from tests.torture.oracle import Key, Values, as_kept, differences, sizes, undisturbed
from tests.torture.store import InfluxUnderTorture, is_poison

MESSAGES_PER_S = 400.0
DAY_MS = 86_400_000
LATE_IN_THE_DAY_MS = 22 * 3_600_000
"""The load begins at this time of a day, so that the history file has a day to close after some seconds."""
LONGEST_LIFE_S = 15.0
LONGEST_LIFE_IN_A_STORM_S = 14.0
"""Long enough to notice a half-open connection."""
KEEPALIVE_S = 5
SETTLE_S = 1800.0
"""After a long run the broker holds most of what was published: the agent was dead for most of the time."""
SHORT_SETTLE_S = 120.0
ANY_MOMENT_EVERY = 5
BROKER_RESTART_EVERY = 7
STORE_FAULT_EVERY = 3
STORM_EVERY = 4
DISK_FULL_EVERY = 6
SHORT_RUN_KILLS = 50
"""A run of fewer kills has few vans, so that their tours end in it."""
SHORT_RUN_AHEAD = FEW_VANS * 3 * CYCLE
"""So many messages, three cycles of each van, are under way before the first kill of a short run."""


class AgentEnded(AssertionError):
    """The agent ended although nothing had stopped it."""


@dataclass
class Report:
    """What happened, and what the oracle says of it."""

    store: str
    seed: int
    kills: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    redelivered: int = 0
    seconds: float = 0.0
    compared: str = ""
    closed_days: int = 0
    """Compressed van-days of a measurement in the history file."""
    differences: list[str] = field(default_factory=list)


class Torture:
    """One run against one store."""

    def __init__(
        self,
        directory: Path,
        *,
        store: str,
        kills: int,
        seed: int,
        small_disk: bool = False,
        points: Sequence[str] | None = None,
        flaw: str | None = None,
    ) -> None:
        """`small_disk` puts the journal on a disk that runs full now and then; needs the right to mount one."""
        self.report = Report(store, seed)
        self._disk = SmallDisk(directory / "disk") if small_disk else None
        if points is None:
            points = [*POINTS, *CLOSING] if store == "sqlite" else [*POINTS]
        self._points = points
        self._flaws = [] if flaw is None else [flaw]
        self._directory = directory
        self._kills = kills
        self._random = random.Random(seed)
        self._influx = InfluxUnderTorture() if store == "influxdb" else None
        self._storm: Future[None] | None = None
        self._settle_s = SETTLE_S if kills >= SHORT_RUN_KILLS else SHORT_SETTLE_S

    def run(self, *, progress: bool = False) -> Report:
        """Do all kills and faults, wait until everything is stored, compare."""
        began = time.monotonic()
        start_ms = (time.time_ns() // 1_000_000 // DAY_MS - 6) * DAY_MS + LATE_IN_THE_DAY_MS
        broker = Mosquitto(self._directory, persistence=True, max_queued_messages=1_000_000)
        proxy = ThreadedProxy(broker.port, seed=self.report.seed)
        settings: dict[str, object] = {
            "mqtt__keepalive_s": KEEPALIVE_S,
            "store__flush_ms": 50,
            "journal__checkpoint_every_s": 0.3,
            "store__hot_days": 0,
        }
        with ExitStack() as stack:
            if self._disk is not None:
                stack.enter_context(self._disk)
                settings |= {
                    "journal__path": self._disk.path / "journal.db",
                    "journal__max_bytes": self._disk.size // 2,
                }
            stack.enter_context(proxy)
            settings["mqtt__url"] = f"mqtt://127.0.0.1:{proxy.port}"
            self._run(broker, proxy, settings, start_ms=start_ms, progress=progress)
        self.report.redelivered = broker.log.count("Sending PUBLISH to vanpulse (d1")
        for name, text in (("resets", "connections reset"), ("half_open", "connections half open")):
            self.report.faults[text] += proxy.proxy.count[name]
        self.report.seconds = time.monotonic() - began
        return self.report

    def _run(
        self, broker: Mosquitto, proxy: ThreadedProxy, settings: dict[str, object], *, start_ms: int, progress: bool
    ) -> None:
        if self._influx is not None:
            self._influx.start()
            settings |= {"store__url": self._influx.url, "store__token": self._influx.token}
        short = self._kills < SHORT_RUN_KILLS
        if short:
            settings |= {"fleet__messages_per_s": MESSAGES_PER_S}  # each of the few vans sends a large share of it
        agent = Agent(self._directory / "agent", **settings)
        load: Load | None = None
        try:
            broker.start()
            # The subscription has to exist before the first message does.
            agent.start()
            load = Load(broker.url, per_s=MESSAGES_PER_S, start_ms=start_ms, vans=FEW_VANS if short else VANS)
            agent.kill()
            if short:
                wait_for(lambda: load.issued >= SHORT_RUN_AHEAD, "the tours of the load")
            for number in range(self._kills):
                self._round(number, agent, broker, proxy)
                if progress:
                    sys.stderr.write(
                        f"\r{self.report.store}: {number + 1} of {self._kills} kills, {load.issued:,} messages"
                    )
            self._calm(proxy)
            agent.start(wait=False)
            load.finish()
            self._settle(agent)
            self.report.messages = load.issued
            self._judge(agent, load)
        finally:
            if progress:
                sys.stderr.write("\n")
            if load is not None:
                load.finish()
            if agent.returncode is None:
                agent.kill()
            broker.kill()
            if self._influx is not None:
                self._influx.stop()

    def _round(self, number: int, agent: Agent, broker: Mosquitto, proxy: ThreadedProxy) -> None:
        """One life of the agent, with what else goes wrong during it."""
        self._calm(proxy)
        longest_s, most = LONGEST_LIFE_S, 6
        if number % STORE_FAULT_EVERY == 1:
            self._break_the_store(agent)
        if number % STORM_EVERY == 2:
            longest_s, most = LONGEST_LIFE_IN_A_STORM_S, 60
            seconds = self._random.uniform(4.0, 12.0)
            self._storm = proxy.begin(proxy.proxy.random_faults, seconds, every_s=0.3, calm=0.2)
            self.report.faults["storm on the network"] += 1
        if self._disk is not None and number % DISK_FULL_EVERY == 3:
            self._disk.fill_soon(after_s=self._random.uniform(0.5, 2.0), for_s=self._random.uniform(0.5, 2.5))
            self.report.faults["disk full"] += 1
        if number % ANY_MOMENT_EVERY == ANY_MOMENT_EVERY - 1:
            agent.start(wait=False)
            time.sleep(self._random.uniform(0.0, 3.0))
            self.report.kills["any moment"] += 1
            agent.kill()
            return
        name = self._points[number % len(self._points)]
        # The agent closes days when it starts: a few steps, unlike messages.
        count = str(self._random.randint(1, 2 if name in CLOSING else most))
        agent.start("-m", "tests.torture.failpoints", name, count, *self._flaws, wait=False)
        if number % BROKER_RESTART_EVERY == BROKER_RESTART_EVERY - 1:
            broker.restart()
            self.report.faults["broker restarted"] += 1
        try:
            wait_for(lambda: agent.returncode is not None, "the end", timeout_s=longest_s)
        except TimeoutError:
            # The point was not reached, for example because the store hangs: kill the agent from outside.
            agent.kill()
            self.report.kills["any moment"] += 1
        else:
            if agent.returncode != -9:
                raise AgentEnded(f"the agent ended by itself with {agent.returncode}:\n{agent.log[-2000:]}")
            self.report.kills[name] += 1

    def _calm(self, proxy: ThreadedProxy) -> None:
        """End the faults of the round before."""
        if self._storm is not None:
            self._storm.cancel()
            proxy.call(_heal, proxy.proxy)
            self._storm = None
        if self._disk is not None:
            self._disk.wait_free()

    def _break_the_store(self, agent: Agent) -> None:
        if self._influx is not None:
            self.report.faults[self._influx.break_somehow(self._random)] += 1
            return
        held_s = self._random.uniform(0.5, 2.5)
        threading.Thread(target=hold_lock, args=(agent.directory / "history.db", held_s)).start()
        self.report.faults["history file locked"] += 1

    def _settle(self, agent: Agent) -> None:
        if self._influx is not None:
            self._influx.heal()

        def settled() -> bool:
            metrics = agent.metrics()
            return bool(metrics.get("mqtt_connected")) and not (
                metrics["journal_backlog_messages"] or metrics["unconfirmed_messages"]
            )

        # The broker delivers in order: after the last message nothing comes.
        try:
            wait_for(
                lambda: any(letter.topic == LAST[0] for letter in agent.dead_letters()),
                "the last message",
                timeout_s=self._settle_s,
                pause_s=0.2,
            )
            wait_for(settled, "everything to be stored", timeout_s=self._settle_s)
        except TimeoutError as error:
            state = f"{agent.get('/readyz')}\n{agent.metrics()}\n{agent.log[-4000:]}"
            raise TimeoutError(f"{error}, ended with {agent.returncode}: {state}") from error
        if agent.stop() != 0:
            raise AssertionError(f"the agent did not end in order:\n{agent.log[-2000:]}")

    def _judge(self, agent: Agent, load: Load) -> None:
        expected = undisturbed(load.messages())
        if self._influx is None:
            expected = as_kept(expected)
        history = make_history(str(agent.settings["store__url"]), token=str(agent.settings.get("store__token", "")))
        poison = self._take_poison(expected)
        try:
            self.report.differences = differences(expected, history.select)
        finally:
            history.close()
        if self._influx is None:
            self.report.closed_days = _closed_days(agent.directory / "history.db")
        letters = [letter for letter in agent.dead_letters() if letter.topic != LAST[0]]
        if letters:
            self.report.differences.append(f"{len(letters)} dead letters, as {letters[0]}")
        refused = {int(refusal.line.rsplit(b" ", 1)[1]) for refusal in agent.refusals()}
        if refused != poison:
            self.report.differences.append(f"refused lines: {len(refused ^ poison)} of {len(poison)} are not kept")
        self.report.faults["lines refused for good"] += len(poison)
        self.report.compared = sizes(expected)

    def _take_poison(self, expected: dict[str, dict[Key, Values]]) -> set[int]:
        """Take the readings that the store refuses for good out of what is expected; their times."""
        if self._influx is None:
            return set()
        poison = {key for key in expected["battery"] if is_poison(f"battery,vehicle_id={key[0]} soc_pct=1 {key[1]}")}
        for key in poison:
            del expected["battery"][key]
        return {time_ms for _, time_ms in poison}


async def _heal(proxy: MqttProxy) -> None:
    proxy.conditions = HEALTHY


def _closed_days(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        found: int = connection.execute("SELECT count(*) FROM battery_days").fetchone()[0]
        return found


def hold_lock(file: Path, held_s: float) -> None:
    """Another program that writes to the history file and takes its time."""
    if not file.exists():
        return
    connection = sqlite3.connect(file, timeout=5, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        time.sleep(held_s)
        connection.execute("ROLLBACK")
    except sqlite3.Error:
        return
    finally:
        connection.close()


def print_table(reports: list[Report]) -> None:
    """Print the kills, the faults and the differences of each run."""
    for report in reports:
        print(f"\nstore {report.store}, seed {report.seed}: {report.messages:,} messages in {report.seconds:.0f} s")
        print(f"  {sum(report.kills.values())} kills")
        for name, count in sorted(report.kills.items()):
            print(f"    {count:5} {name}")
        print(f"  {sum(report.faults.values())} other faults")
        for name, count in sorted(report.faults.items()):
            if count:
                print(f"    {count:5} {name}")
        print(f"  {report.redelivered:,} messages delivered again by the broker")
        print(f"  compared: {report.compared}; {report.closed_days:,} compressed days of battery")
        if report.differences:
            print("  NOT as in an undisturbed run:")
            for difference in report.differences:
                print(f"    {difference}")
        else:
            print("  every row as in an undisturbed run: nothing lost, nothing twice, no number different")
