"""A real Mosquitto on loopback, which can be stopped, killed and started again with the same data."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from agent.commands.ports import free_port
from tests.servers.programs import find_program

START_TIMEOUT_S = 20.0
STOP_TIMEOUT_S = 20.0


class BrokerTls(NamedTuple):
    """Files for a TLS listener; with `client_ca_file` every client must present a certificate of that authority."""

    cert_file: Path
    key_file: Path
    client_ca_file: Path | None = None


class Mosquitto:
    """One broker. Keyword arguments become lines of its configuration; `extra` is appended as it is."""

    def __init__(
        self,
        directory: Path,
        *,
        port: int | None = None,
        persistence: bool = False,
        max_queued_messages: int | None = None,
        max_inflight_messages: int | None = None,
        max_packet_size: int | None = None,
        users: dict[str, str] | None = None,
        acl: str | None = None,
        tls: BrokerTls | None = None,
        extra: str = "",
    ) -> None:
        self.port = port or free_port()
        self.directory = directory / f"mosquitto-{self.port}"
        self.directory.mkdir(parents=True)
        self.log_file = self.directory / "mosquitto.log"
        self.scheme = "mqtt" if tls is None else "mqtts"
        self._process: subprocess.Popen[bytes] | None = None
        lines = [f"listener {self.port} 127.0.0.1", "set_tcp_nodelay true", f"allow_anonymous {_word(users is None)}"]
        if tls is not None:
            lines += [f"certfile {tls.cert_file}", f"keyfile {tls.key_file}"]
            if tls.client_ca_file is not None:
                lines += [f"cafile {tls.client_ca_file}", "require_certificate true"]
        if users is not None:
            lines.append(f"password_file {self._write_passwords(users)}")
        if acl is not None:
            acl_file = self.directory / "acl"
            acl_file.write_text(acl)
            lines.append(f"acl_file {acl_file}")
        if persistence:
            lines += ["persistence true", f"persistence_location {self.directory}/"]
        for name, value in (
            ("max_queued_messages", max_queued_messages),
            ("max_inflight_messages", max_inflight_messages),
            ("max_packet_size", max_packet_size),
        ):
            if value is not None:
                lines.append(f"{name} {value}")
        if os.geteuid() == 0:
            lines.append("user root")  # else it drops its rights and cannot read the test's directory
        self._config_file = self.directory / "mosquitto.conf"
        self._config_file.write_text("\n".join([*lines, extra, ""]))

    @property
    def url(self) -> str:
        """As in the setting mqtt.url."""
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the running process."""
        if self._process is None:
            raise RuntimeError("mosquitto is not running")
        return self._process.pid

    @property
    def log(self) -> str:
        """Everything it has logged, over all starts."""
        return self.log_file.read_text(errors="replace")

    def start(self) -> None:
        """Start it and return once it accepts connections."""
        program = find_program("mosquitto")
        if program is None:
            raise RuntimeError("mosquitto is not installed: apt-get install mosquitto")
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen([program, "-c", str(self._config_file), "-v"], stdout=log, stderr=log)
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline_s:
                    self.kill()
                    raise RuntimeError(f"mosquitto did not start:\n{self.log}") from None
                time.sleep(0.01)
            else:
                return

    def stop(self) -> None:
        """End it in order: with persistence, it saves first."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop in order and start again."""
        self.stop()
        self.start()

    def save(self) -> None:
        """With persistence: write the state to disk now, and return when it is there."""
        saved = self.directory / "mosquitto.db"
        before = saved.stat().st_mtime_ns if saved.exists() else 0
        os.kill(self.pid, signal.SIGUSR1)
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        while not saved.exists() or saved.stat().st_mtime_ns == before:
            if time.monotonic() > deadline_s:
                raise RuntimeError("mosquitto did not save")
            time.sleep(0.01)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.kill()

    def _end(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def _write_passwords(self, users: dict[str, str]) -> Path:
        program = find_program("mosquitto_passwd")
        if program is None:
            raise RuntimeError("mosquitto_passwd is not installed: apt-get install mosquitto")
        file = self.directory / "passwords"
        file.touch(mode=0o600)
        for user, password in users.items():
            subprocess.run([program, "-b", str(file), user, password], check=True, capture_output=True)
        return file


def _word(value: bool) -> str:
    return "true" if value else "false"
