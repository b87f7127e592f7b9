"""`vanpulse demo`: runs a broker, a simulated fleet, the agent and the live page, and shows a summary."""

import argparse
import asyncio
import contextlib
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from agent.commands.live import port
from agent.commands.ports import free_port
from agent.commands.processes import Processes
from agent.config import Settings
from agent.errors import SettingsError
from agent.stores import make_history

START_S: Final = 30.0
REFRESH_S: Final = 1.0
RATE_OVER: Final = 10
"""The number of refreshes over which the rate is computed: each van reports only every ten seconds."""
HISTORY_BUFFER: Final = 6
"""Readings in each message of the past: the demo's broker passes on only some hundred messages per second."""


class Summary(NamedTuple):
    """The values of the line in the terminal."""

    vans: int
    journaled: int
    accepted: int
    dead_letters: int
    used_kwh: float
    co2e_kg: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The size of the demo, when it ends, and where it keeps its files."""
    add_fleet_arguments(parser, hours=6.0)
    parser.add_argument("--data", type=Path, metavar="DIR", help="keep journal.db and history.db in DIR")


def add_fleet_arguments(parser: argparse.ArgumentParser, *, hours: float) -> None:
    """The fleet, for how long it is simulated, and the port of the live page; `hours` is the default of the past."""
    parser.add_argument("--vans", type=_at_least_one, default=25, metavar="N", help="number of vans (default 25)")
    parser.add_argument(
        "--hours",
        type=_from_0,
        default=hours,
        metavar="N",
        help=f"hours of the past that are sent first (default {hours:g})",
    )
    parser.add_argument(
        "--speedup", type=_above_0, default=1.0, metavar="N", help="speed of the simulation after that (default 1)"
    )
    parser.add_argument("--seconds", type=_above_0, metavar="N", help="stop after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--port", type=port, default=8080, help="port of the live page (default 8080)")


def _at_least_one(text: str) -> int:
    number = int(text) if text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return number


def _above_0(text: str) -> float:
    number = _from_0(text)
    if not number:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above 0")
    return number


def _from_0(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0.0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 0 or more")
    return number


def run(arguments: argparse.Namespace, _settings: Settings) -> int:
    """Run until Ctrl-C or for `--seconds`. The vanpulse settings of this machine are not used."""
    with contextlib.ExitStack() as stack:
        if arguments.data is None:
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="vanpulse-demo-")))
        else:
            directory = arguments.data.absolute()
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise SettingsError(f"--data {str(arguments.data)!r}: {error.strerror}") from error
        return asyncio.run(_Demo(arguments, directory).run())


class _Demo:
    """The processes of a demo, in the order of their start."""

    def __init__(self, arguments: argparse.Namespace, directory: Path) -> None:
        self._arguments = arguments
        self._directory = directory
        self._stop = asyncio.Event()
        self._processes = Processes(directory, self._stop)
        self._broker_port, self._health_port = free_port(), free_port()
        self._store_url = f"sqlite:///{directory / 'history.db'}"

    async def run(self) -> int:
        """Start all processes, show the summary until the end, stop all processes."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stop.set)
        try:
            await self._start()
            if not self._stop.is_set():
                self._introduce()
                await self._show()
        finally:
            # In the direction of the messages, so that the agent can process what it has received.
            for name in ("simulator", "live page", "agent", "broker"):
                await self._processes.end([name])
            await self._processes.end(list(self._processes.running))
        return 0

    async def _start(self) -> None:
        processes = self._processes
        live_port = free_port_from(self._arguments.port)
        self._live = f"http://127.0.0.1:{live_port}"
        fleet_file = self._directory / "fleet.toml"
        simulate = ("-m", "simulator", "simulate", "--vans", str(self._arguments.vans))
        await processes.python("broker", "-m", "agent.commands.demo_broker", str(self._broker_port))
        await processes.reachable("broker", self._broker_port, timeout_s=START_S)
        await processes.python("fleet file", *simulate, "--fleet-file", str(fleet_file), "--seconds", "0")
        await processes.finish("fleet file")
        settings = self._settings(fleet_file)
        await processes.python("agent", "-m", "agent", "run", settings=settings)
        await processes.ready("agent", self._health_port, timeout_s=START_S)
        await processes.python("live page", "-m", "agent", "live", "--port", str(live_port), settings=settings)
        await processes.python(
            "simulator",
            *simulate,
            *("--hours", str(self._arguments.hours), "--speedup", str(self._arguments.speedup)),
            *("--buffer", str(HISTORY_BUFFER)),
            *("--broker", f"mqtt://127.0.0.1:{self._broker_port}"),
        )

    def _settings(self, fleet_file: Path) -> dict[str, str]:
        return {
            "MQTT__URL": f"mqtt://127.0.0.1:{self._broker_port}",
            "MQTT__PROTOCOL": "3.1.1",
            "MQTT__CLIENT_ID": "vanpulse-demo",
            "JOURNAL__PATH": str(self._directory / "journal.db"),
            "FLEET__FILE": str(fleet_file),
            "STORE__URL": self._store_url,
            "HTTP__LISTEN": f"127.0.0.1:{self._health_port}",
            "LOG__LEVEL": "warning",
        }

    def _introduce(self) -> None:
        history = self._directory / "history.db"
        sys.stdout.write(
            f"{self._arguments.vans} vans. The last {self._arguments.hours:g} hours are sent first, then the present.\n"
            f"  live page  {self._live}\n"
            f"  broker     mqtt://127.0.0.1:{self._broker_port}   topics vans/#\n"
            f"  health     http://127.0.0.1:{self._health_port}/readyz  /metrics\n"
            f"  history    {history}\n"
            f"  try        VANPULSE_STORE__URL={quote(f'sqlite:///{history}')} {quote(_vanpulse())} export trip\n"
            "Stop with Ctrl-C.\n"
        )
        sys.stdout.flush()

    async def _show(self) -> None:
        """Print the summary: on a terminal one line that changes each second, in a pipe only the last one."""
        ends = time.monotonic() + self._arguments.seconds if self._arguments.seconds else float("inf")
        terminal = sys.stdout.isatty()
        seen = deque([(time.monotonic(), 0)], maxlen=RATE_OVER)
        line = ""
        async with aiohttp.ClientSession() as http:
            while not self._stop.is_set() and time.monotonic() < ends:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(min(REFRESH_S, max(0.0, ends - time.monotonic()))):
                        await self._stop.wait()
                self._processes.check()
                now_s = time.monotonic()
                summary = await self._summary(http)
                if summary is None:
                    continue
                before_s, before = seen[0]
                line = _line(summary, (summary.journaled - before) / (now_s - before_s))
                seen.append((now_s, summary.journaled))
                if terminal:
                    sys.stdout.write(f"\r\x1b[K{line}")
                    sys.stdout.flush()
        sys.stdout.write("\n" if terminal else f"{line}\n")

    async def _summary(self, http: aiohttp.ClientSession) -> Summary | None:
        try:
            async with http.get(f"http://127.0.0.1:{self._health_port}/metrics") as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return None
        metrics: dict[str, float] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                metrics[sample.name] = metrics.get(sample.name, 0.0) + sample.value
        used_kwh, co2e_g = await asyncio.to_thread(self._totals)
        return Summary(
            vans=int(metrics["vanpulse_vans"]),
            journaled=int(metrics["vanpulse_messages_journaled_total"]),
            accepted=int(metrics["vanpulse_readings_accepted_total"]),
            dead_letters=int(metrics["vanpulse_messages_rejected_total"]),
            used_kwh=used_kwh,
            co2e_kg=co2e_g / 1000,
        )

    def _totals(self) -> tuple[float, float]:
        history = make_history(self._store_url)
        try:
            used = sum(point["used_kwh_total"] for point in history.select("energy", latest=True))
            co2e = sum(point["co2e_g_total"] for point in history.select("emissions", latest=True))
        finally:
            history.close()
        return used, co2e


def _line(summary: Summary, messages_per_s: float) -> str:
    return (
        f"{summary.vans} vans  {messages_per_s:,.0f} messages/s  {summary.accepted:,} readings accepted  "
        f"{summary.dead_letters} dead letters  {summary.used_kwh:,.1f} kWh used  {summary.co2e_kg:,.1f} kg CO2e"
    )


def _vanpulse() -> str:
    command = Path(sys.executable).with_name("vanpulse")
    try:
        return str(command.relative_to(Path.cwd()))
    except ValueError:
        return str(command)


def free_port_from(wanted: int) -> int:
    """The wanted port, or any free port if it is taken or 0."""
    if wanted == 0:
        return free_port()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return free_port()
        return wanted
