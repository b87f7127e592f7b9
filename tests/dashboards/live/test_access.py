import http.client
import subprocess
import sys
import urllib.parse
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from agent.commands.ports import free_port
from agent.errors import SettingsError
from dashboards.live import access
from dashboards.live.server import listen
from tests.dashboards.live.conftest import ROOT, live_page

PASSWORD = "correct horse battery staple"


@pytest.fixture(scope="module")
def guarded(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("secret") / "password"
    file.write_text(f"{PASSWORD}\n")
    with live_page(store_url=store_url, live__password_file=str(file)) as url:
        yield url


def ask(
    url: str, path: str, *, method: str = "GET", body: str | None = None, **headers: str
) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body=body, headers=named)
    response = connection.getresponse()
    text = response.read().decode("utf-8", "replace")
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, text


def sign_in(url: str, password: str, path: str = "/login") -> tuple[int, dict[str, str], str]:
    body = urllib.parse.urlencode({"password": password})
    return ask(url, path, method="POST", body=body, Content_Type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("path", ["/", "/energy", "/van/van-0001", "/live-static/base.js", "/_nicegui_ws/socket.io/"])
def test_without_the_password_there_is_nothing_to_see(guarded: str, path: str) -> None:
    status, headers, text = ask(guarded, path)
    assert status == 401
    assert "van-0001" not in text
    status, headers, _ = ask(guarded, path, Accept="text/html")
    assert (status, headers["location"]) == (303, f"/login?next={path}")


def test_a_wrong_password_is_refused_and_the_right_one_opens(guarded: str) -> None:
    assert sign_in(guarded, "wrong")[0] == 401
    status, headers, _ = sign_in(guarded, PASSWORD, "/login?next=/energy")
    assert (status, headers["location"]) == (303, "/energy")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    ticket = headers["set-cookie"].split(";")[0]
    status, headers, _ = ask(guarded, "/energy", Cookie=ticket)
    assert status == 200
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert ask(guarded, "/energy", Cookie=f"{ticket}0")[0] == 401


def test_programs_use_the_password_as_a_token(guarded: str) -> None:
    assert ask(guarded, "/", Authorization=f"Bearer {PASSWORD}")[0] == 200
    assert ask(guarded, "/", Authorization="Bearer wrong")[0] == 401


def test_after_signing_in_nobody_is_sent_to_another_site(guarded: str) -> None:
    for target in ("//evil.example", "https://evil.example", "/\\evil.example"):
        _, headers, _ = sign_in(guarded, PASSWORD, f"/login?next={urllib.parse.quote(target)}")
        assert headers["location"] == "/"


def test_the_container_may_ask_whether_it_lives(guarded: str) -> None:
    assert ask(guarded, "/healthz")[2] == "ok\n"


def test_without_a_password_only_names_of_this_machine_are_answered(page_url: str) -> None:
    assert ask(page_url, "/", Host="evil.example")[0] == 403
    assert ask(page_url, "/", Host="127.0.0.1.evil.example")[0] == 403
    assert ask(page_url, "/", Host="localhost:8080")[0] == 200
    assert ask(page_url, "/", Origin="https://evil.example")[0] == 403


def test_the_policy_allows_nothing_from_elsewhere_but_tiles() -> None:
    assert "//" not in access.content_policy(None)
    policy = access.content_policy("https://{s}.tiles.example/{z}/{x}/{y}.png")
    assert "img-src 'self' data: blob: https://*.tiles.example;" in policy


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "vans.example"])  # noqa: S104
def test_it_does_not_listen_to_others_without_a_password(host: str) -> None:
    with pytest.raises(SettingsError, match=r"live\.password"):
        listen(host, 0, None)


@pytest.mark.parametrize(("host", "loopback"), [("127.0.0.1", True), ("::1", True), ("localhost", True), ("", False)])
def test_loopback(host: str, loopback: bool) -> None:
    assert access.is_loopback(host) is loopback


def test_a_ticket_is_ours_and_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = access.Sessions(PASSWORD)
    ticket = sessions.issue()
    assert sessions.valid(ticket)
    assert not access.Sessions(PASSWORD).valid(ticket)
    assert not sessions.valid("")
    monkeypatch.setattr(access.time, "time", lambda: float(ticket.split(".")[0]) + 1)
    assert not sessions.valid(ticket)


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "agent", "live", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=60,
        check=False,
    )


def test_a_port_in_use_is_said_in_one_line() -> None:
    port = free_port()
    with listen("127.0.0.1", port, None):
        result = command("--port", str(port), cwd=ROOT)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert f"127.0.0.1:{port}: address already in use; choose another with --port" in result.stderr


def test_listening_to_others_is_refused_in_one_line() -> None:
    result = command("--host", "0.0.0.0", "--port", "0", cwd=ROOT)  # noqa: S104
    assert (result.returncode, result.stderr.count("\n")) == (2, 1)
    assert "VANPULSE_LIVE__PASSWORD" in result.stderr
