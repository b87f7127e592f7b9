"""One InfluxDB token per service, requested from a fake of InfluxDB's interface."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.stack import contents, hand_out


class FakeInflux(ThreadingHTTPServer):
    """InfluxDB's interface for tokens, as far as the stack uses it; like the real one it never tells a token twice."""

    def __init__(self, admin_token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.admin_token = admin_token
        self.created: list[dict[str, Any]] = []
        self.known: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: FakeInflux

    def do_GET(self) -> None:
        token = self.headers["Authorization"].removeprefix("Token ")
        if token != self.server.admin_token and token not in self.server.known:
            self._answer(401, {"code": "unauthorized"})
        elif self.path == "/api/v2/orgs?org=vanpulse":
            self._answer(200, {"orgs": [{"id": "org-id"}]})
        elif self.path in ("/api/v2/buckets?orgID=org-id&name=fleet", "/api/v2/buckets?limit=1"):
            self._answer(200, {"buckets": [{"id": "bucket-id"}]})
        else:
            self._answer(200, {"orgs": [], "buckets": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        token = f"token-{len(self.server.created)}"
        self.server.created.append(body)
        self.server.known.add(token)
        self._answer(201, {"token": token})

    def _answer(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def influx(generated: Path) -> Iterator[FakeInflux]:
    server = FakeInflux((generated / "influxdb_admin_token").read_text())
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_each_service_gets_a_token_with_the_right_it_needs(generated: Path, tmp_path: Path, influx: FakeInflux) -> None:
    target = tmp_path / "auth"
    hand_out.hand_out_tokens(generated, target, url=influx.url, org="vanpulse", bucket="fleet")
    rights = {
        body["description"].split()[1]: [(each["action"], each["resource"]) for each in body["permissions"]]
        for body in influx.created
    }
    resource = {"type": "buckets", "id": "bucket-id", "orgID": "org-id"}
    assert rights == {"agent:": [("write", resource)], "grafana:": [("read", resource)], "live:": [("read", resource)]}
    assert contents(target) == {
        "agent/influxdb_token": "token-0",
        "grafana/influxdb_token": "token-1",
        "live/influxdb_token": "token-2",
    }


def test_a_token_that_is_still_known_stays_and_a_forgotten_one_is_made_anew(
    generated: Path, tmp_path: Path, influx: FakeInflux
) -> None:
    target = tmp_path / "auth"
    for _ in range(2):
        hand_out.hand_out_tokens(generated, target, url=influx.url, org="vanpulse", bucket="fleet")
    assert len(influx.created) == 3
    influx.known.discard("token-1")
    hand_out.hand_out_tokens(generated, target, url=influx.url, org="vanpulse", bucket="fleet")
    assert contents(target)["grafana/influxdb_token"] == "token-3"
    assert contents(target)["agent/influxdb_token"] == "token-0"


def test_a_wrong_admin_token_or_bucket_is_named(generated: Path, tmp_path: Path, influx: FakeInflux) -> None:
    with pytest.raises(hand_out.Failed, match="no bucket other"):
        hand_out.hand_out_tokens(generated, tmp_path / "auth", url=influx.url, org="vanpulse", bucket="other")
    (generated / "influxdb_admin_token").write_text("another")
    with pytest.raises(hand_out.Failed, match="does not know the admin token"):
        hand_out.hand_out_tokens(generated, tmp_path / "auth", url=influx.url, org="vanpulse", bucket="fleet")
