"""`python -m tests.hosts PROJECT`: does docs/hosts.md suffice, each process on a host?

PROJECT is a baked project with its virtual environment. Needs root, `ip`, and Debian's
packages `postgresql` and `redis-server`.
"""

import csv
import os
import re
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

from demo.label_studio import LabelStudio
from demo.screen import StepFailed, expect, step
from tests.hosts import page, servers
from tests.hosts.network import Network
from tests.learning import learn

SERVERS = ["db", "broker", "s3"]
PASSWORDS = [
    "SERVICE-PASSWORD",
    "OWNER-PASSWORD",
    "BROKER-PASSWORD",
    "STORAGE-USER",
    "STORAGE-PASSWORD",
    "CALLER-PASSWORD",
    "ADMIN-PASSWORD",
    "A-LONG-RANDOM-KEY",
]


def main() -> int:
    """Follow the page; return 0 if every step succeeded."""
    project = Path(sys.argv[1]).absolute()
    with (
        tempfile.TemporaryDirectory() as folder,
        Network([*SERVERS, *page.PROCESSES]) as network,
    ):
        scratch = Path(folder)
        scratch.chmod(0o755)  # PostgreSQL has another user
        try:
            follow(project, scratch, network)
        except (StepFailed, subprocess.CalledProcessError) as failure:
            print(f"\n{failure}", file=sys.stderr)
            for log in sorted(scratch.glob("*.log")):
                print(f"── {log.name}\n{log.read_text()[-2000:]}", file=sys.stderr)
            return 1
    return 0


def follow(project: Path, scratch: Path, network: Network) -> None:
    """Start the servers and every process as the page says, then let it learn."""
    words = {word: secrets.token_hex(24) for word in PASSWORDS}
    places = {
        "/etc/lsml/ca.pem": str(scratch / "tls/ca.pem"),
        # Only hosts of the network know the name, and this program is on none.
        "ALLOWED_HOSTS=web.example.net": f"ALLOWED_HOSTS={network.address('web')}",
    }
    sections = page.sections(project / "docs/hosts.md", words | places)
    with step("PostgreSQL and a broker with TLS, S3"):
        servers.make_certificates(scratch / "tls", ["db", "broker"])
        sql = sections[page.DATABASE].sql
        servers.start_database(network, scratch, scratch / "tls", sql)
        servers.start_broker(
            network, scratch, scratch / "tls", words["BROKER-PASSWORD"]
        )
        keys = (words["STORAGE-USER"], words["STORAGE-PASSWORD"])
        python = project / ".venv/bin/python"
        servers.start_storage(network, scratch, python, keys)
    host = Hosts(project, scratch, network, sections)
    with step("prepare, as the owner of the tables"):
        host.run(page.PREPARE, on="worker")
    for process in page.PROCESSES:
        host.start(process)
    config = (project / "example/label_config.xml").read_text()
    with (project / "example/texts.csv").open(newline="") as file:
        texts = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    credentials = f"label-studio:{words['CALLER-PASSWORD']}"
    studio = LabelStudio(9090, config, credentials, host=network.address("web"))
    learn(studio, texts)
    with step("the audit log is intact") as shown:
        said = host.manage("audit", "verify")
        expect("Intact" in said, said)
        shown.outcome = said.strip().splitlines()[-1]


class Hosts:
    """Runs what the page says, with the variables it names and no others."""

    def __init__(
        self,
        project: Path,
        scratch: Path,
        network: Network,
        sections: dict[str, page.Section],
    ) -> None:
        self._project = project
        self._scratch = scratch
        self._network = network
        self._sections = sections

    def start(self, process: str) -> None:
        """Start a process on the host of its name."""
        options = self._options(process, on=process)
        command = ["sh", "-c", f"exec env {self._command(process, on=process)}"]
        log = self._scratch / f"{process}.log"
        self._network.start(process, command, log, **options)

    def run(self, title: str, *, on: str) -> None:
        """Run the command of a section, and wait for it."""
        options = self._options(title, on=on)
        with (self._scratch / "prepare.log").open("wb") as log:
            command = self._command(title, on=on)
            self._network.run(
                on, "sh", "-c", command, stdout=log, stderr=log, **options
            )

    def manage(self, *words: str) -> str:
        """Return what a command prints on the host of the worker."""
        command = [".venv/bin/python", "manage.py", *words]
        options = self._options("worker", on="worker")
        file = str(self._file("worker"))
        out = self._scratch / "manage.log"
        with out.open("wb") as log:
            self._network.run(
                "worker", "env", f"ENV_FILE={file}", *command, stdout=log, **options
            )
        return out.read_text()

    def _command(self, title: str, *, on: str) -> str:
        said = self._sections[title].command
        return re.sub(r"/etc/lsml/\w+\.env", str(self._file(on)), said)

    def _file(self, on: str) -> Path:
        return self._scratch / f"{on}.env"

    def _options(self, title: str, *, on: str) -> dict[str, object]:
        """Write the host's file of variables; return how to run a process there."""
        variables = (
            self._sections[page.COMMON].variables | self._sections[title].variables
        )
        data = self._scratch / f"{on}-data"
        data.mkdir(exist_ok=True)
        lines = [f"{name}={value}" for name, value in variables.items()]
        text = "\n".join([*lines, ""]).replace("/var/lib/lsml", str(data))
        self._file(on).write_text(text)
        kept = {
            name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ
        }
        return {"cwd": self._project, "env": kept | {"HOME": str(data)}}


if __name__ == "__main__":
    sys.exit(main())
