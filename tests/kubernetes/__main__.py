"""`python -m tests.kubernetes FOLDER`: render the manifests, and validate them."""

import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import yaml

# Kinds that Kubernetes itself does not know. Their queries are tested in the project.
FOREIGN = {"ScaledObject"}
MADE = {
    "ConfigMap": 1,
    "Deployment": 6,
    "HorizontalPodAutoscaler": 1,
    "Ingress": 1,
    "Job": 1,
    "Namespace": 1,
    "NetworkPolicy": 3,
    "PodDisruptionBudget": 3,
    "ScaledObject": 2,
    "Service": 3,
}
# Each must be noticed, or the validation proves nothing.
TYPOS = [
    ("terminationGracePeriodSeconds", "terminationGracePeriodSecond"),
    ("readOnlyRootFilesystem: true", "readOnlyRootFileSystem: true"),
    ("minAvailable: 1", "minAvailable: true"),
    ("containerPort: 9090", "containerPort: http"),
]


def main() -> int:
    """Render and validate the example with all components; return 0 if it is right."""
    with tempfile.TemporaryDirectory() as folder:
        rendered = render(Path(sys.argv[1]), Path(folder))
        manifests = [each for each in yaml.safe_load_all(rendered) if each]
        kinds = Counter(each["kind"] for each in manifests)
        if kinds != MADE:
            print(f"expected {MADE}, rendered {dict(kinds)}")
            return 1
        for problem in [*problems(rendered), *too_many_rights(manifests)]:
            print(problem)
            return 1
        for right, wrong in TYPOS:
            if right not in rendered or not problems(rendered.replace(right, wrong)):
                print(f"A typo was not noticed: {wrong}")
                return 1
    print(f"{len(manifests)} manifests are valid; {len(TYPOS)} typos were noticed")
    return 0


def render(kubernetes: Path, scratch: Path) -> str:
    """Return the example with every component, as one text."""
    subprocess.run(["cp", "-r", kubernetes, scratch / "kubernetes"], check=True)
    example = scratch / "kubernetes/example/kustomization.yaml"
    example.write_text(
        example.read_text().replace("# - ../components", "- ../components")
    )
    done = subprocess.run(
        ["kubectl", "kustomize", example.parent],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    if done.stderr:
        raise SystemExit(done.stderr)
    return done.stdout


def problems(rendered: str) -> list[str]:
    """Return what Kubernetes' schemas say against the manifests."""
    manifests = [each for each in yaml.safe_load_all(rendered) if each]
    known = [each for each in manifests if each["kind"] not in FOREIGN]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        yaml.safe_dump_all(known, file)
        file.flush()
        done = subprocess.run(
            ["kubernetes-validate", "--strict", "--quiet", file.name],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    return [done.stdout + done.stderr] if done.returncode else []


def too_many_rights(manifests: list[dict]) -> list[str]:
    """Return the containers that Kubernetes' profile `restricted` would refuse."""
    found = []
    for manifest in manifests:
        if manifest["kind"] not in {"Deployment", "Job"}:
            continue
        pod = manifest["spec"]["template"]["spec"]
        if not pod["securityContext"]["runAsNonRoot"]:
            found.append(f"{manifest['metadata']['name']} may run as root")
        for container in pod["containers"] + pod.get("initContainers", []):
            rights = container.get("securityContext", {})
            if (
                rights.get("allowPrivilegeEscalation") is not False
                or rights.get("capabilities") != {"drop": ["ALL"]}
                or not rights.get("readOnlyRootFilesystem")
            ):
                found.append(f"{container['name']} has too many rights")
    return found


if __name__ == "__main__":
    sys.exit(main())
