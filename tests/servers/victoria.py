"""A real VictoriaMetrics for tests: takes `/api/v2/write` itself; read back with `/api/v1/export`."""

import contextlib
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from agent.commands.ports import free_port

MISSING = "victoria-metrics is not installed: apt-get install victoria-metrics"


class VictoriaServer:
    """`victoria-metrics` with a fresh folder on a free loopback port; takes points of any age."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="victoria-"))
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("victoria-metrics") is not None

    def start(self) -> Self:
        options = {
            "httpListenAddr": f"127.0.0.1:{self.port}",
            "storageDataPath": f"{self.folder}/data",
            "retentionPeriod": "100y",
            "loggerLevel": "ERROR",
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["victoria-metrics", *(f"-{name}={value}" for name, value in options.items())], stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                with urlopen(f"{self.url}/health", timeout=5):
                    return self
            except (URLError, OSError):
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise RuntimeError((self.folder / "log").read_text()[-2000:]) from None
                time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def store_url(self) -> str:
        return f"influxdb://127.0.0.1:{self.port}?org=o&bucket=b"

    def flush(self) -> None:
        """Make everything written visible."""
        with urlopen(f"{self.url}/internal/force_flush", timeout=30):
            pass

    def export(self, selector: str) -> list[dict[str, Any]]:
        """Series as {"metric": labels, "values": …, "timestamps": …}."""
        with urlopen(f"{self.url}/api/v1/export?{urlencode({'match[]': selector})}", timeout=30) as answer:
            return [json.loads(line) for line in answer]

    def kill(self) -> None:
        """End it as a crash would; `start` takes up what it had written."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=30)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def victoria_server() -> Iterator[VictoriaServer]:
    server = VictoriaServer()
    try:
        yield server.start()
    finally:
        server.stop()
