"""Settings, clocks, and what must answer: databases, storages, Label Studio."""

import socket
import time
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit

from celery import current_app
from django.conf import settings
from django.core.checks import ERROR, CheckMessage, Tags, run_checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from lsml.audit.anchors import is_published
from lsml.audit.models import Seal
from lsml.doctor.findings import Finding, ok, problem, warning
from lsml.environment.checking import MODEL_TAG, TAG
from lsml.environment.clock import CLOCK_HINT, clock_skew_s, skew_in_words
from lsml.inference.placement import ModelsElsewhere
from lsml.labelstudio.failures import LabelStudioError
from lsml.model_process.errors import ModelProcessUnavailable, NoAnswerInTime
from lsml.model_process.processes import ModelProcess, model_processes
from lsml.registry.checks import check_storage_answers
from lsml.registry.label_studio import configured_label_studio

_CONNECT_S = 5
_ANCHORED_AFTER_S = 2.0  # a seal is published just after it was committed


class Timer:
    """Says how long something took."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __str__(self) -> str:
        passed_s = time.perf_counter() - self._began
        return f"{passed_s:.1f} s" if passed_s >= 1 else f"{passed_s * 1000:.0f} ms"


def check_settings() -> list[Finding]:
    """Report what the system checks of each process report."""
    return _reported("settings", run_checks(tags=[TAG, Tags.security]), "no errors")


def check_model() -> list[Finding]:
    """Report a model that cannot be imported, where this process has to."""
    if settings.MODEL_PLACEMENT == "process":
        return [ok("model", "imported by the model process only")]
    timer = Timer()
    found = run_checks(tags=[MODEL_TAG], databases=["default"])
    return _reported("model", found, f"imported, {timer}")


def _reported(item: str, found: Sequence[CheckMessage], fine: str) -> list[Finding]:
    return [
        (problem if each.level >= ERROR else warning)(
            item, f"{each.id}: {each.msg}", each.hint or "See docs/running.md."
        )
        for each in found
    ] or [ok(item, fine)]


def check_postgresql() -> Iterator[Finding]:
    """Report whether PostgreSQL answers, and whether it has our tables."""
    timer = Timer()
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('server_version')")
        version = cursor.fetchone()[0].split()[0]
    answered = f"version {version}, {timer}"
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield problem(
            "PostgreSQL",
            f"{answered}; {len(missing)} migrations are missing",
            "Run `manage.py prepare` as the tables' owner.",
        )
    else:
        yield ok("PostgreSQL", answered)


def check_broker() -> Iterator[Finding]:
    """Report whether the broker accepts a connection, once."""
    with current_app.connection_for_read() as broker:
        _ = broker.transport  # imports its library
        timer = Timer()
        broker.connect()
    yield ok("broker", f"connected, {timer}")


def check_artifacts() -> list[Finding]:
    """Report whether the artifact storage can be written."""
    timer = Timer()
    found = check_storage_answers(databases=["default"])
    return _reported("artifact storage", found, f"written, {timer}")


def check_model_process() -> Iterator[Finding]:
    """Report whether the model processes answer, if the models are there."""
    for process in model_processes():
        yield _model_process(process)


def _model_process(process: ModelProcess) -> Finding:
    timer = Timer()
    try:
        status = ModelsElsewhere(process).status()
    except (ModelProcessUnavailable, NoAnswerInTime) as error:
        next_step = f"Start or restart it: {process.without}. See docs/serving.md."
        return problem(process.name, str(error), next_step)
    return ok(process.name, f"{timer}; {len(status.models)} models in memory")


def check_label_studio() -> Iterator[Finding]:
    """Report whether Label Studio accepts the API key."""
    try:
        studio = configured_label_studio()
        if studio is None:
            yield ok("Label Studio", "LABEL_STUDIO_URL and its key are not set")
            return
        timer = Timer()
        user = studio.whoami()
    except LabelStudioError as error:
        yield problem("Label Studio", str(error), error.next_step)
    else:
        name = user.get("email") or user.get("username")
        yield ok("Label Studio", f"the key is that of {name}, {timer}")


def check_anchor() -> Iterator[Finding]:
    """Report whether the latest seal is where AUDIT_ANCHOR says."""
    if not settings.AUDIT_ANCHOR:
        yield ok("anchor", "AUDIT_ANCHOR is not set")
        return
    timer = Timer()
    address = urlsplit(settings.AUDIT_ANCHOR)
    if address.scheme in {"http", "https"}:  # seals cannot be read back
        port = address.port or {"http": 80, "https": 443}[address.scheme]
        socket.create_connection((address.hostname or "", port), _CONNECT_S).close()
        yield ok("anchor", f"accepts connections, {timer}")
        return
    last = Seal.objects.order_by("-number").first()
    if last is None:
        yield ok("anchor", "nothing has been sealed yet")
        return
    if not is_published(last.number):
        time.sleep(_ANCHORED_AFTER_S)
        if not is_published(last.number):
            yield warning(
                "anchor",
                f"seal {last.number}, the latest, is not there",
                "Check AUDIT_ANCHOR and its permissions; the workers log “seal not"
                " anchored” with the reason.",
            )
            return
    yield ok("anchor", f"has seal {last.number}, the latest, {timer}")


def check_clock() -> Iterator[Finding]:
    """Report a clock of this host that differs from PostgreSQL's."""
    skew_s = clock_skew_s()
    if words := skew_in_words(skew_s):
        yield warning("this host", words, CLOCK_HINT)
    else:
        yield ok("this host", f"{abs(skew_s):.2f} s from PostgreSQL's")
