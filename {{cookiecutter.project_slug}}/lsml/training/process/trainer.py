"""Carries out one training in the training process, from the order to the report."""

import os
import resource
import signal
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections

from label_studio_ml.hosting import ModelClass, learns_by_fit, make_model
from label_studio_ml.training import Run, RunCancelled, numbers
from lsml.jobs.errors import JobError
from lsml.observability import tracing
from lsml.registry.artifacts import store_artifact
from lsml.registry.errors import StorageUnavailable
from lsml.registry.model_class import model_class
from lsml.training.errors import FitFailed, in_words
from lsml.training.inbox.causes import requests_of
from lsml.training.process.inputs import TrainingInputs, take_inputs
from lsml.training.process.learning import learn, nothing_to_learn
from lsml.training.process.legacy import Learned, with_model_dir
from lsml.training.process.loadcheck import why_not_loadable
from lsml.training.process.probabilities import packed
from lsml.training.process.provenance import code_revision, installed_packages
from lsml.training.process.reporter import Reporter
from lsml.training.process.storage import Result, wait_for_storage
from lsml.training.process.store import RunStore

_MB = 1 << 20
_NICE = 5  # on a shared machine, predictions have priority


@dataclass(frozen=True, slots=True)
class Order:
    """The first line that the supervisor writes; see `Supervisor`."""

    run_id: int
    fence: int
    folder: str  # of this attempt, on this host
    artifact_key: str
    memory_mb: int  # 0 = no limit
    traceparent: str = ""  # of the attempt, if it is traced


class Trainer:
    """Carries out the training of this process."""

    def __init__(self, report_descriptor: int) -> None:
        self._reporter = Reporter(report_descriptor)
        self._cancelled = threading.Event()
        self._orders = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
        self._model_class: ModelClass | None = None
        self._revision = ""

    def work(self) -> None:
        """Load the model's code, wait for the order, carry it out, report."""
        broken = self._load_code()
        sources = _source_times()
        self._reporter.send("ready")
        line = os.environ.pop("LSML_ORDER", "").encode() or self._orders.readline()
        if not line:
            return  # the worker closed the pipe: it does not need this process
        if _source_times(sources) != sources:
            _start_over(line)
        threading.Thread(target=self._listen, daemon=True).start()
        if broken:
            self._reporter.send("failed", reason=broken)
            return
        self._report_on(Order(**orjson.loads(line)))

    def _load_code(self) -> str | None:
        try:
            self._model_class = model_class()
            self._revision = code_revision(self._model_class)
        except BaseException as error:  # noqa: BLE001 - importing the user's module
            traceback.print_exc()
            return f"The model's code cannot be loaded: {in_words(error)}"
        return None

    def _listen(self) -> None:
        """Wait for the supervisor's "cancel"; kill this process group if it is gone."""
        while self._orders.readline():
            self._cancelled.set()
        os.killpg(0, signal.SIGKILL)

    def _report_on(self, order: Order) -> None:
        self._reporter.start()
        try:
            with tracing.continued("train", order.traceparent, job=order.run_id):
                product = self._train(order)
        except RunCancelled:
            self._reporter.send("cancelled")
        except FitFailed as error:
            self._reporter.send(
                "failed", reason=str(error), event_errors=error.event_errors
            )
        except (JobError, StorageUnavailable) as error:
            self._reporter.send("failed", reason=str(error))
        except (OperationalError, InterfaceError) as error:
            self._reporter.send("crashed", reason=f"The database was down: {error}")
        except BaseException as error:  # noqa: BLE001 - the user's code, sys.exit() too
            traceback.print_exc()
            self._reporter.send("failed", reason=in_words(error, order.memory_mb))
        else:
            self._reporter.flush()
            self._reporter.send("done", **product)

    def _train(self, order: Order) -> dict[str, Any]:
        kind = _checked(self._model_class)
        inputs = take_inputs(
            run_id=order.run_id, fence=order.fence, by_fit=learns_by_fit(kind)
        )
        tracing.link(partial(requests_of, inputs.event_ids))
        if inputs.warning:
            print(inputs.warning, flush=True)  # noqa: T201 - into the run's log
        store = RunStore(inputs.project)
        run = Run(
            artifacts=Path(order.folder) / "artifacts",
            on_progress=self._reporter.progress,
            is_cancelled=self._cancelled.is_set,
        )
        learned = nothing_to_learn(kind, inputs, self._revision) or self._learned(
            inputs, store, run, order.memory_mb
        )
        artifact = (
            self._wait(lambda: store_artifact(run.artifacts, key=order.artifact_key))
            if learned.makes_version
            else None
        )
        product = {
            "metrics": numbers(run.metrics),
            "probabilities": list(packed(run.probabilities)),
            "artifact": asdict(artifact) if artifact else None,
            "version_name": store.version_name,
            "state": dict(store.written),
            **asdict(learned),
            "code_revision": self._revision,
            "python_version": ".".join(map(str, sys.version_info[:3])),
            "packages": installed_packages(),
            "label_config": inputs.project.label_config,
            "label_config_digest": inputs.project.label_config_digest,
        }
        store.end_training()
        if learned.makes_version:
            check = partial(
                why_not_loadable,
                kind,
                project=inputs.project,
                store=store,
                artifact=artifact,
                folder=Path(order.folder) / "loaded",
            )
            product["load_error"] = self._wait(check)
        return product

    def _wait(self, work: Callable[[], Result]) -> Result:
        return wait_for_storage(work, cancelled=self._cancelled)

    def _learned(
        self, inputs: TrainingInputs, store: RunStore, run: Run, memory_mb: int
    ) -> Learned:
        """Train an instance of the model, and drop it before the load check."""
        with with_model_dir(
            _checked(self._model_class),
            served=inputs.project.active_version,
            artifacts=run.artifacts,
            cancelled=self._cancelled,
        ) as kind:
            model = make_model(
                kind,
                store=store,
                project_id=str(inputs.project.labelstudio_id),
                label_config=inputs.project.label_config or None,
            )
            connections.close_all()  # training may take hours; a query reconnects
            _limit_memory(memory_mb)
            os.nice(_NICE)
            store.begin_training()
            self._reporter.send("training")
            return learn(model, run, inputs, store)


def _checked(found: ModelClass | None) -> ModelClass:
    assert found is not None  # noqa: S101 - otherwise _load_code reported it
    return found


def _limit_memory(megabytes: int) -> None:
    # Limits what the process allocates and not its address space, of which CUDA
    # reserves terabytes. The supervisor also measures the whole process group.
    if megabytes:
        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * _MB, megabytes * _MB))


def _source_times(of: dict[str, int] | None = None) -> dict[str, int]:
    """Return the change time (ns) of each loaded source file of the project."""
    files = of or {
        file
        for module in list(sys.modules.values())
        if (file := getattr(module, "__file__", None))
        and Path(file).is_relative_to(settings.BASE_DIR)
        and "site-packages" not in file
    }
    return {
        file: Path(file).stat().st_mtime_ns for file in files if Path(file).exists()
    }


def _start_over(order: bytes) -> None:
    """Replace this warm process with a fresh one, because its code was edited."""
    os.environ["LSML_ORDER"] = order.decode()
    os.execv(sys.executable, [sys.executable, "-m", "lsml.training.process"])  # noqa: S606
