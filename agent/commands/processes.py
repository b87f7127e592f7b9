"""The processes of a trial on this machine: each has a log file, and all end with us."""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import aiohttp

from agent.config import ENV_PREFIX
from agent.errors import VanpulseError

STOP_S: Final = 15.0
PAUSE_S: Final = 0.05


class TrialError(VanpulseError):
    """A part of the trial did not start, or ended early."""


class Processes:
    """Starts programs in `directory`. They see none of the vanpulse settings of this machine."""

    def __init__(self, directory: Path, stop: asyncio.Event) -> None:
        """Once `stop` is set, nothing is started and nothing is waited for any more."""
        self.running: dict[str, asyncio.subprocess.Process] = {}
        self._directory = directory
        self._stop = stop

    async def python(self, name: str, *words: str, settings: Mapping[str, str] | None = None) -> None:
        """Start our own Python with these arguments and vanpulse settings, such as `MQTT__URL`."""
        await self.program(name, sys.executable, *words, settings=settings)

    async def program(self, name: str, *words: str, settings: Mapping[str, str] | None = None) -> None:
        """Start a program; `name` is that of the process and of its log file."""
        if self._stop.is_set():
            return
        own = {key: value for key, value in os.environ.items() if not key.startswith(ENV_PREFIX)}
        own |= {ENV_PREFIX + key: value for key, value in (settings or {}).items()}
        log = self.log(name).open("wb")
        try:
            self.running[name] = await asyncio.create_subprocess_exec(
                *words,
                cwd=self._directory,
                env=own,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=asyncio.subprocess.STDOUT,
                # Ctrl-C reaches only this process, which stops the others in order.
                start_new_session=True,
            )
        finally:
            log.close()

    async def finish(self, name: str) -> None:
        """Wait until this process has ended, or until stopped. Raises `TrialError` if it failed."""
        if self._stop.is_set():
            return
        waiting = asyncio.create_task(self.running[name].wait())
        stopped = asyncio.create_task(self._stop.wait())
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not waiting.done():
            waiting.cancel()
            return
        if await waiting != 0:
            raise TrialError(f"the {name} could not be made: {self.last_words(name)}")
        del self.running[name]

    def log(self, name: str) -> Path:
        """What a process prints."""
        return self._directory / f"{name.replace(' ', '-')}.log"

    def last_words(self, name: str) -> str:
        """The last line that a process has printed."""
        lines = self.log(name).read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return lines[-1] if lines else "it printed nothing"

    def ended(self) -> list[str]:
        """The processes that have ended by themselves."""
        return [name for name, process in self.running.items() if process.returncode is not None]

    def check(self) -> None:
        """Raise `TrialError` if a process has ended by itself."""
        for name in self.ended():
            raise TrialError(f"the {name} ended early: {self.last_words(name)}")

    async def reachable(self, name: str, port: int, *, timeout_s: float) -> None:
        """Return when somebody listens on this port, or when stopped."""
        deadline_s = time.monotonic() + timeout_s
        while not self._stop.is_set():
            self.check()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                if time.monotonic() > deadline_s:
                    raise TrialError(f"the {name} did not start within {timeout_s:.0f} s") from None
                await asyncio.sleep(PAUSE_S)
            else:
                writer.close()
                return

    async def ready(self, name: str, health_port: int, *, timeout_s: float) -> None:
        """Return when the agent of this name is ready, or when stopped."""
        deadline_s = time.monotonic() + timeout_s
        async with aiohttp.ClientSession() as http:
            while not self._stop.is_set():
                self.check()
                with contextlib.suppress(aiohttp.ClientError):
                    async with http.get(f"http://127.0.0.1:{health_port}/readyz") as answer:
                        if answer.status == 200:
                            return
                if time.monotonic() > deadline_s:
                    raise TrialError(f"the {name} was not ready within {timeout_s:.0f} s: {self.last_words(name)}")
                await asyncio.sleep(PAUSE_S)

    async def end(self, names: Iterable[str]) -> None:
        """End these processes, all at once. One that does not end within `STOP_S` is killed."""
        processes = [process for name in names if (process := self.running.pop(name, None)) is not None]
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await asyncio.gather(*(process.wait() for process in processes))
        except TimeoutError:
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
            await asyncio.gather(*(process.wait() for process in processes))
