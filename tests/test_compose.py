"""The Docker stack's file, as far as it can be tested without Docker: `tests/deploy` runs the parts of it."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from agent.config import Settings, load_fleet
from simulator.fleet_file import fleet_file
from simulator.simulation import Plan, Simulation
from tests.deploy.stack import ONE_SHOT, ROOT, SERVICES, STACK, hand_out

YAML_FILES = sorted(
    path
    for folder in (
        ROOT,
        *(ROOT / name for name in ("dashboards", "deploy", "docs", "simulator", "tests", "benchmarks")),
    )
    for pattern in ("*.yml", "*.yaml")
    for path in (folder.glob(pattern) if folder == ROOT else folder.rglob(pattern))
)


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose missing: apt-get install docker-compose")
@pytest.mark.parametrize("profile", [[], ["--profile", "demo"]])
def test_docker_compose_accepts_the_file(profile: list[str]) -> None:
    result = subprocess.run(["docker-compose", *profile, "config"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    parsed = yaml.safe_load(result.stdout)
    assert set(SERVICES) - {"simulator"} <= set(parsed["services"]) <= set(SERVICES)
    assert not re.search("variable is not set", result.stderr)


def test_every_mounted_file_exists_and_every_volume_is_declared() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            source, target, *_ = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert source == "./secrets" or (ROOT / source).exists(), f"{name}: {source}"
            else:
                assert source in STACK["volumes"], f"{name}: {source}"


def test_every_variable_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"(?<!\$)\$\{([^}]*)\}", text))
    assert used
    assert all(re.fullmatch(r"[A-Z_]+:-.+", each) for each in used)


def test_images_are_pinned_and_nothing_is_latest() -> None:
    for service in SERVICES.values():
        image, _, tag = service["image"].partition(":")
        assert tag == "local" if image == "vanpulse" else re.match(r"\d+\.\d+\.\d+", tag), service["image"]


@pytest.mark.parametrize("name", SERVICES)
def test_services_have_few_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert service["read_only"] is True
    assert "privileged" not in service
    user = service["user"].split(":")[0]
    if name in ONE_SHOT:
        assert user == "0"
        assert service["restart"] == "no"
        assert set(service["cap_add"]) == {"CHOWN", "DAC_OVERRIDE", "FOWNER"}
    else:
        assert int(user) == hand_out.OWNERS[name]
        assert "cap_add" not in service


def merged_anchors(node: yaml.Node) -> Iterator[list[yaml.MappingNode]]:
    """The mappings that are merged into one, for every `<<` below this node."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                yield value.value if isinstance(value, yaml.SequenceNode) else [value]
            yield from merged_anchors(value)
    elif isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from merged_anchors(each)


@pytest.mark.parametrize("path", YAML_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_merged_anchors_never_disagree_on_a_key(path: Path) -> None:
    """YAML readers differ in which of them would win: PyYAML 6.0.4 takes the last, 6.0.3 and Docker Compose the first.

    A value that differs is said by the mapping itself, which wins everywhere.
    """
    for document in yaml.compose_all(path.read_text(encoding="utf-8"), yaml.SafeLoader):
        for anchors in merged_anchors(document):
            said: dict[str, str] = {}
            for anchor in anchors:
                for key, value in anchor.value:
                    text = yaml.serialize(value)
                    assert said.setdefault(key.value, text) == text, f"line {value.start_mark.line + 1}: {key.value}"


def test_users_are_distinct() -> None:
    assert len(set(hand_out.OWNERS.values())) == len(hand_out.OWNERS)


def test_only_the_services_that_hand_out_may_write_to_the_secrets() -> None:
    for name, service in SERVICES.items():
        for mount in service.get("volumes", []):
            if mount.startswith("auth:"):
                assert mount.endswith(":ro") == (name not in ONE_SHOT), name


def test_nothing_listens_beyond_this_machine_unless_asked_to() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("${BIND:-127.0.0.1}:") for port in ports)
    assert "ports" not in SERVICES["influxdb"]


def test_every_lasting_service_has_a_health_check_or_is_a_sender() -> None:
    for name, service in SERVICES.items():
        assert ("healthcheck" in service) == (name not in {*ONE_SHOT, "simulator"}), name


def test_the_start_order_has_no_circle_and_waits_for_what_is_needed() -> None:
    order: list[str] = []

    def visit(name: str, path: tuple[str, ...] = ()) -> None:
        assert name not in path, path
        for before, condition in SERVICES[name].get("depends_on", {}).items():
            expected = "service_completed_successfully" if before in ONE_SHOT else "service_healthy"
            assert condition == {"condition": expected}
            visit(before, (*path, name))
        if name not in order:
            order.append(name)

    for name in SERVICES:
        visit(name)
    for before, after in [
        ("secrets", "mosquitto"),
        ("influxdb", "tokens"),
        ("tokens", "agent"),
        ("agent", "simulator"),
    ]:
        assert order.index(before) < order.index(after)


def test_only_the_simulator_belongs_to_the_demo() -> None:
    assert [name for name, service in SERVICES.items() if "profiles" in service] == ["simulator"]
    assert SERVICES["simulator"]["profiles"] == ["demo"]


@pytest.mark.parametrize("name", ["agent", "live"])
def test_the_settings_in_the_environment_are_settings(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for key in [key for key in os.environ if key.startswith("VANPULSE_")]:
        monkeypatch.delenv(key)
    for key, value in SERVICES[name]["environment"].items():
        if key.endswith("_FILE") and value.startswith("/run/auth"):
            file = tmp_path / key.lower()
            file.write_text("secret\n")
            value = str(file)
        monkeypatch.setenv(key, re.sub(r"\$\{[A-Z_]+:-(.*)\}", r"\1", value))
    settings = Settings.load() if hasattr(Settings, "load") else Settings()
    assert settings.store.url.startswith("influxdb://influxdb:8086")
    assert settings.store.token
    assert settings.store.token.get_secret_value() == "secret"


def test_the_fleet_file_names_the_simulators_default_fleet(tmp_path: Path) -> None:
    simulated = tmp_path / "fleet.toml"
    simulated.write_text(fleet_file(Simulation(Plan(live_s=1_790_000_000)).fleet), encoding="utf-8")
    fleet = Settings().fleet
    shipped = load_fleet(fleet.model_copy(update={"file": ROOT / "deploy/fleet.toml"}))
    expected = load_fleet(fleet.model_copy(update={"file": simulated}))
    assert set(shipped.depots) == set(expected.depots)
    assert {name: (van.depot, van.model) for name, van in shipped.vans.items()} == {
        name: (van.depot, van.model) for name, van in expected.vans.items()
    }


def test_grafana_gets_what_its_provisioning_names() -> None:
    environment = SERVICES["grafana"]["environment"]
    text = (ROOT / "dashboards/grafana/provisioning/datasources/fleet.yaml").read_text(encoding="utf-8")
    body = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert set(re.findall(r"\$\{([A-Z_]+)\}", body)) <= set(environment)
    assert "$__file{/run/auth/grafana/influxdb_token}" in body
    mounts = dict(mount.split(":")[:2][::-1] for mount in SERVICES["grafana"]["volumes"])
    provider = yaml.safe_load((ROOT / "dashboards/grafana/provisioning/dashboards/fleet.yaml").read_text())
    assert mounts[provider["providers"][0]["options"]["path"]] == "./dashboards/grafana/json"
    assert (
        ROOT / "dashboards/grafana/json" / Path(environment["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]).name
    ).exists()


def test_the_image_copies_only_what_exists_and_runs_as_nobody_in_particular() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists() or source == "README.md", source
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1] == "10001:10001"
    assert all("--only-binary=:all:" in line for line in lines if "pip install" in line)
