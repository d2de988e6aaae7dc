"""deploy/roll.sh, with a `docker` that only records how it is called."""

import os
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
# `old` runs before the deploy; `new` as well as soon as the model is started.
DOCKER = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
  "compose ps --all --quiet model")
    echo old
    ! grep -q -- --scale "$CALLS" || echo new ;;
  "compose config --services") printf 'web1\\nweb2\\nmodel\\nworker\\nbeat\\n' ;;
esac
set -f
said="$*"
for pattern in $FAILS; do case "$said" in $pattern) exit 1 ;; esac; done
"""


@pytest.fixture
def roll(tmp_path):
    """Run the script; commands of docker that match one of these patterns fail."""
    programs = {"docker": DOCKER, "sleep": "#!/bin/sh\n"}
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"

    def run(*, fails="nothing"):
        calls.write_text("")
        done = subprocess.run(
            [PROJECT / "deploy/roll.sh"],
            env=os.environ
            | {
                "PATH": f"{tmp_path}:{os.environ['PATH']}",
                "CALLS": str(calls),
                "FAILS": fails,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout, calls.read_text().splitlines()

    return run


def test_a_deploy_replaces_everything_and_stops_the_old_model_process_last(roll):
    status, said, calls = roll()
    assert status == 0
    assert said.endswith("deployed\n")
    replacing = "compose up --detach --no-build --no-deps --wait --force-recreate "
    replaced = [call for call in calls if call.startswith(replacing)]
    assert replaced == [replacing + each for each in ("web1", "web2", "worker beat")]
    assert calls.index("stop old") > calls.index(replaced[-1])


@pytest.mark.parametrize("fails", ["*manage.py?check*", "*manage.py?prepare*"])
def test_nothing_is_started_after_a_check_or_a_migration_failed(roll, fails):
    status, said, calls = roll(fails=fails)
    assert status == 1
    assert "he old version is still running. Correct the cause" in said
    assert not any(call.startswith("compose up") for call in calls)


def test_the_model_is_checked_before_the_database_is_changed(roll):
    _, _, calls = roll(fails="*manage.py?prepare*")
    check, prepare = (call for call in calls if call.startswith("compose run"))
    assert "model python manage.py check" in check
    assert "migrate python manage.py prepare --rolling" in prepare


def test_the_old_model_process_answers_again_after_the_new_one_failed(roll):
    status, said, calls = roll(fails="*--scale*")
    assert status == 1
    assert "The old version is still running" in said
    removed = calls.index("rm --force new")
    taken = calls.index("exec old python -m lsml.inference.serving.take_back")
    # While the new one runs, it could take over once more.
    assert removed < taken
    assert not any("--force-recreate" in call or "restart" in call for call in calls)


def test_an_old_model_process_that_cannot_take_over_restarts(roll):
    status, _, calls = roll(fails="*--scale* *take_back")
    assert status == 1
    assert calls.index("rm --force new") < calls.index("restart old")


@pytest.mark.parametrize(
    ("service", "sentence"),
    [
        ("web1", "The new web1 does not start. The other replica answers."),
        ("web2", "The new web2 does not start. The other replica answers."),
        ("beat", "Not all of these start. Web answers, with the new version."),
    ],
)
def test_a_service_that_does_not_start_ends_the_deploy_with_its_log(
    roll, service, sentence
):
    status, said, calls = roll(fails=f"*--force-recreate*{service}")
    assert status == 1
    assert f"{sentence} Correct the cause and run make deploy again." in said
    assert f"compose logs --tail 20 {service}" in calls
    # Both keep running: the new one answers, and the next deploy removes both.
    assert "stop old" not in calls
