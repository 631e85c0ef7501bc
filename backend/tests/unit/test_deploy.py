"""docker-compose.yml and the Dockerfile keep their promises; no Docker engine runs here, so they are read."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

PROJECT = Path(__file__).resolve().parents[3]
COMPOSE = PROJECT / "docker-compose.yml"
DOCKERFILE = (PROJECT / "Dockerfile").read_text()
OURS = ("backend", "celery-worker", "celery-beat", "flower")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    return YAML(typ="safe").load(COMPOSE)


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return compose["services"]


@pytest.mark.parametrize(
    "command",
    [
        ("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)),
        ("hadolint", str(PROJECT / "Dockerfile")),
    ],
    ids=lambda command: command[0],
)
def test_the_files_are_valid(command: tuple[str, ...]) -> None:
    program = Path(sys.executable).parent / command[0]
    result = subprocess.run([program, *command[1:]], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_services_are_those_of_the_guide(services: dict[str, dict[str, Any]]) -> None:
    assert set(services) == {"postgres", "redis", *OURS}


def test_every_service_is_watched_restarted_and_bounded(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["restart"] == "unless-stopped", name
        assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL"), name
        assert {"interval", "timeout", "retries", "start_period"} <= service["healthcheck"].keys(), name
        assert service["logging"]["driver"] == "json-file", name
        assert {"max-size", "max-file"} == service["logging"]["options"].keys(), name
        assert {"cpus", "memory"} == service["deploy"]["resources"]["limits"].keys(), name
        assert "stop_grace_period" in service, name


def test_only_web_and_flower_are_published_and_only_on_loopback(services: dict[str, dict[str, Any]]) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"backend": ["127.0.0.1:${PORT:-3000}:3000"], "flower": ["127.0.0.1:5555:5555"]}
    assert not any(service.get("network_mode") == "host" for service in services.values())


@pytest.mark.parametrize("name", ["celery-worker", "celery-beat"])
def test_it_can_be_scaled(services: dict[str, dict[str, Any]], name: str) -> None:
    """``docker compose up --scale`` refuses what is one by name or port; two of one name would be one worker."""
    service = services[name]
    assert not {"container_name", "hostname", "ports", "network_mode", "mac_address"} & service.keys()
    assert "replicas" not in service["deploy"]
    assert not {"-n", "--hostname", "--statedb", "-s", "--schedule"} & set(service["command"])
    # What each writes for itself lies in the container, not in a volume that all share.
    shared = [volume.split(":")[1] for volume in service["volumes"]]
    own = [service["environment"]["QUANTLAB_ALIVE_FILE"]] if name == "celery-worker" else []
    assert not [path for path in own if any(path.startswith(folder) for folder in shared)]


def test_no_password_has_a_default() -> None:
    text = COMPOSE.read_text()
    variables = re.findall(r"\$\{(\w+)(.*?)\}", text)
    passwords = [(name, rest) for name, rest in variables if "PASSWORD" in name]
    assert {name for name, _ in passwords} == {"POSTGRES_PASSWORD", "REDIS_PASSWORD", "FLOWER_PASSWORD"}
    for name, rest in passwords:
        assert rest == f":?Set {name} in .env; .env.example says how."
    assert not re.search(
        r"(?i)(password|requirepass|auth)\w*[:= ]+(?!\$\{|quantlab:\$\{)\w", re.sub(r":\?[^}]*", "", text)
    )


def test_the_example_names_every_password_and_holds_none() -> None:
    lines = (PROJECT / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert given == {"POSTGRES_PASSWORD": "", "REDIS_PASSWORD": "", "FLOWER_PASSWORD": ""}
    assert ".env" in (PROJECT / ".gitignore").read_text().splitlines()


def test_the_command_that_makes_a_password_works() -> None:
    example = (PROJECT / ".env.example").read_text()
    match = re.search(r"^#\s+(python3 -c .+)$", example, re.MULTILINE)
    assert match
    command = shlex.split(match[1])
    made = {subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)}
    assert len(made) == 2
    assert all(re.fullmatch(r"[0-9a-f]{48}\n", password) for password in made)


def test_ours_start_after_what_they_need(services: dict[str, dict[str, Any]]) -> None:
    healthy = {"condition": "service_healthy"}
    assert services["backend"]["depends_on"] == {"postgres": healthy, "redis": healthy}
    for name in OURS[1:]:
        assert services[name]["depends_on"] == {"backend": healthy}, name
    assert "app.cli.migrate && exec" in services["backend"]["command"][-1]


def test_ours_are_one_image_without_privileges(services: dict[str, dict[str, Any]]) -> None:
    for name in OURS:
        service = services[name]
        assert (service["image"], service["build"]) == ("quantlab", "."), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["environment"]["QUANTLAB_SOURCE"] == "${QUANTLAB_SOURCE:-exchange}", name
        for setting in ("QUANTLAB_HOSTS", "QUANTLAB_PROXIES"):  # one is of no use without the other
            assert service["environment"][setting] == f"${{{setting}:-}}", name
        assert service["environment"]["TZ"] == "Asia/Taipei", name
        assert not any("docker.sock" in str(volume) for volume in service["volumes"]), name
    assert services["flower"]["environment"]["FLOWER_BASIC_AUTH"].startswith("quantlab:${FLOWER_PASSWORD:?")


def test_data_lives_in_named_volumes(compose: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    used = {volume.split(":")[0] for service in services.values() for volume in service["volumes"]}
    assert used == set(compose["volumes"])


def test_the_image_runs_as_an_ordinary_user_from_the_folder_of_the_guide() -> None:
    final = DOCKERFILE.split("FROM ")[-1]
    assert re.search(r"^USER 10001:10001$", final, re.MULTILINE)
    assert re.search(r"^WORKDIR /app/backend$", final, re.MULTILINE)
    assert not re.search(r"apt-get|build-essential|gcc|HEALTHCHECK", DOCKERFILE)
    assert "--require-hashes" in DOCKERFILE
    assert DOCKERFILE.count("FROM python:3.11-slim-bookworm") == 2


def test_what_the_image_copies_is_what_the_build_context_holds() -> None:
    """.dockerignore excludes everything and lets in by name: a COPY of something else would fail only at the build."""
    allowed = {
        line.removeprefix("!") for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied: set[str] = set()
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        copied |= set(line.split()[:-1])
    assert copied == allowed
    assert all((PROJECT / path).exists() for path in copied)
