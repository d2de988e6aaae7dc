"""What a process with models reports about itself, for the admin."""

import os
from dataclasses import dataclass

from lsml.inference.hosting.host import LoadedModel, host
from lsml.inference.hosting.memory import gpu_megabytes, memory_of_process


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """A process and its models."""

    pid: int
    megabytes: int  # resident memory; 0 = not known
    gpu_megabytes: int | None  # None = no driver reports it
    models: list[LoadedModel]


def process_status() -> ProcessStatus:
    """Return the figures of this process."""
    return ProcessStatus(
        pid=os.getpid(),
        megabytes=memory_of_process() >> 20,
        gpu_megabytes=gpu_megabytes(),
        models=host.models(),
    )
