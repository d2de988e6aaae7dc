"""What a busy model process reports, for pages that show it."""

from label_studio_ml.task_cache import TaskCacheFigures
from lsml.inference.status import LoadedModel, ProcessStatus


class LoadedModels:
    """Stands in for the models of a process."""

    def __init__(self, project):
        self._project = project

    def status(self):
        """Two versions of a project, one with a queue."""
        waiting = {"interactive": 1, "batch": 12, "bulk": 0, "shadow": 0}
        idle = dict.fromkeys(waiting, 0)
        served = self._project.served_version
        return ProcessStatus(
            pid=4711,
            megabytes=2890,
            gpu_megabytes=1804,
            task_cache=TaskCacheFigures(512 << 20, 87 << 20, 214, 1203, 214),
            models=[
                LoadedModel(self._project.pk, served, 512, 0.2, 1, 1, waiting),
                LoadedModel(self._project.pk, "v1", 508, 41.7, 0, 1, idle),
            ],
        )
