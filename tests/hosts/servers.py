"""PostgreSQL and a broker with TLS, and S3, each on a host of its own."""

import os
import shutil
import subprocess
from pathlib import Path

from tests.hosts.network import DOMAIN, NETWORK, Network

USER = "postgres"  # of Debian's package; PostgreSQL refuses to run as root


def make_certificates(folder: Path, names: list[str]) -> None:
    """Make `ca.pem`, and a key and a certificate for each host."""
    folder.mkdir()
    _openssl(
        folder,
        *("req", "-x509", "-subj", "/CN=authority", "-days", "2", "-nodes"),
        *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
    )
    for name in names:
        _openssl(
            folder,
            *("req", "-x509", "-subj", f"/CN={name}.{DOMAIN}", "-days", "2", "-nodes"),
            *("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-addext", f"subjectAltName=DNS:{name}.{DOMAIN}"),
            *("-addext", "basicConstraints=critical,CA:FALSE"),
            *("-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-keyout", f"{name}.key", "-out", f"{name}.pem"),
        )


def start_database(
    network: Network, folder: Path, certificates: Path, sql: str
) -> None:
    """Start PostgreSQL, which takes passwords over TLS only, and run the page's SQL."""
    programs = newest_postgres()
    data = folder / "postgres"
    data.mkdir()
    for file in ("db.key", "db.pem"):
        shutil.copy(certificates / file, folder / f"pg-{file}")
        shutil.chown(folder / f"pg-{file}", USER)
        (folder / f"pg-{file}").chmod(0o600)
    shutil.chown(data, USER)
    as_user = ("runuser", "-u", USER, "--")
    network.run(
        "db", *as_user, f"{programs}/initdb", "-D", str(data), "--auth=peer",
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    with (data / "pg_hba.conf").open("a") as file:
        file.write(f"hostssl all all {NETWORK}.0/24 scram-sha-256\n")
    settings = {
        "listen_addresses": network.address("db"),
        "unix_socket_directories": str(data),
        "ssl": "on",
        "ssl_cert_file": str(folder / "pg-db.pem"),
        "ssl_key_file": str(folder / "pg-db.key"),
        "max_connections": "200",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [*as_user, f"{programs}/postgres", "-D", str(data), *options]
    network.start("db", command, folder / "postgres.log")
    ready = f"until {programs}/pg_isready -q -h {data}; do sleep 0.2; done"
    network.run("db", "timeout", "60", "sh", "-c", ready)
    statements = [word for line in sql.splitlines() for word in ("-c", line)]
    psql = (*as_user, f"{programs}/psql", "--quiet", "--host", str(data), "postgres")
    network.run("db", *psql, "-v", "ON_ERROR_STOP=1", *statements)


def start_broker(
    network: Network, folder: Path, certificates: Path, password: str
) -> None:
    """Start Redis, which talks over TLS only."""
    command = ["redis-server", "--port", "0", "--tls-port", "6379"]
    command += ["--bind", network.address("broker"), "--requirepass", password]
    command += ["--tls-cert-file", str(certificates / "broker.pem")]
    command += ["--tls-key-file", str(certificates / "broker.key")]
    command += ["--tls-ca-cert-file", str(certificates / "ca.pem")]
    command += ["--tls-auth-clients", "no", "--save", "", "--appendonly", "no"]
    network.start("broker", command, folder / "broker.log", cwd=folder)


def start_storage(
    network: Network, folder: Path, python: Path, keys: tuple[str, str]
) -> None:
    """Start an S3 server with one bucket."""
    (folder / "s3/models").mkdir(parents=True)
    command = [str(python), "-m", "nanio", "serve", "--port", "9000"]
    command += ["--host", network.address("s3"), "--data-dir", str(folder / "s3")]
    user, password = keys
    environment = {"NANIO_ACCESS_KEY": user, "NANIO_SECRET_KEY": password}
    network.start("s3", command, folder / "s3.log", env=os.environ | environment)


def newest_postgres() -> Path:
    """Return the folder of the programs of Debian's newest PostgreSQL here."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
