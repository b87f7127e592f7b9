"""Signs of life over a real datagram socket, as systemd listens to them."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import systemd
from agent.commands.ports import free_port
from tests.servers.agent import Agent, wait_for


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        if request.param == "path":
            address = shown = str(tmp_path / "notify")
        else:
            address, shown = f"\0vanpulse-test-{tmp_path.name}", f"@vanpulse-test-{tmp_path.name}"
        listener.bind(address)
        listener.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", shown)
        yield listener


def test_states_arrive_as_datagrams(manager: socket.socket) -> None:
    for state in ("READY=1", "WATCHDOG=1", "STOPPING=1"):
        systemd.notify(state)
        assert manager.recv(100).decode() == state


def test_without_a_manager_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    systemd.notify("READY=1")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    systemd.notify("READY=1")


def test_the_agent_counts_as_started_before_its_broker_is_there(manager: socket.socket, tmp_path: Path) -> None:
    """As docs/operations.md says: a broker may come later, and /readyz tells whether it is there."""
    manager.settimeout(60)
    agent = Agent(tmp_path / "agent", mqtt__url=f"mqtt://127.0.0.1:{free_port()}").start(wait=False)
    try:
        assert manager.recv(100) == b"READY=1"
        status, text = wait_for(lambda: (answer := agent.get("/readyz"))[0] and answer, "the endpoint")
        assert status == 503
        assert "broker: not connected" in text
    finally:
        agent.kill()
