"""The story of the lanes: a running service learns from annotations."""

import time
from collections.abc import Callable

from demo.label_studio import LabelStudio
from demo.screen import StepFailed, expect, step

ANNOTATED, PREDICTED = 60, 40  # numbers of texts
SHARE_RIGHT = 0.8  # of the trained version's predictions, at least
WAIT_S = 120.0
POLL_S = 0.5


def learn(studio: LabelStudio, texts: list[tuple[str, str]]) -> None:
    """Annotate, and wait until a version that was trained on it is served.

    Args:
        studio: A project of the example.
        texts: The example's texts, with their labels.
    """
    annotated, unseen = texts[:ANNOTATED], texts[ANNOTATED : ANNOTATED + PREDICTED]
    with step("the model process answers") as shown:
        until(lambda: status_of(studio, unseen) == 200, "predictions fail")
        shown.outcome = "untrained predictions"
    with step(f"{ANNOTATED} annotations, by webhook") as shown:
        for number, (text, label) in enumerate(annotated, 1):
            reply = studio.annotate(number, text, label)
            expect(reply.status // 100 == 2, f"POST /webhook: status {reply.status}")
    with step("a trained version is served") as shown:
        until(lambda: _share_right(studio, unseen) >= SHARE_RIGHT, "it does not learn")
        version = studio.setup().body["model_version"]
        shown.outcome = f"{version}: {_share_right(studio, unseen):.0%} right"


def status_of(studio: LabelStudio, texts: list[tuple[str, str]]) -> int:
    """Request predictions; return the status, 0 if there is no answer."""
    try:
        return studio.predict([text for text, _ in texts]).status
    except OSError:
        return 0


def until(holds: Callable[[], bool], problem: str) -> None:
    """Wait until something holds.

    Raises:
        StepFailed: it does not, for `WAIT_S` seconds.
    """
    deadline = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > deadline:
            raise StepFailed(f"{problem}, after {WAIT_S:.0f} s")
        time.sleep(POLL_S)


def _share_right(studio: LabelStudio, texts: list[tuple[str, str]]) -> float:
    reply = studio.predict([text for text, _ in texts])
    if reply.status != 200:
        return 0.0
    results = reply.body["results"]
    predictions = [each[0] if isinstance(each, list) else each for each in results]
    chosen = [each["result"][0]["value"]["choices"][0] for each in predictions]
    right = [a == label for a, (_, label) in zip(chosen, texts, strict=True)]
    return sum(right) / len(right)
