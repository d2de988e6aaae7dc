"""What a process with models reports about itself, for the admin."""

from dataclasses import dataclass

from label_studio_ml.task_cache import TaskCacheFigures


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A model in memory."""

    project_pk: int
    version: str
    megabytes: int  # that loading it took, about, besides `load_shared`
    idle_s: float  # since the last request
    running: int  # calls of predict()
    places: int  # for calls of predict() at once
    waiting: dict[str, int]  # predictions by kind


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A process and its models, the last used one first."""

    pid: int
    megabytes: int  # resident memory; 0 = not known
    gpu_megabytes: int | None  # None = no driver reports it
    task_cache: TaskCacheFigures
    models: list[LoadedModel]
