"""Has quality dropped? A test that is updated with each annotation.

A CUSUM: each agreement value adds the log-likelihood ratio of a level `DROP` below the
reference to the reference itself. The sum, the evidence, never falls below 0, and from
`THRESHOLD` on a drop is reported. Annotations that turn out to be no evidence for a
drop improve the reference. benchmarks/quality/ measures how soon a drop is reported,
and how often without one.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from math import log
from typing import Final, Self

DROP: Final = 0.12  # finds drops of 10 and of 20 points about equally well
THRESHOLD: Final = 8.3
REFERENCE_ANNOTATIONS: Final = 500  # before these, nothing is reported

_HIGHEST: Final = 0.98  # of the reference: with 1, a single mistake would be a drop
_LOWEST: Final = 0.02  # below this, nothing is left that could drop


@dataclass(frozen=True, slots=True)
class DropDetector:
    """What is known after some annotations; all of it fits into a row of numbers.

    Attributes:
        annotations: From how many the reference is estimated: the first ones, and all
            that were no evidence for a drop.
        reference: Mean agreement of these.
        evidence: For a drop, 0 to `THRESHOLD`.
        dropped: True from the threshold on, until all evidence is gone again.
        since: Annotations since there was last no evidence: since about when it lasts.
        since_total: The sum of their agreement.
    """

    annotations: int = 0
    reference: float = 0.0
    evidence: float = 0.0
    dropped: bool = False
    since: int = 0
    since_total: float = 0.0

    @property
    def level(self) -> float | None:
        """Mean agreement since there was last no evidence; None if there is none."""
        return self.since_total / self.since if self.since else None

    def update(self, agreements: Iterable[float]) -> Self:
        """Return the detector after more annotations, in the order of submission.

        Args:
            agreements: 0 to 1 each.
        """
        values = iter(agreements)
        return self._learn(values)._watch(values)

    def _learn(self, values: Iterable[float]) -> Self:
        first = list(islice(values, max(0, REFERENCE_ANNOTATIONS - self.annotations)))
        if not first:
            return self
        annotations = self.annotations + len(first)
        total = self.annotations * self.reference + sum(first)
        return replace(self, annotations=annotations, reference=total / annotations)

    def _watch(self, values: Iterable[float]) -> Self:
        annotations, reference = self.annotations, self.reference
        evidence, dropped = self.evidence, self.dropped
        since, total = self.since, self.since_total
        agree, disagree = _steps(reference)
        for value in values:
            evidence += value * agree + (1 - value) * disagree
            since, total = since + 1, total + value
            if evidence >= THRESHOLD:
                # No more: otherwise a long drop would take as long to be over.
                evidence, dropped = THRESHOLD, True
            elif evidence <= 0:
                if not dropped:
                    annotations += since
                    reference += (total - since * reference) / annotations
                    agree, disagree = _steps(reference)
                evidence, dropped, since, total = 0.0, False, 0, 0.0
        return replace(
            self,
            annotations=annotations,
            reference=reference,
            evidence=evidence,
            dropped=dropped,
            since=since,
            since_total=total,
        )


def _steps(reference: float) -> tuple[float, float]:
    """Return what full agreement and full disagreement add to the evidence."""
    if reference < _LOWEST:
        return 0.0, 0.0
    usual = min(reference, _HIGHEST)
    lower = max(usual - DROP, usual / 2)
    return log(lower / usual), log((1 - lower) / (1 - usual))
