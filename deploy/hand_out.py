#!/usr/bin/env python3
"""Gives every service of the Docker stack its own secrets, readable by that service only.

`hand_out.py secrets` copies the secrets that `deploy/up` generated to the target: one folder per service, owned by the
user of that service. `hand_out.py tokens` requests one token per service from InfluxDB, with only the rights that the
service needs. InfluxDB stores only hashes of tokens, so the tokens are stored here. Both commands may be repeated. The
script uses only the standard library.
"""

import argparse
import base64
import hashlib
import json
import os
import secrets
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

OWNERS = {"mosquitto": 1883, "influxdb": 1000, "grafana": 472, "agent": 10001, "live": 10002, "simulator": 10003}
"""The user of each service in docker-compose.yml."""

BROKER_USERS = ("agent", "simulator", "health")
GIVEN = {
    "influxdb": {"influxdb_admin_password": "admin_password", "influxdb_admin_token": "admin_token"},
    "grafana": {"grafana_admin_password": "admin_password"},
    "agent": {"mqtt_agent": "mqtt_password"},
    "live": {"live_password": "password"},
    "simulator": {"mqtt_simulator": "mqtt_password"},
    "mosquitto": {"mqtt_health": "health_password"},
}
"""The generated file for each file of each service."""

TOKENS = {"agent": "write", "grafana": "read", "live": "read"}
"""The rights of each service on the bucket."""

ITERATIONS = 101
WAIT_S = 60.0


class Failed(Exception):
    """Something is missing or was refused. The text says what to do."""


def password_line(user: str, password: str, salt: bytes | None = None) -> str:
    """A line of Mosquitto's password file, in the format of `mosquitto_passwd` (PBKDF2 with SHA-512)."""
    salt = salt or secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"{user}:$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def hand_out_secrets(source: Path, target: Path, acl: Path) -> None:
    """Copy the generated secrets and write the broker's password file."""
    for service, files in GIVEN.items():
        folder = _folder(target, service)
        for generated, name in files.items():
            _put(folder / name, _read(source / generated), OWNERS[service])
    users = {user: _read(source / f"mqtt_{user}") for user in BROKER_USERS}
    for path in sorted((source / "vans").glob("*")):
        if path.name in users:
            raise Failed(f"{path}: the name {path.name!r} is taken by a service; give the van another one")
        users[path.name] = _read(path)
    broker = _folder(target, "mosquitto")
    lines = [password_line(user, password) for user, password in users.items()]
    _put(broker / "passwords", "\n".join(lines) + "\n", OWNERS["mosquitto"])
    _put(broker / "acl", acl.read_text(encoding="utf-8"), OWNERS["mosquitto"])


def hand_out_tokens(source: Path, target: Path, *, url: str, org: str, bucket: str) -> None:
    """Create one token per service. A token that InfluxDB still accepts is kept."""
    ask = _client(url, _read(source / "influxdb_admin_token"))
    org_id = _the_one(ask("GET", "/api/v2/orgs?" + urllib.parse.urlencode({"org": org}))["orgs"], f"organisation {org}")
    query = urllib.parse.urlencode({"orgID": org_id, "name": bucket})
    bucket_id = _the_one(ask("GET", "/api/v2/buckets?" + query)["buckets"], f"bucket {bucket}")
    for service, action in TOKENS.items():
        path = _folder(target, service) / "influxdb_token"
        if path.exists() and _is_known(url, _read(path)):
            continue
        resource = {"type": "buckets", "id": bucket_id, "orgID": org_id}
        created = ask(
            "POST",
            "/api/v2/authorizations",
            {
                "orgID": org_id,
                "description": f"vanpulse {service}: {action} {bucket}",
                "permissions": [{"action": action, "resource": resource}],
            },
        )
        _put(path, created["token"], OWNERS[service])


Ask = Callable[..., Any]


def _client(url: str, token: str) -> Ask:
    def ask(method: str, path: str, body: Mapping[str, object] | None = None) -> Any:
        data = json.dumps(body).encode() if body is not None else None
        headers = {"Authorization": f"Token {token}", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, data=data, method=method, headers=headers)  # noqa: S310
        deadline_s = time.monotonic() + WAIT_S
        while True:
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                text = error.read().decode(errors="replace")
                if error.code == 401:
                    raise Failed(
                        "InfluxDB does not know the admin token in secrets/influxdb_admin_token: "
                        "put back the one it was set up with"
                    ) from error
                raise Failed(f"InfluxDB answered {error.code} to {method} {path}: {text}") from error
            except OSError as error:
                if time.monotonic() > deadline_s:
                    raise Failed(f"InfluxDB at {url} does not answer: {error}") from error
                time.sleep(1)

    return ask


def _is_known(url: str, token: str) -> bool:
    request = urllib.request.Request(f"{url}/api/v2/buckets?limit=1", headers={"Authorization": f"Token {token}"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310
            return True
    except urllib.error.HTTPError as error:
        if error.code in (401, 403):
            return False
        raise Failed(f"InfluxDB answered {error.code} when asked about a token") from error


def _the_one(found: list[dict[str, str]], what: str) -> str:
    if len(found) != 1:
        raise Failed(f"InfluxDB has no {what}: was its volume set up by somebody else?")
    return found[0]["id"]


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise Failed(f"{path} cannot be read ({error.strerror}): run deploy/up, which makes it") from error
    if not text:
        raise Failed(f"{path} is empty: remove it and run deploy/up")
    return text


def _folder(target: Path, service: str) -> Path:
    folder = target / service
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    _own(folder, OWNERS[service])
    return folder


def _put(path: Path, text: str, owner: int) -> None:
    """Replace the file in one step, so that no other user can read it at any time."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w", encoding="utf-8") as file:
        file.write(text)
    _own(fresh, owner)
    fresh.replace(path)


def _own(path: Path, owner: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, owner, owner)


def main(arguments: list[str] | None = None) -> int:
    """Run the command. If something is missing, print one sentence and return exit status 1."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["secrets", "tokens"])
    parser.add_argument("--source", type=Path, default=Path("/run/generated"))
    parser.add_argument("--target", type=Path, default=Path("/run/auth"))
    parser.add_argument("--acl", type=Path, default=Path("/run/acl"))
    chosen = parser.parse_args(arguments)
    try:
        if chosen.what == "secrets":
            hand_out_secrets(chosen.source, chosen.target, chosen.acl)
        else:
            environment = os.environ
            hand_out_tokens(
                chosen.source,
                chosen.target,
                url=environment["INFLUXDB_URL"],
                org=environment["INFLUXDB_ORG"],
                bucket=environment["INFLUXDB_BUCKET"],
            )
    except Failed as error:
        sys.stderr.write(f"hand_out: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
