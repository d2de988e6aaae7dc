"""The embedded servers, as real processes, as root and as an ordinary user."""

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import kombu
import psycopg
import pytest

from lsml.embedded import addresses

PROJECT = Path(__file__).parents[3]
HOLDER = Path(__file__).with_name("holder.py")

# The system's Python needs our libraries, if an ordinary user may not run our Python.
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "PYTHONPATH": os.pathsep.join([str(PROJECT), sysconfig.get_path("purelib")]),
}

pytestmark = pytest.mark.slow


def python_for(user):
    """Return a Python that this user can run with our libraries, or skip the test."""
    for python in (sys.executable, "/usr/bin/python3"):
        try:
            tried = subprocess.run(
                [python, "-c", "import psycopg, lsml"],
                user=user,
                env=ENVIRONMENT,
                cwd="/",
                check=False,
                stderr=subprocess.DEVNULL,
            )
        except OSError:
            continue
        if tried.returncode == 0:
            return python
    pytest.skip(f"{user} can run no Python with our libraries")


class Holder:
    """A process that uses the servers of a folder."""

    def __init__(self, folder, *arguments, user=None):
        identity = {}
        if user is not None:
            entry = pwd.getpwnam(user)
            identity = {
                "user": entry.pw_uid,
                "group": entry.pw_gid,
                "extra_groups": [],
            }
        self.process = subprocess.Popen(
            [python_for(user), HOLDER, str(folder), *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env=ENVIRONMENT,
            **identity,
        )

    def ready(self):
        """Wait until the servers run. Return what it reports about them."""
        for line in self.process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        raise AssertionError(self.process.stderr.read())

    def leave(self):
        output, errors = self.process.communicate(timeout=30)
        assert output.endswith("left\n"), errors

    def refusal(self):
        output, errors = self.process.communicate(timeout=30)
        assert self.process.returncode == 1, output
        return errors.strip().splitlines()[-1]

    def kill(self):
        self.process.kill()
        self.process.communicate()


def postmaster(folder):
    return int((folder / "postgres" / "postmaster.pid").read_text().split()[0])


def database_answers(folder):
    try:
        psycopg.connect(addresses.database_url(folder), connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def ask_broker(folder, command):
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(addresses.broker_socket(folder)))
            connection.sendall(command)
            return connection.recv(4096)
    except OSError:
        return b""


def broker_process(folder):
    for line in ask_broker(folder, b"INFO server\r\n").splitlines():
        if line.startswith(b"process_id:"):
            return int(line.split(b":")[1])
    raise AssertionError("the broker does not answer")


def wait_gone(pid):
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            return
        if state == "Z":  # a zombie: its parent has not noticed yet
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")


@pytest.fixture(params=["ourselves", "an ordinary user"])
def user(request):
    if request.param == "ourselves":
        return None
    if os.geteuid() != 0:
        pytest.skip("needs root to change the user")
    python_for("nobody")
    return "nobody"


@pytest.fixture
def home(user):
    """A folder with a short name that only the user may enter."""
    made = Path(tempfile.mkdtemp(prefix="lsml-"))
    if user:
        shutil.chown(made, user)
    yield made
    for folder in made.rglob("postmaster.pid"):
        os.kill(int(folder.read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(made)


@pytest.fixture
def hold(user):
    """Start holders, and end those that a failing test leaves."""
    holders = []

    def start(folder, *arguments):
        holders.append(Holder(folder, *arguments, user=user))
        return holders[-1]

    yield start
    for holder in holders:
        if holder.process.poll() is None:
            holder.process.communicate(timeout=30)
        for pipe in (holder.process.stdin, holder.process.stdout):
            pipe.close()


def test_servers_start_and_leave_nothing_running(home, hold):
    folder = home / "data"
    first = hold(folder)
    first.ready()
    pids = postmaster(folder), broker_process(folder)
    first.leave()
    for pid in pids:
        wait_gone(pid)
    assert not database_answers(folder)


def test_celery_reaches_the_broker_by_its_url(home, hold):
    folder = home / "data"
    holder = hold(folder)
    holder.ready()
    with kombu.Connection(addresses.broker_url(folder)) as connection:
        queue = connection.SimpleQueue("q")
        queue.put("hello")
        assert queue.get(timeout=5).payload == "hello"
        queue.close()
    assert b"q" in ask_broker(folder, b"KEYS *kombu*q\r\n")
    holder.leave()


def test_the_second_user_shares_the_servers_and_the_last_one_stops_them(home, hold):
    folder = home / "data"
    first, second = hold(folder), None
    first.ready()
    second = hold(folder)
    second.ready()
    pid = postmaster(folder)
    first.leave()
    assert database_answers(folder)
    assert ask_broker(folder, b"PING\r\n") == b"+PONG\r\n"
    second.leave()
    wait_gone(pid)


def test_processes_that_start_at_once_share_one_pair_of_servers(home, hold):
    folder = home / "data"
    holders = [hold(folder) for _ in range(4)]
    for holder in holders:
        holder.ready()
    pids = {postmaster(folder), broker_process(folder)}
    for holder in holders:
        holder.leave()
    for pid in pids:
        wait_gone(pid)


def test_data_survives_a_restart(home, hold):
    folder = home / "data"
    first = hold(folder)
    first.ready()
    with psycopg.connect(addresses.database_url(folder)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    first.leave()
    second = hold(folder)
    second.ready()
    with psycopg.connect(addresses.database_url(folder)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    second.leave()


def test_servers_survive_a_killed_user_and_the_next_one_stops_them(home, hold):
    folder = home / "data"
    killed = hold(folder)
    killed.ready()
    pids = postmaster(folder), broker_process(folder)
    killed.kill()
    assert database_answers(folder)
    after = hold(folder)
    after.ready()
    assert (postmaster(folder), broker_process(folder)) == pids
    after.leave()
    for pid in pids:
        wait_gone(pid)


def test_a_killed_postmaster_is_started_again_with_its_data(home, hold):
    folder = home / "data"
    owner = hold(folder, "--durable")
    owner.ready()
    with psycopg.connect(addresses.database_url(folder)) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    os.kill(postmaster(folder), signal.SIGKILL)
    after = hold(folder, "--durable")
    after.ready()
    with psycopg.connect(addresses.database_url(folder)) as connection:
        assert connection.execute("SELECT number FROM kept").fetchone() == (7,)
    owner.leave()
    after.leave()


def test_a_lock_file_with_another_process_id_does_not_prevent_the_start(home, hold):
    folder = home / "data"
    first = hold(folder)
    first.ready()
    lock = folder / "postgres" / "postmaster.pid"
    _, _, rest = lock.read_text().partition("\n")
    first.leave()
    # As after a reboot, when another process (this test) has the process id.
    lock.write_text(f"{os.getpid()}\n{rest}")
    if os.geteuid() == 0:
        owner = (folder / "postgres").stat()
        os.chown(lock, owner.st_uid, owner.st_gid)
    second = hold(folder)
    second.ready()
    second.leave()


def test_a_killed_broker_is_started_again_over_its_stale_socket(home, hold):
    folder = home / "data"
    owner = hold(folder)
    owner.ready()
    os.kill(broker_process(folder), signal.SIGKILL)
    assert addresses.broker_socket(folder).exists()
    after = hold(folder)
    after.ready()
    assert ask_broker(folder, b"PING\r\n") == b"+PONG\r\n"
    owner.leave()
    after.leave()


@pytest.mark.parametrize(
    "name", ['it\'s "quoted" $HOME `x`', "käse und brot", "x" * 120, "a,b;c'"]
)
def test_any_path_works(home, hold, name):
    folder = home / name / "data"
    holder = hold(folder)
    holder.ready()
    assert database_answers(folder)
    holder.leave()
    assert not addresses.socket_folder(folder).exists()  # nothing remains in /tmp


def test_the_folder_and_its_sockets_are_closed_to_others(home, hold):
    folder = home / "data"
    holder = hold(folder)
    holder.ready()
    for closed in (folder, addresses.socket_folder(folder), folder / "postgres"):
        assert closed.stat().st_mode & 0o077 == 0, closed
    assert home.stat().st_mode & 0o777 == 0o700  # the parent was not opened either
    holder.leave()


def test_tests_trade_durability_for_speed_and_development_does_not(home, hold):
    safe = hold(home / "safe", "--durable")
    assert safe.ready()["fsync"] == "on"
    safe.leave()
    fast = hold(home / "fast")
    assert fast.ready()["fsync"] == "off"
    fast.leave()


def test_an_interrupted_creation_of_the_cluster_starts_again(home, hold):
    folder = home / "data"
    (folder / "postgres.new").mkdir(parents=True, mode=0o700)
    (folder / "postgres.new" / "half").write_text("")
    if os.geteuid() == 0:
        for path in (folder, folder / "postgres.new"):
            os.chown(path, home.stat().st_uid, -1)
    holder = hold(folder)
    holder.ready()
    holder.leave()


def test_a_folder_that_is_not_a_cluster_is_refused_with_advice(home, hold):
    folder = home / "data"
    (folder / "postgres").mkdir(parents=True)
    (folder / "postgres" / "holiday.jpg").write_text("")
    os.chown(folder, home.stat().st_uid, -1)
    refusal = hold(folder).refusal()
    assert "is not a PostgreSQL data folder" in refusal
    assert "move it away" in refusal


def test_a_damaged_cluster_is_refused_with_the_reason(home, hold):
    folder = home / "data"
    first = hold(folder)
    first.ready()
    first.leave()
    (folder / "postgres" / "global" / "pg_control").write_bytes(b"")
    refusal = hold(folder).refusal()
    assert "does not start" in refusal
    assert "pg_control" in refusal
    assert "move it away" in refusal


def test_a_cluster_of_another_version_is_refused(home, hold):
    folder = home / "data"
    first = hold(folder)
    first.ready()
    first.leave()
    (folder / "postgres" / "PG_VERSION").write_text("17\n")
    assert "was created by PostgreSQL 17" in hold(folder).refusal()


def test_a_folder_of_another_user_is_refused(home, user):
    if user is None:
        pytest.skip("root may use every folder")
    holder = Holder(Path("/proc/1/data"), user=user)
    assert "cannot be used by nobody" in holder.refusal()


def test_a_socket_folder_of_another_user_is_refused(home, user):
    if user is None:
        pytest.skip("root may use every folder")
    folder = home / ("x" * 120)
    folder.mkdir()
    shutil.chown(folder, user)
    sockets = addresses.socket_folder(folder)
    sockets.parent.mkdir(mode=0o700, exist_ok=True)
    shutil.chown(sockets.parent, user)  # it stays, and other tests use it
    sockets.symlink_to("/root")
    try:
        assert "remove it, or set LSML_DATA_DIR" in Holder(folder, user=user).refusal()
    finally:
        sockets.unlink()


def test_root_with_only_the_rights_of_a_container_can_run_the_servers(home, hold, user):
    if os.geteuid() != 0 or user is not None or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    docker = (
        "chown,dac_override,fsetid,fowner,mknod,net_raw,setgid,setuid,setfcap,setpcap,"
        "net_bind_service,sys_chroot,kill,audit_write"
    )
    kept = ",".join(f"+{name}" for name in docker.split(","))
    folder = home / "data"
    done = subprocess.run(
        [
            *("setpriv", f"--bounding-set=-all,{kept}", "--inh-caps=-all"),
            *(sys.executable, HOLDER, str(folder)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.stdout.endswith("left\n"), done.stderr


def test_root_without_any_right_gets_an_error_with_advice(home, user):
    if os.geteuid() != 0 or user is not None or not shutil.which("setpriv"):
        pytest.skip("needs root and setpriv")
    done = subprocess.run(
        [
            *("setpriv", "--bounding-set=-all", "--inh-caps=-all"),
            *(sys.executable, HOLDER, str(home / "data")),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env=ENVIRONMENT,
    )
    assert done.returncode == 1
    assert "DATABASE_URL" in done.stderr.splitlines()[-1]
