"""The files of the scaled-out form: the Compose file and the Kubernetes manifests, as far as they can be tested."""

import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from agent.__main__ import COMMANDS
from agent.config import FleetFile, Settings, load
from tests.deploy.stack import ROOT, SERVICES, hand_out

COMPOSE = ROOT / "deploy" / "compose.scaled.yml"
SCALED: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
KUBERNETES = ROOT / "deploy" / "kubernetes"
KUSTOMIZATION: dict[str, Any] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text(encoding="utf-8"))
OBJECTS: list[dict[str, Any]] = [
    each
    for name in KUSTOMIZATION["resources"]
    for each in yaml.safe_load_all((KUBERNETES / name).read_text(encoding="utf-8"))
]
DEPLOYMENTS = {each["metadata"]["name"]: each for each in OBJECTS if each["kind"] == "Deployment"}


def names(value: Any) -> list[str]:
    """`kind/name` as the id of a case."""
    return f"{value['kind']}/{value['metadata']['name']}" if isinstance(value, dict) else str(value)


def known_settings() -> set[str]:
    return {
        f"VANPULSE_{section}__{key}".upper()
        for section, field in Settings.model_fields.items()
        for key in getattr(field.annotation, "model_fields", {})
    }


def objects(kind: str) -> list[dict[str, Any]]:
    return [each for each in OBJECTS if each["kind"] == kind]


def pod(deployment: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return spec


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def labels_of(deployment: dict[str, Any]) -> dict[str, str]:
    labels: dict[str, str] = deployment["spec"]["template"]["metadata"]["labels"]
    return labels


# -- Compose


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose missing: apt-get install docker-compose")
def test_docker_compose_accepts_both_files_together() -> None:
    command = ["docker-compose", "-f", "docker-compose.yml", "-f", str(COMPOSE.relative_to(ROOT)), "config"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    services = yaml.safe_load(result.stdout)["services"]
    roles = [each["command"] for each in services.values() if "--role" in (each.get("command") or [])]
    assert sorted(command[-1] for command in roles) == ["ingest", "ingest", "process", "process"]
    # The base file's settings stay, and those of the log are added.
    assert services["agent"]["environment"]["VANPULSE_MQTT__URL"] == "mqtt://mosquitto:1883"
    assert services["agent"]["environment"]["VANPULSE_LOG__URL"].startswith("kafka://")


def test_agents_of_the_compose_file_have_real_settings_and_names_of_their_own() -> None:
    agents = {name: each for name, each in SCALED.items() if not name.startswith("kafka")}
    for name, each in agents.items():
        used = {key for key in each["environment"] if key.startswith("VANPULSE_")}
        assert used <= known_settings(), name
        assert each["command"][0] in COMMANDS
    instances = [each["environment"]["VANPULSE_LOG__INSTANCE"] for each in agents.values()]
    assert len(set(instances)) == len(agents) == 4


def test_brokers_of_the_log_are_services_and_its_replication_is_possible() -> None:
    nodes = {name: each for name, each in SCALED.items() if name.startswith("kafka")}
    for name, each in SCALED.items():
        if name in nodes:
            continue
        hosts = each["environment"]["VANPULSE_LOG__URL"].removeprefix("kafka://").partition("/")[0]
        assert {host.partition(":")[0] for host in hosts.split(",")} == set(nodes)
        assert int(each["environment"]["VANPULSE_LOG__REPLICATION"]) == len(nodes)
    voters = {
        each.partition("@")[2] for each in SCALED["kafka-1"]["environment"]["KAFKA_CONTROLLER_QUORUM_VOTERS"].split(",")
    }
    assert voters == {f"{name}:9093" for name in nodes}
    for name, each in nodes.items():
        assert each["environment"]["KAFKA_ADVERTISED_LISTENERS"] == f"PLAINTEXT://{name}:9092"
        assert int(each["environment"]["KAFKA_MIN_INSYNC_REPLICAS"]) == 2
    assert len({each["environment"]["KAFKA_NODE_ID"] for each in nodes.values()}) == len(nodes)


def test_services_of_the_compose_file_have_few_rights() -> None:
    for name, each in SCALED.items():
        if name == "agent":
            continue  # as in the base file
        assert each["cap_drop"] == ["ALL"]
        assert "no-new-privileges:true" in each["security_opt"]
        assert each["user"].partition(":")[0] != "0"
        if not name.startswith("kafka"):
            assert each["read_only"] is True
            assert int(each["user"].partition(":")[0]) == hand_out.OWNERS["agent"], "it reads the agent's secrets"
        for other in each.get("depends_on", {}):
            assert other in SCALED | SERVICES


# -- Kubernetes


@pytest.mark.parametrize("each", OBJECTS, ids=names)
def test_manifests_follow_the_schema_of_kubernetes(each: dict[str, Any]) -> None:
    validator = pytest.importorskip("kubernetes_validate", reason="kubernetes-validate missing: make develop")
    validator.validate(each, "1.31", strict=True)


def test_every_file_is_in_the_kustomization() -> None:
    assert {path.name for path in KUBERNETES.glob("*.yaml")} == {"kustomization.yaml", *KUSTOMIZATION["resources"]}


def test_selectors_match_the_pods_that_they_are_for() -> None:
    for name, deployment in DEPLOYMENTS.items():
        assert deployment["spec"]["selector"]["matchLabels"] == labels_of(deployment), name
    for kind in ("Service", "PodDisruptionBudget"):
        for each in objects(kind):
            selector = each["spec"]["selector"]
            selector = selector.get("matchLabels", selector)
            found = [name for name, deployment in DEPLOYMENTS.items() if matches(selector, labels_of(deployment))]
            assert found == [each["metadata"]["name"]]
    for policy in objects("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        assert any(matches(selector, labels_of(deployment)) for deployment in DEPLOYMENTS.values())


def test_ports_of_services_probes_and_policies_are_those_of_the_containers() -> None:
    for name, deployment in DEPLOYMENTS.items():
        (container,) = pod(deployment)["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe in container:
                action = container[probe].get("httpGet") or container[probe]["tcpSocket"]
                assert action["port"] in ports, f"{name}: {probe}"
        for service in objects("Service"):
            if service["metadata"]["name"] == name:
                assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
        environment = {each["name"]: each.get("value") for each in container.get("env", [])}
        if "health" in ports:
            assert environment["VANPULSE_HTTP__LISTEN"] == f"0.0.0.0:{ports['health']}"
        else:
            assert container["args"][container["args"].index("--port") + 1] == str(ports["page"])
    everything = {port["name"] for each in DEPLOYMENTS.values() for port in pod(each)["containers"][0]["ports"]}
    for policy in objects("NetworkPolicy"):
        for rule in policy["spec"]["ingress"]:
            assert {port["port"] for port in rule["ports"]} <= everything


def test_probes_ask_for_what_the_agent_serves() -> None:
    served = (ROOT / "agent" / "health.py").read_text(encoding="utf-8")
    for name in ("ingest", "process"):
        (container,) = pod(DEPLOYMENTS[name])["containers"]
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert f'web.get("{container[probe]["httpGet"]["path"]}"' in served


def test_commands_settings_and_files_of_the_pods_are_real(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = objects("ConfigMap")
    for name, deployment in DEPLOYMENTS.items():
        (container,) = pod(deployment)["containers"]
        command, option, file, *_ = container["args"]
        assert command in COMMANDS
        mounts = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod(deployment)["volumes"]}
        assert set(mounts.values()) == set(volumes)
        assert option == "--config"
        assert volumes[mounts[str(Path(file).parent)]]["configMap"]["name"] == config["metadata"]["name"]
        assert Path(file).name in config["data"]
        assert {each["name"] for each in container.get("env", [])} <= known_settings(), name
    FleetFile.model_validate(tomllib.loads(config["data"]["fleet.toml"]))
    text = config["data"]["vanpulse.toml"]
    for secret in ("mqtt_password", "kafka_password", "influxdb_token", "live_password"):
        (tmp_path / secret).write_text("secret\n")
        assert f"--from-file={secret}" in (KUBERNETES / "settings.yaml").read_text(encoding="utf-8")
        assert f"/run/secrets/vanpulse/{secret}" in text
    file = tmp_path / "vanpulse.toml"
    file.write_text(text.replace("/run/secrets/vanpulse", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    settings = load(file)
    assert settings.log.url.startswith("kafkas://")
    assert str(settings.fleet.file) == "/etc/vanpulse/fleet.toml"


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_pods_have_few_rights(name: str) -> None:
    spec = pod(DEPLOYMENTS[name])
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == hand_out.OWNERS["live" if name == "live" else "agent"]
    assert spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("name", ["ingest", "process"])
def test_one_agent_of_a_role_goes_at_a_time_and_has_time_to_hand_over(name: str) -> None:
    from agent.ingesting import RELEASE_WAIT_S
    from agent.kafka.membership import RELEASE_S

    spec = DEPLOYMENTS[name]["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 1, "maxSurge": 0}
    assert pod(DEPLOYMENTS[name])["terminationGracePeriodSeconds"] > max(RELEASE_S, RELEASE_WAIT_S)
    (budget,) = (each for each in objects("PodDisruptionBudget") if each["metadata"]["name"] == name)
    assert budget["spec"]["maxUnavailable"] == 1
