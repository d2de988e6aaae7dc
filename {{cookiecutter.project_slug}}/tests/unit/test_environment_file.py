"""`.env.example` documents every variable that is read, and no other."""

import re
from pathlib import Path

from lsml.audit.tables import AUDIT_TABLES

PROJECT = Path(__file__).parents[2]
READ = re.compile(r'(?:env(?:\.\w+)?\(|environ(?:\.get\(|\[))\s*"([A-Z][A-Z_]+)"')
DOCUMENTED = re.compile(r"^(?:# )?([A-Z][A-Z_]+)=", re.MULTILINE)
# Set by the service itself for its processes, or by the system.
NOT_FOR_PEOPLE = {
    "ENV_FILE",
    "LSML_PROCESS",
    "LSML_WORKER_PID",
    "LSML_REPORT_FD",
    "LSML_ORDER",
    "DJANGO_SETTINGS_MODULE",
    "PROMETHEUS_MULTIPROC_DIR",
    "PYTHONWARNINGS",
    "XDG_CACHE_HOME",
}
# Other names of LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY, kept for older models.
SYNONYMS = {"LABEL_STUDIO_HOST", "LABEL_STUDIO_ACCESS_TOKEN"}
READ_BY_BOTO3 = {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
COMPOSE_ONLY = {
    "POSTGRES_PASSWORD",
    "PUBLISH_ON",
    "COMPOSE_FILE",
    "PUBLIC_HOST",
    "FRONT_NETWORK",
    "EXTRAS",
}


def variables_read():
    code = [
        path
        for folder in ("config", "lsml", "label_studio_ml")
        for path in (PROJECT / folder).rglob("*.py")
    ]
    literal = {name for path in code for name in READ.findall(path.read_text())}
    return literal | {table.retention for table in AUDIT_TABLES if table.retention}


def variables_documented():
    return set(DOCUMENTED.findall((PROJECT / ".env.example").read_text()))


def test_every_variable_that_is_read_is_documented():
    undocumented = variables_read() - variables_documented()

    assert undocumented - NOT_FOR_PEOPLE - SYNONYMS == set()


def test_every_variable_that_is_documented_is_read():
    unread = variables_documented() - variables_read()

    assert unread == COMPOSE_ONLY | READ_BY_BOTO3


def test_the_page_on_the_audit_log_names_each_retention_variable():
    page = (PROJECT / "docs" / "audit.md").read_text()
    named = set(re.findall(r"AUDIT_RETENTION_DAYS_[A-Z]+", page))
    assert named == {table.retention for table in AUDIT_TABLES if table.retention}
