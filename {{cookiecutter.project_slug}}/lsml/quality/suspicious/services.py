"""Lists the annotations that a model not trained on their task finds improbable."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeVar, cast

from lsml.audit.models import Prediction
from lsml.dataset.models import Annotation
from lsml.labelstudio.label_config import readable_label_config
from lsml.quality.budget import UNLIMITED, Budget
from lsml.quality.suspicious.choices import Choice, doubtful_choices
from lsml.quality.suspicious.comparing import compare
from lsml.quality.suspicious.confirming import confirmed_states
from lsml.quality.suspicious.doubts import Doubt
from lsml.quality.suspicious.out_of_sample import (
    CrossValidation,
    Validated,
    cross_validations,
    validated_choices,
)
from lsml.quality.suspicious.unseen import annotations_of, unseen_predictions
from lsml.registry.label_studio import task_address
from lsml.registry.models import Project

LISTED_MAX: Final = 1_000  # that a caller may ask for
_Kind = TypeVar("_Kind")
_Labels = dict[str, tuple[str, ...]]  # by control, in the config
_IMPROBABLE: Final = 0.5  # quality below which a span or a box is suspicious


@dataclass(frozen=True, slots=True)
class Suspicious:
    """An annotation that may be wrong; or the model is."""

    task_id: int  # Label Studio's ID
    annotation_id: int  # Label Studio's ID
    updated_at: datetime  # of the annotation's state
    completed_by: int | None  # Label Studio's user ID
    prediction_id: int | None  # key of the audit row; null = cross-validation
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
    """What is kept of an annotation and what it was compared with; not the results."""

    task_id: int
    annotation_id: int
    updated_at: datetime
    completed_by: int | None
    prediction_id: int | None  # null = there is none to compare with
    model_version: str
    answers: dict[str, Choice | Doubt | Validated]  # by control

    def because_of(self, doubt: Doubt, project: Project) -> Suspicious:
        recorded = not doubt.cross_validated_by
        by = (
            f"{self.model_version}, not trained on it,"
            if recorded
            else f"cross-validation of {doubt.cross_validated_by}, without this task,"
        )
        return Suspicious(
            task_id=self.task_id,
            annotation_id=self.annotation_id,
            updated_at=self.updated_at,
            completed_by=self.completed_by,
            prediction_id=self.prediction_id if recorded else None,
            model_version=doubt.cross_validated_by or self.model_version,
            quality=doubt.quality,
            confident=doubt.confident,
            reason=f"annotated {doubt.annotated or 'nothing'}; {by} {doubt.says}",
            address=task_address(project, self.task_id),
        )


def suspicious_annotations(
    *, project: Project, limit: int, budget: Budget = UNLIMITED
) -> Report:
    """Find annotations that a model not trained on their task finds improbable.

    Choices are checked with the out-of-sample probabilities that the newest training
    reported, everything else with the predictions that were recorded.

    Args:
        project: of the annotations.
        limit: at most so many are listed, the most suspicious first.
        budget: When it is used up, older annotations are not examined.
    """
    counts: Counter[str] = Counter()
    compared: list[_Compared] = []
    labels = _labels(project)
    validations = cross_validations(project)
    for annotation, prediction in unseen_predictions(project):
        if budget.is_used_up:
            break
        counts["examined"] += 1
        if one := _compare(annotation, prediction, labels, validations):
            compared.append(one)
        elif prediction is None:
            counts["without_prediction"] += 1
        else:
            counts["not_comparable"] += 1
    doubted = list(_doubted(project, compared, labels, validations))
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
    annotation: Annotation,
    prediction: Prediction | None,
    labels: _Labels,
    validations: dict[str, CrossValidation],
) -> _Compared | None:
    task_id = cast("int", annotation.task_id)
    annotated = annotation.result or []
    answers: dict[str, Choice | Doubt | Validated] = {}
    if prediction is not None:
        answers |= compare(
            annotated, prediction.result or [], score=prediction.score, labels=labels
        )
    answers |= validated_choices(task_id, annotated, validations)
    if not answers:
        return None
    return _Compared(
        task_id=task_id,
        annotation_id=annotation.annotation_id,
        updated_at=annotation.updated_at,
        completed_by=annotation.completed_by,
        prediction_id=prediction.pk if prediction else None,
        model_version=prediction.model_version if prediction else "",
        answers=answers,
    )


def _doubted(
    project: Project,
    compared: list[_Compared],
    labels: _Labels,
    validations: dict[str, CrossValidation],
) -> Iterator[Suspicious]:
    """Yield the suspicious ones, each because of its most doubtful control."""
    doubts = [_doubted_regions(one) for one in compared]
    for at, doubt in _doubted_choices(compared, labels, validations):
        doubts[at] += [doubt] if doubt else []
    for one, those in zip(compared, doubts, strict=True):
        if those:
            yield one.because_of(min(those, key=lambda doubt: doubt.quality), project)


def _doubted_choices(
    compared: list[_Compared],
    labels: _Labels,
    validations: dict[str, CrossValidation],
) -> Iterator[tuple[int, Doubt | None]]:
    """Yield place and doubt of each choice.

    Those that cross-validation contradicts apart from those that predictions do: early
    versions are less sure of a label than a late one's folds.
    """
    for control, recorded in _by_control(compared, Choice).items():
        offered = labels.get(control, ())
        found = doubtful_choices([*recorded.values()], offered)
        yield from zip(recorded, found, strict=True)
    for control, validated in _by_control(compared, Validated).items():
        found = validations[control].doubtful([*validated.values()])
        yield from zip(validated, found, strict=True)


def _by_control(
    compared: list[_Compared], kind: type[_Kind]
) -> dict[str, dict[int, _Kind]]:
    """Return the answers of one kind, by control and place."""
    found: defaultdict[str, dict[int, _Kind]] = defaultdict(dict)
    for at, one in enumerate(compared):
        for control, answer in one.answers.items():
            if isinstance(answer, kind):
                found[control][at] = answer
    return found


def _doubted_regions(one: _Compared) -> list[Doubt]:
    answers = [each for each in one.answers.values() if isinstance(each, Doubt)]
    return [doubt for doubt in answers if doubt.quality < _IMPROBABLE]


def _labels(project: Project) -> _Labels:
    config = readable_label_config(project.label_config)
    if config is None:  # the labels that were used are known
        return {}
    return {control.name: control.labels for control in config.controls}
