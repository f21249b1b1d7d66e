"""The files of launch/kubernetes, and what Kubernetes and JobSet take.

The part of a JobSet that Kubernetes itself does not know is held against a small schema of what is
used here, written from JobSet's v1alpha2; its Job is validated like any other.
"""

import pathlib

import jsonschema
import kubernetes_validate
import yaml

FOLDER = pathlib.Path(__file__).parents[2] / "launch" / "kubernetes"
OLDEST = "1.31"
"""Before it a Job has no successPolicy."""
NAMES = {"type": "array", "items": {"type": "string"}}
FAILURE_RULE = {
    "type": "object",
    "required": ["action", "name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
        "action": {"enum": ["FailJobSet", "RestartJobSet", "RestartJobSetAndIgnoreMaxRestarts"]},
        "onJobFailureReasons": {"type": "array", "items": {"enum": ["PodFailurePolicy"]}},
        "targetReplicatedJobs": NAMES,
    },
}
JOBSET = {
    "type": "object",
    "required": ["replicatedJobs"],
    "additionalProperties": False,
    "properties": {
        "failurePolicy": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "maxRestarts": {"type": "integer"},
                "rules": {"type": "array", "items": FAILURE_RULE},
            },
        },
        "replicatedJobs": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name", "template"],
                "additionalProperties": False,
                "properties": {
                    "name": {"type": "string"},
                    "replicas": {"type": "integer"},
                    "template": {"type": "object"},
                },
            },
        },
    },
}


def read(name: str) -> dict:
    return yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))


def job_of(manifest: dict) -> dict:
    """Returns the Job of a manifest: itself, or the one that a JobSet makes."""
    if manifest["kind"] == "Job":
        return manifest
    (replicated,) = manifest["spec"]["replicatedJobs"]
    name = f"{manifest['metadata']['name']}-{replicated['name']}-0"
    head = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}}
    return head | replicated["template"]


MANIFESTS = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.yaml"))
PLAIN = [name for name in MANIFESTS if not name.endswith("kustomization.yaml")]
JOB, JOBSET_FILE = "job/job.yaml", "jobset/jobset.yaml"
WORKERS = (JOB, JOBSET_FILE)
VERSIONS = (OLDEST, kubernetes_validate.latest_version())


def validate(manifest: dict, version: str) -> None:
    if manifest["kind"] == "JobSet":
        assert manifest["apiVersion"] == "jobset.x-k8s.io/v1alpha2"
        jsonschema.validate(manifest["spec"], JOBSET)
        manifest = job_of(manifest)
    kubernetes_validate.validate(manifest, version, strict=True)
