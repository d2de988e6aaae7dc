"""axe-core, the accessibility checker, fetched from npm once and kept outside git."""

import shutil
import subprocess
import tarfile

import pytest
from django.conf import settings

VERSION = "4.14.1"


@pytest.fixture(scope="session")
def axe():
    """The program text of axe-core."""
    folder = settings.DATA_DIR.parent / "axe"
    program = folder / f"axe-{VERSION}.min.js"
    if not program.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("no npm here to fetch axe-core with")
        folder.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            [npm, "pack", "--silent", f"axe-core@{VERSION}"],
            cwd=folder, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        if packed.returncode:
            pytest.skip(f"npm does not fetch axe-core: {packed.stderr[-200:]}")
        with tarfile.open(folder / f"axe-core-{VERSION}.tgz") as tar:
            text = tar.extractfile("package/axe.min.js").read()
        program.write_bytes(text)
    return program.read_text()


def findings(page, axe):
    """Serious and critical findings, one line each."""
    page.evaluate(axe)  # through the debugger: the page's own policy forbids it
    found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
    return [
        f"{one['id']}: {node['target']} {node['failureSummary'][:300]}"
        for one in found
        if one["impact"] in {"serious", "critical"}
        for node in one["nodes"]
    ]
