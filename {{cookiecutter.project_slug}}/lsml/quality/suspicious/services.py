"""Lists the annotations that a version not trained on their task finds improbable."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation
from lsml.labelstudio.label_config import readable_label_config
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.suspicious.choices import Choice, doubtful_choices
from lsml.quality.suspicious.comparing import compare
from lsml.quality.suspicious.confirming import confirmed_states
from lsml.quality.suspicious.doubts import Doubt
from lsml.quality.suspicious.unseen import (
    annotations_of,
    unseen_predictions,
)
from lsml.registry.label_studio import task_address
from lsml.registry.models import Project

LISTED_MAX: Final = 1_000  # that a caller may ask for
_Labels = dict[str, tuple[str, ...]]  # by control, in the config
_IMPROBABLE: Final = 0.5  # quality below which a span or a box is suspicious


@dataclass(frozen=True, slots=True)
class Suspicious:
    """An annotation that may be wrong; or the model is."""

    task_id: int  # Label Studio's ID
    annotation_id: int  # Label Studio's ID
    updated_at: datetime  # of the annotation's state
    completed_by: int | None  # Label Studio's user ID
    prediction_id: int  # key of the audit row
    model_version: str
    quality: float  # 0 to 1: how probable the model finds the annotation
    confident: bool  # the model contradicts as surely as it usually answers
    reason: str
    address: str  # of the task's page in Label Studio; "" = unknown


@dataclass(frozen=True, slots=True)
class Report:
    """The most suspicious annotations of a project, and how many were examined."""

    annotations: int  # of the project
    examined: int  # the newest
    checked: int
    without_prediction: int  # by a version that was not trained on the task
    not_comparable: int  # no single choice, span or box with a score above chance
    suspicious: int
    confident: int  # of the suspicious
    confirmed: int  # would be suspicious, but a person found them right
    results: list[Suspicious]  # the most suspicious first

    @property
    def coverage(self) -> str:
        """How many annotations could be checked, and why not all, in a sentence."""
        said = f"{self.checked} of {self.annotations} annotations could be checked."
        causes = []
        if self.without_prediction:
            causes.append(
                f"{self.without_prediction} without a prediction by a version that was"
                " not trained on them"
            )
        if self.not_comparable:
            causes.append(
                f"{self.not_comparable} without a single choice, span or box that the"
                " model scored above chance"
            )
        if causes:
            said += f" Not checked: {', '.join(causes)}."
        if self.confirmed:
            said += f" Not listed: {self.confirmed} that people confirmed."
        if self.examined < self.annotations:
            said += f" Only the newest {self.examined} were examined."
        return said


@dataclass(frozen=True, slots=True)
class _Compared:
    """What is kept of an annotation and its prediction; not their results."""

    task_id: int
    annotation_id: int
    updated_at: datetime
    completed_by: int | None
    prediction_id: int
    model_version: str
    answers: dict[str, Choice | Doubt]  # by control

    def because_of(self, doubt: Doubt, project: Project) -> Suspicious:
        return Suspicious(
            task_id=self.task_id,
            annotation_id=self.annotation_id,
            updated_at=self.updated_at,
            completed_by=self.completed_by,
            prediction_id=self.prediction_id,
            model_version=self.model_version,
            quality=doubt.quality,
            confident=doubt.confident,
            reason=f"annotated {doubt.annotated or 'nothing'}; {self.model_version},"
            f" not trained on it, {doubt.says}",
            address=task_address(project, self.task_id),
        )


def suspicious_annotations(
    *, project: Project, limit: int, budget: Budget = UNLIMITED
) -> Report:
    """Find annotations that a version not trained on their task finds improbable.

    Args:
        project: of the annotations.
        limit: at most so many are listed, the most suspicious first.
        budget: When it is used up, older annotations are not examined.
    """
    counts: Counter[str] = Counter()
    compared: list[_Compared] = []
    labels = _labels(project)
    for annotation, prediction in unseen_predictions(project):
        if budget.is_used_up:
            break
        counts["examined"] += 1
        if prediction is None:
            counts["without_prediction"] += 1
        elif one := _compare(annotation, prediction, labels):
            compared.append(one)
        else:
            counts["not_comparable"] += 1
    doubted = list(_doubted(project, compared, labels))
    confirmed = confirmed_states(project)
    found = sorted(
        (
            one
            for one in doubted
            if (one.annotation_id, one.updated_at) not in confirmed
        ),
        key=lambda one: one.quality,
    )
    return Report(
        annotations=annotations_of(project).count(),
        examined=counts["examined"],
        checked=len(compared),
        without_prediction=counts["without_prediction"],
        not_comparable=counts["not_comparable"],
        suspicious=len(found),
        confident=sum(one.confident for one in found),
        confirmed=len(doubted) - len(found),
        results=found[:limit],
    )


def _compare(
    annotation: Annotation, prediction: Prediction, labels: _Labels
) -> _Compared | None:
    answers = compare(
        annotation.result or [],
        prediction.result or [],
        score=prediction.score,
        labels=labels,
    )
    if not answers:
        return None
    return _Compared(
        task_id=cast("int", annotation.task_id),
        annotation_id=annotation.annotation_id,
        updated_at=annotation.updated_at,
        completed_by=annotation.completed_by,
        prediction_id=prediction.pk,
        model_version=prediction.model_version,
        answers=answers,
    )


def _doubted(
    project: Project, compared: list[_Compared], labels: _Labels
) -> Iterator[Suspicious]:
    """Yield the suspicious ones, each because of its most doubtful control."""
    doubts = [_doubted_regions(one) for one in compared]
    choices: defaultdict[str, list[tuple[int, Choice]]] = defaultdict(list)
    for at, one in enumerate(compared):
        for control, answer in one.answers.items():
            if isinstance(answer, Choice):
                choices[control].append((at, answer))
    for control, answered in choices.items():
        places, made = zip(*answered, strict=True)
        found = doubtful_choices(made, labels.get(control, ()))
        for at, doubt in zip(places, found, strict=True):
            doubts[at] += [doubt] if doubt else []
    for one, those in zip(compared, doubts, strict=True):
        if those:
            yield one.because_of(min(those, key=lambda doubt: doubt.quality), project)


def _doubted_regions(one: _Compared) -> list[Doubt]:
    answers = [each for each in one.answers.values() if isinstance(each, Doubt)]
    return [doubt for doubt in answers if doubt.quality < _IMPROBABLE]


def _labels(project: Project) -> _Labels:
    config = readable_label_config(project.label_config)
    if config is None:  # the labels that were used are known
        return {}
    return {control.name: control.labels for control in config.controls}
