"""launch/kubernetes: valid for Kubernetes, and each exit code leads where it has to."""

import json
import re
import shutil
import subprocess

import jsonschema
import kubernetes_validate
import manifests
import pytest
import yaml


@pytest.mark.parametrize("version", manifests.VERSIONS)
@pytest.mark.parametrize("name", manifests.PLAIN)
def test_a_manifest_is_valid(name, version):
    manifests.validate(manifests.read(name), version)


def test_the_validation_finds_a_mistake_in_either_form():
    for name in manifests.WORKERS:
        manifest = manifests.read(name)
        spec = manifest["spec"]
        spec = spec["replicatedJobs"][0]["template"]["spec"] if "replicatedJobs" in spec else spec
        spec["backofLimit"] = spec.pop("backoffLimit")
        with pytest.raises(kubernetes_validate.ValidationError, match="backofLimit"):
            manifests.validate(manifest, manifests.OLDEST)
    manifest = manifests.read(manifests.JOBSET_FILE)
    manifest["spec"]["failurePolicy"]["maxRestart"] = 1
    with pytest.raises(jsonschema.ValidationError, match="maxRestart"):
        manifests.validate(manifest, manifests.OLDEST)


@pytest.mark.parametrize("name", ["storage", "job", "jobset"])
def test_a_kustomization_names_files_that_there_are_and_misses_none(name):
    kustomization = manifests.read(f"{name}/kustomization.yaml")
    assert kustomization["apiVersion"] == "kustomize.config.k8s.io/v1beta1"
    assert kustomization["kind"] == "Kustomization"
    resources = kustomization["resources"]
    files = {path.name for path in (manifests.FOLDER / name).iterdir()} - {"kustomization.yaml"}
    assert {resource for resource in resources if resource.endswith(".yaml")} == files
    for resource in {*resources} - files:
        assert (manifests.FOLDER / name / resource / "kustomization.yaml").exists()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl, which has kustomize in it")
@pytest.mark.parametrize("name, kinds", [("job", {"Service", "Job"}), ("jobset", {"JobSet"})])
def test_what_kustomize_makes_is_valid_and_has_the_image_of_the_gpu(name, kinds):
    done = subprocess.run(
        ["kubectl", "kustomize", manifests.FOLDER / name],
        capture_output=True,
        text=True,
        check=True,
    )
    made = list(yaml.safe_load_all(done.stdout))
    assert {manifest["kind"] for manifest in made} == {"PersistentVolumeClaim", *kinds}
    for manifest in made:
        manifests.validate(manifest, manifests.OLDEST)
    assert re.findall(r"image: (.*)", done.stdout) == ["alexnet_tf:gpu"]


def variables_of(job: dict, index: int) -> dict[str, str]:
    """The environment of a pod, $(NAME) replaced as kubelet does: by what stands above."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    path = "metadata.annotations['batch.kubernetes.io/job-completion-index']"
    found = {}
    for variable in container["env"]:
        if "valueFrom" in variable:
            assert variable["valueFrom"]["fieldRef"]["fieldPath"] == path
            found[variable["name"]] = str(index)
        else:
            found[variable["name"]] = re.sub(
                r"\$\((\w+)\)", lambda match: found.get(match[1], match[0]), variable["value"]
            )
    return found


@pytest.mark.parametrize("name", manifests.WORKERS)
def test_each_worker_finds_itself_among_all_by_the_names_of_the_pods(name):
    manifest = manifests.read(name)
    job, spec = manifests.job_of(manifest), manifests.job_of(manifest)["spec"]
    assert spec["completionMode"] == "Indexed"
    assert spec["completions"] == spec["parallelism"] > 1
    (container,) = spec["template"]["spec"]["containers"]
    (port,) = container["ports"]
    service = manifest["metadata"]["name"]  # JobSet's default; the Service's in a Job, see below
    for index in range(spec["completions"]):
        found = json.loads(variables_of(job, index)["TF_CONFIG"])
        assert found["task"] == {"type": "worker", "index": index}
        assert found["cluster"]["worker"] == [
            f"{job['metadata']['name']}-{number}.{service}:{port['containerPort']}"
            for number in range(spec["completions"])
        ]


def test_the_service_gives_the_pods_of_the_job_their_names():
    service, job = manifests.read("job/service.yaml"), manifests.read(manifests.JOB)
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["metadata"]["name"] == job["spec"]["template"]["spec"]["subdomain"]
    name = job["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}


def action(job: dict, exit_code: int | None, conditions: frozenset[str] = frozenset()) -> str:
    """What Kubernetes does by the first rule that fits; a pod that counts is the default."""
    for rule in job["spec"]["podFailurePolicy"]["rules"]:
        codes = rule.get("onExitCodes")
        if codes and exit_code in codes["values"]:
            assert (codes["containerName"], codes["operator"]) == ("worker", "In")
            return rule["action"]
        if conditions & {condition["type"] for condition in rule.get("onPodConditions", ())}:
            return rule["action"]
    return "Count"


@pytest.mark.parametrize(
    "code, expected", [(1, "Count"), (2, "FailJob"), (137, "Count"), (143, "Ignore")]
)
def test_exit_code_2_alone_ends_the_job(code, expected):
    job = manifests.read(manifests.JOB)
    assert action(job, code) == expected
    assert job["spec"]["backoffLimit"] > 50  # those that count are replaced as often


def test_a_pod_whose_node_was_taken_away_is_replaced_and_not_counted():
    assert action(manifests.read(manifests.JOB), None, frozenset({"DisruptionTarget"})) == "Ignore"


@pytest.mark.parametrize("code, again", [(1, True), (2, False), (137, True), (143, True)])
def test_exit_code_2_alone_ends_the_jobset_and_any_other_starts_all_again(code, again):
    manifest = manifests.read(manifests.JOBSET_FILE)
    job, policy = manifests.job_of(manifest), manifest["spec"]["failurePolicy"]
    assert job["spec"]["backoffLimit"] == 0  # what counts ends the Job, and so its other pods
    reasons = {"FailJob": "PodFailurePolicy", "Count": "BackoffLimitExceeded"}
    reason = reasons[action(job, code)]
    actions = [x["action"] for x in policy["rules"] if reason in x["onJobFailureReasons"]]
    assert actions == ([] if again else ["FailJobSet"])
    assert policy["maxRestarts"] > 50


@pytest.mark.parametrize("name", manifests.WORKERS)
def test_a_job_is_done_with_its_chief_and_its_workers_have_time_to_save(name):
    spec = manifests.job_of(manifests.read(name))["spec"]
    assert spec["successPolicy"] == {"rules": [{"succeededIndexes": "0"}]}
    pod = spec["template"]["spec"]
    assert pod["restartPolicy"] == "Never"  # podFailurePolicy asks for it
    assert pod["terminationGracePeriodSeconds"] >= 60
    (container,) = pod["containers"]
    assert container["args"][:4] == ["python", "-m", "alexnet_tf.train", "--strategy=multi_worker"]


def test_both_forms_differ_in_the_names_of_the_pods_alone():
    pods = [
        manifests.job_of(manifests.read(name))["spec"]["template"]["spec"]
        for name in manifests.WORKERS
    ]
    assert pods[0].pop("subdomain") == "alexnet"
    for pod in pods:
        tf_config = pod["containers"][0]["env"].pop()
        assert tf_config["name"] == "TF_CONFIG"
    assert pods[0] == pods[1]


def test_a_worker_has_the_storage_that_is_claimed():
    claim = manifests.read("storage/claim.yaml")
    pod = manifests.read(manifests.JOB)["spec"]["template"]["spec"]
    (volume,), (mount,) = pod["volumes"], pod["containers"][0]["volumeMounts"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert volume["name"] == mount["name"]
    assert claim["spec"]["accessModes"] == ["ReadWriteMany"]
    for word in pod["containers"][0]["args"][-2:]:
        assert mount["mountPath"] in word
