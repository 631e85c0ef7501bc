"""deploy/kubernetes against the schemas of Kubernetes, and what it promises; no cluster runs here, so it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from ruamel.yaml import YAML

from app.core.celery_app import QUEUES
from app.core.config import Settings

FOLDER = Path(__file__).resolve().parents[3] / "deploy/kubernetes"
NOT_OURS = {"REMAP_SIGTERM", "TZ"}
"""Variables that Celery and the C library read."""


def documents(folder: Path = FOLDER) -> Iterator[dict[str, Any]]:
    kustomization = YAML(typ="safe").load(folder / "kustomization.yaml")
    for name in kustomization["resources"]:
        if name == "..":
            yield from documents(folder.parent)
        else:
            yield from YAML(typ="safe").load_all(folder / name)


ALL = list(documents(FOLDER / "keda"))
BUILT_IN = [one for one in ALL if not one["apiVersion"].startswith("keda.sh/")]
DEPLOYMENTS = {one["metadata"]["name"]: one for one in ALL if one["kind"] == "Deployment"}
PODS = {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in ALL if one["kind"] in ("Deployment", "Job")}


@pytest.mark.parametrize("document", BUILT_IN, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_each_document_is_what_kubernetes_takes(document: dict[str, Any]) -> None:
    kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)


def test_a_wrong_document_would_be_refused() -> None:
    wrong = {**DEPLOYMENTS["web"], "spec": {**DEPLOYMENTS["web"]["spec"], "replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, kubernetes_validate.latest_version(), strict=True)


def test_there_is_a_worker_for_each_queue_one_beat_a_web_and_the_migration() -> None:
    assert set(PODS) == {*(f"worker-{queue.replace('_', '-')}" for queue in QUEUES), "beat", "web", "migrate"}
    for queue in QUEUES:
        pod = PODS[f"worker-{queue.replace('_', '-')}"]
        assert f"--queues={queue}" in pod["containers"][0]["command"]
    assert DEPLOYMENTS["beat"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("name", PODS)
def test_every_pod_is_bounded_and_nobody(name: str) -> None:
    pod = PODS[name]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["automountServiceAccountToken"] is False
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
    assert {"cpu", "memory"} == set(container["resources"]["requests"]) == set(container["resources"]["limits"])
    # What it writes to is a volume: the image is read-only.
    assert {one["mountPath"] for one in container["volumeMounts"]} == {"/tmp", "/var/lib/quantlab"}
    assert {"secretRef": {"name": "quantlab"}} in container["envFrom"]


@pytest.mark.parametrize("name", sorted(set(PODS) - {"migrate"}))
def test_every_program_that_stays_is_watched(name: str) -> None:
    (container,) = PODS[name]["containers"]
    assert {"startupProbe", "livenessProbe"} <= set(container)
    if name != "web":
        assert container["livenessProbe"]["exec"]["command"] == ["python", "-m", "app.cli.alive", "/tmp/quantlab.alive"]


def test_the_settings_are_ours_and_no_secret_is_among_them() -> None:
    (config,) = (one for one in ALL if one["kind"] == "ConfigMap")
    ours = {name.upper(): field for name, field in Settings.model_fields.items()}
    assert set(config["data"]) - NOT_OURS <= set(ours)
    assert not [name for name in config["data"] if name in ours and "SecretStr" in str(ours[name].annotation)]
    assert not [one for one in ALL if one["kind"] == "Secret"]
    assert config["data"]["QUANTLAB_ALIVE_FILE"] == "/tmp/quantlab.alive"


def test_disruption_budgets_and_scaling_name_what_is_there() -> None:
    for one in ALL:
        if one["kind"] == "PodDisruptionBudget":
            name = one["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]
            assert DEPLOYMENTS[name]["spec"]["replicas"] > 1, name
        if one["kind"] == "ScaledObject":
            assert one["spec"]["scaleTargetRef"]["name"] in DEPLOYMENTS
            (trigger,) = one["spec"]["triggers"]
            assert trigger["type"] == "postgresql"
            assert {"query", "targetQueryValue"} == set(trigger["metadata"])
            assert trigger["authenticationRef"]["name"] in {
                other["metadata"]["name"] for other in ALL if other["kind"] == "TriggerAuthentication"
            }
