"""`python -m demo [--port 9090] [--exit]`, run by `make demo`."""

import argparse
import signal
import sys
import time
from pathlib import Path

from demo.baking import TEMPLATE, refresh
from demo.label_studio import LabelStudio
from demo.screen import StepFailed, step
from demo.service import (
    Records,
    Service,
    check_port,
    install,
    read_env,
    remove_data,
    running,
)
from demo.story import Story

PROJECT = TEMPLATE / "build/demo"
_WHAT_IS_LEFT = f"""\
  project    {PROJECT.relative_to(TEMPLATE)}/ (the model is model.py)
  log        build/demo.log
  again      cd build/demo && make dev    keeps the recorded data;
             make demo starts with an empty database
"""


def main() -> int:
    """Run the demo; return 0 if every step succeeded."""
    parser = argparse.ArgumentParser(prog="demo")
    parser.add_argument("--port", type=int, default=9090)
    parser.add_argument("--exit", action="store_true", help="stop after the story")
    options = parser.parse_args()
    # SIGTERM unwinds the stack like Ctrl-C does, so the service is stopped.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _bake_and_install(options.port)
        _run(options.port, keep_running=not options.exit)
    except StepFailed as failure:
        print(f"\n{failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    return 0


def _bake_and_install(port: int) -> None:
    print("lsml-django: from a template to a trained model in one command\n")
    check_port(port)
    with step("bake the default project") as shown:
        remove_data(PROJECT)
        refresh(PROJECT, keep={".venv"})
        shown.outcome = f"{PROJECT.relative_to(TEMPLATE)}/"
    with step("install it (make install)") as shown:
        install(PROJECT, shown)


def _run(port: int, *, keep_running: bool) -> None:
    env = read_env(PROJECT)
    with running(Service(PROJECT, port)) as service:
        with step("start it (make dev)") as shown:
            service.wait_until_ready(shown)
            shown.outcome = f"http://127.0.0.1:{port}"
        records = Records(PROJECT)
        try:
            _play(PROJECT, port, env, service, records)
        except OSError as error:  # no connection, or a time limit was exceeded
            raise StepFailed(f"no response ({error}):\n{service.tail()}") from error
        finally:
            records.close()
        if keep_running:
            _say_where_to_look(port, env)
            _keep_running(service)
    print(f"\nEvery step succeeded, and the service is stopped.\n\n{_WHAT_IS_LEFT}")


def _play(
    project: Path, port: int, env: dict[str, str], service: Service, records: Records
) -> None:
    label_config = (project / "example/label_config.xml").read_text()
    credentials = f"{env['BASIC_AUTH_USER']}:{env['BASIC_AUTH_PASS']}"
    studio = LabelStudio(port, label_config, credentials)
    anonymous = LabelStudio(port, label_config, None)
    Story(project, studio, anonymous, records).play(service.check)


def _say_where_to_look(port: int, env: dict[str, str]) -> None:
    print(f"""
Every step succeeded. Where to look:

  admin      http://127.0.0.1:{port}/admin/
             user {env["ADMIN_USER"]}, password {env["ADMIN_PASSWORD"]}
{_WHAT_IS_LEFT}""")


def _keep_running(service: Service) -> None:
    print("Running until Ctrl-C.", flush=True)
    while True:
        service.check()
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(main())
