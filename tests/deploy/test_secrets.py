"""The secrets that `deploy/up` generates, and which service of the stack gets which."""

import base64
import hashlib
import os
import re
import stat
import subprocess
from pathlib import Path

import pytest

from tests.deploy.stack import ROOT, contents, hand_out


def test_secrets_are_made_once_and_readable_by_us_alone(generated: Path) -> None:
    before = contents(generated)
    assert len(before) == 9
    assert all(re.fullmatch(r"[0-9a-f]{64}", text) for text in before.values())
    assert len(set(before.values())) == len(before)
    for path in [generated, *generated.rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)
    environment = {**os.environ, "SECRETS": str(generated)}
    again = subprocess.run(
        [ROOT / "deploy/up", "--secrets"], env=environment, check=True, capture_output=True, text=True
    )
    assert contents(generated) == before
    assert not again.stdout


@pytest.mark.parametrize("name", ["agent", "../x", "a/b", "", "x" * 65, ".hidden"])
def test_a_van_cannot_have_a_name_that_would_do_harm(name: str, tmp_path: Path) -> None:
    environment = {**os.environ, "SECRETS": str(tmp_path)}
    result = subprocess.run([ROOT / "deploy/add-van", name], env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert list((tmp_path / "vans").iterdir()) == []


def test_no_secret_is_in_the_tree() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "secrets/" in ignored
    kept = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert kept[1] == "*"
    assert "!secrets" not in kept


def test_each_service_gets_its_own_secrets(generated: Path, tmp_path: Path) -> None:
    target = tmp_path / "auth"
    hand_out.hand_out_secrets(generated, target, ROOT / "deploy/mosquitto/acl")
    secrets = contents(generated)
    given = contents(target)
    assert given["agent/mqtt_password"] == secrets["mqtt_agent"]
    assert given["influxdb/admin_token"] == secrets["influxdb_admin_token"]
    assert given["grafana/admin_password"] == secrets["grafana_admin_password"]
    assert {line.split(":")[0] for line in given["mosquitto/passwords"].splitlines()} == {
        *("agent", "simulator", "health"),
        *("van-1", "van-2"),
    }
    for path in target.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o400)
        if os.geteuid() == 0:
            assert path.stat().st_uid == hand_out.OWNERS[path.relative_to(target).parts[0]]


def test_what_the_stack_reads_is_what_is_handed_out(generated: Path, tmp_path: Path) -> None:
    target = tmp_path / "auth"
    hand_out.hand_out_secrets(generated, target, ROOT / "deploy/mosquitto/acl")
    handed = {f"/run/auth/{name}" for name in contents(target)}
    handed |= {f"/run/auth/{service}/influxdb_token" for service in hand_out.TOKENS}
    texts = [
        (ROOT / "docker-compose.yml").read_text(),
        (ROOT / "deploy/mosquitto/mosquitto.conf").read_text(),
        (ROOT / "dashboards/grafana/provisioning/datasources/fleet.yaml").read_text(),
    ]
    named = {path for text in texts for path in re.findall(r"/run/auth/[a-z]+/[a-z_]+", text)}
    assert named == handed


def test_a_missing_secret_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acl").write_text("")
    arguments = [
        "secrets",
        "--source",
        str(tmp_path),
        "--target",
        str(tmp_path / "auth"),
        "--acl",
        str(tmp_path / "acl"),
    ]
    assert hand_out.main(arguments) == 1
    complaint = capsys.readouterr().err
    assert "influxdb_admin_password" in complaint
    assert "deploy/up" in complaint


def test_a_password_line_is_what_mosquitto_computes() -> None:
    line = hand_out.password_line("van-1", "secret", salt=b"123456789012")
    user, _, rest = line.partition(":")
    _, kind, iterations, salt, digest = rest.split("$")
    assert (user, kind) == ("van-1", "7")
    expected = hashlib.pbkdf2_hmac("sha512", b"secret", base64.b64decode(salt), int(iterations))
    assert base64.b64decode(digest) == expected
