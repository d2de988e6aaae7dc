"""A project's promotion policy as the rule that it applies."""

from dataclasses import replace
from typing import Final

from lsml.quality.gates.rules import Gate
from lsml.registry.models import Project

_BETTER: Final = Project.PromotionPolicy.BETTER


def gate_of(project: Project) -> Gate:
    """Return the rule for held-out tasks."""
    return Gate(
        rule="better" if project.promotion_policy == _BETTER else "not_worse",
        margin=project.gate_margin / 100,
        min_tasks=project.gate_min_tasks,
        label_margin=project.gate_label_margin / 100,
        latency_factor=project.gate_latency_factor,
    )


def shadow_gate_of(project: Project) -> Gate:
    """Return the rule for tasks that were predicted in shadow."""
    min_tasks = project.gate_shadow_tasks or project.gate_min_tasks
    return replace(gate_of(project), min_tasks=min_tasks)
