"""The story: a team connects a project, annotates texts and trains two versions."""

import csv
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.label_studio import FIRST_PREDICTED, LabelStudio, Reply
from demo.screen import Step, StepFailed, expect, step
from demo.service import Records

ANNOTATED, PREDICTED, MORE = 60, 40, 50  # numbers of texts
SHARE_RIGHT = 0.8  # of the trained version's predictions, at least
TRAINING_S = 120.0


@dataclass(frozen=True, slots=True)
class Text:
    """A text and its annotated label."""

    text: str
    label: str


class Story:
    """Plays the steps. A step that fails raises StepFailed."""

    def __init__(
        self,
        project: Path,
        studio: LabelStudio,
        anonymous: LabelStudio,
        records: Records,
    ) -> None:
        """Read the texts.

        Args:
            project: The baked project; its example texts are used.
            studio: Label Studio with credentials.
            anonymous: The same without credentials.
            records: Reads what the service recorded.
        """
        with (project / "example/texts.csv").open(newline="") as file:
            texts = [Text(row["text"], row["label"]) for row in csv.DictReader(file)]
        self._annotated = texts[:ANNOTATED]
        self._predicted = texts[ANNOTATED : ANNOTATED + PREDICTED]
        self._more = texts[ANNOTATED + PREDICTED : ANNOTATED + PREDICTED + MORE]
        self._studio, self._anonymous, self._records = studio, anonymous, records
        self._version = ""

    def play(self, check_service: Callable[[], None]) -> None:
        """Play all steps.

        Args:
            check_service: Raises StepFailed when the service has ended.
        """
        self._connect()
        before = self._predict("predict 40 texts, untrained")
        self._annotate()
        self._train(check_service)
        after = self._predict("predict the same 40 texts")
        expect(
            after >= SHARE_RIGHT,
            f"{after:.0%} right after training, expected {SHARE_RIGHT:.0%}",
        )
        expect(after > before, "training did not improve the predictions")
        self._annotate_rest()
        self._compare(check_service)
        self._check_records()

    def _connect(self) -> None:
        with step("health, with and without password") as shown:
            refused = self._anonymous.health()
            expect(refused.status == 401, f"without password: {_brief(refused)}")
            reply = self._studio.health()
            expect(reply.status == 200, f"GET /health: {_brief(reply)}")
            shown.outcome = (
                f"UP in {reply.seconds * 1000:.0f} ms; 401 without a password"
            )
        with step("setup of the project") as shown:
            self._version = self._served_version()
            shown.outcome = f"model version {self._version}"

    def _served_version(self) -> str:
        reply = self._studio.setup()
        expect(reply.status == 200, f"POST /setup: {_brief(reply)}")
        return str(reply.body["model_version"])

    def _predict(self, title: str) -> float:
        """Request predictions; return the share that is right."""
        with step(title) as shown:
            reply = self._studio.predict([each.text for each in self._predicted])
            expect(reply.status == 200, f"POST /predict: {_brief(reply)}")
            predictions = [_one(each) for each in reply.body["results"]]
            expect(
                len(predictions) == PREDICTED,
                f"{len(predictions)} results in the response",
            )
            versions = {each["model_version"] for each in predictions}
            expect(versions == {self._version}, f"predicted by {versions}")
            choices = [_choice(each) for each in predictions]
            right = [
                choice == each.label
                for choice, each in zip(choices, self._predicted, strict=True)
            ]
            mean_score = statistics.mean(each["score"] for each in predictions)
            shown.outcome = (
                f"{sum(right)} of {PREDICTED} right by {self._version},"
                f" mean score {mean_score:.2f}"
            )
        return sum(right) / len(right)

    def _annotate(self) -> None:
        self._send(dict(enumerate(self._annotated, 1)), "annotations, by webhook")

    def _annotate_rest(self) -> None:
        """Annotate the texts that were predicted, and the others."""
        predicted = dict(enumerate(self._predicted, FIRST_PREDICTED))
        more = dict(enumerate(self._more, ANNOTATED + 1))
        self._send(predicted | more, "more annotations")

    def _send(self, texts: dict[int, Text], what: str) -> None:
        with step(f"{len(texts)} {what}") as shown:
            times = []
            for count, (task, each) in enumerate(texts.items(), 1):
                reply = self._studio.annotate(task, each.text, each.label)
                expect(reply.status // 100 == 2, f"POST /webhook: {_brief(reply)}")
                times.append(reply.seconds * 1000)
                shown.waiting(f"{count} of {len(texts)}")
            shown.outcome = (
                f"each acknowledged: median {statistics.median(times):.0f} ms,"
                f" slowest {max(times):.0f} ms"
            )

    def _train(self, check_service: Callable[[], None]) -> None:
        with step("training in a Celery worker") as shown:
            version = self._wait_for_training(ANNOTATED, shown, check_service)
            accuracy = version["metrics"].get("accuracy")
            expect(accuracy is not None, f"no accuracy in {version['metrics']}")
            shown.outcome = (
                f"version {version['version']}: {accuracy:.0%} right, cross-validated"
                f" ({version['annotations']} annotations,"
                f" {version['held_out']} tasks held out)"
            )
        with step("the new version is served") as shown:
            self._version = self._served_version()
            expect(
                self._version == version["version"], f"/setup answers {self._version}"
            )
            shown.outcome = f"model version {self._version}"

    def _compare(self, check_service: Callable[[], None]) -> None:
        with step("training and comparison") as shown:
            annotations = ANNOTATED + PREDICTED + MORE
            version = self._wait_for_training(annotations, shown, check_service)
            found = self._wait_for_evaluation(version["version"], shown, check_service)
            shown.outcome = f"{found['version']} {found['verdict']}: {found['reason']}"

    def _wait_for_evaluation(
        self, version: str, shown: Step, check_service: Callable[[], None]
    ) -> dict[str, Any]:
        while shown.seconds < TRAINING_S:
            found = self._records.read()["evaluation"]
            if found and found["version"] == version:
                return dict(found)
            check_service()
            shown.waiting(f"comparing {version}")
            time.sleep(0.3)
        raise StepFailed(f"{version} was not evaluated")

    def _wait_for_training(
        self, annotations: int, shown: Step, check_service: Callable[[], None]
    ) -> dict[str, Any]:
        while shown.seconds < TRAINING_S:
            seen = self._records.read()
            if seen["versions"] and _has_read(seen, annotations):
                return dict(seen["versions"][-1])
            check_service()
            shown.waiting(_training_now(seen))
            time.sleep(0.3)
        raise StepFailed(
            f"no run read all {annotations} annotations and succeeded: {seen}"
        )

    def _check_records(self) -> None:
        with step("what was recorded") as shown:
            seen = self._records.read()
            expect(
                seen["predictions"] == 2 * PREDICTED,
                f"{seen['predictions']} predictions",
            )
            expect(
                seen["events"] == ANNOTATED + PREDICTED + MORE,
                f"{seen['events']} webhook events",
            )
            shown.outcome = ", ".join(
                _counted(count, thing)
                for count, thing in [
                    (seen["predictions"], "prediction"),
                    (seen["events"], "event"),
                    (len(seen["runs"]), "run"),
                    (seen["promotions"], "promotion"),
                ]
            )


def _has_read(seen: dict[str, Any], annotations: int) -> bool:
    """Whether the last run read so many, to train on them or to hold them out."""
    succeeded = seen["runs"][-1] == "succeeded"
    return succeeded and bool(seen["run"]["annotations"] == annotations)


def _training_now(seen: dict[str, Any]) -> str:
    run = seen["run"]
    if run is None:
        return "waiting for a worker"
    progress = f"{run['progress']:.0%} {run['error'] or run['message'] or 'starting'}"
    if versions := len(seen["versions"]):
        return f"{_counted(versions, 'version')} so far; {progress}"
    return progress


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _one(result: Any) -> dict[str, Any]:
    """Return a task's only prediction. Label Studio accepts both shapes."""
    predictions = result if isinstance(result, list) else [result]
    expect(len(predictions) == 1, f"{len(predictions)} predictions for one task")
    return dict(predictions[0])


def _choice(prediction: dict[str, Any]) -> str:
    return str(prediction["result"][0]["value"]["choices"][0])


def _brief(reply: Reply) -> str:
    return f"status {reply.status}, {str(reply.body)[:300]}"
