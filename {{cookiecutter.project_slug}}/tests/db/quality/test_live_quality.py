"""Live agreement of versions is read from its sums by day."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from lsml.dataset.agreement import update_agreements
from lsml.dataset.models import LiveAgreementDay
from lsml.quality.live.expected import expected_of
from lsml.quality.live.services import DAYS, live_quality, served_and_former
from lsml.quality.statistics.intervals import mean
from lsml.registry.models import Promotion
from tests.db.audit.rows import predict
from tests.db.quality.history import choice

pytestmark = pytest.mark.django_db

NOW = timezone.now().replace(hour=12)
DAY = timedelta(days=1)


@pytest.fixture
def label(history):
    """Annotate a task that a version predicted before."""

    def label(task_id, predicted, annotated, at=NOW, **facts):
        facts = {"version": "v1", "created_at": at - timedelta(minutes=1), **facts}
        history.predict(task_id, predicted, **facts)
        history.annotate(task_id, annotated, created_at=at)
        update_agreements(project=history.project, annotation_ids=[100 * task_id])

    return label


@pytest.fixture
def read(history):
    return lambda version="v1": live_quality(history.project, [version])[0]


def test_agreement_has_the_interval_of_all_annotations(label, read):
    label(1, "Refund", "Refund", at=NOW - DAY)
    label(2, "Refund", "Billing", at=NOW - DAY)
    label(3, "Billing", "Billing")
    found = read()
    assert found.annotations == 3
    assert found.agreement == pytest.approx(mean([1, 0, 1]))
    assert [(each.control, each.annotations) for each in found.controls] == [
        ("topic", 3)
    ]


def test_days_are_in_order(label, read):
    label(1, "Refund", "Refund")
    label(2, "Refund", "Billing", at=NOW - DAY)
    label(3, "Billing", "Billing", at=NOW - DAY)
    days = [(each.day, each.annotations, each.agreement) for each in read().days]
    assert days == [((NOW - DAY).date(), 2, 0.5), (NOW.date(), 1, 1.0)]


def test_days_long_past_do_not_count(label, read):
    label(1, "Refund", "Refund", at=NOW - DAYS * DAY)
    assert read().annotations == 0
    assert read().agreement is None


def test_annotators_have_intervals_those_with_most_annotations_first(history, read):
    for task_id, (person, annotated) in enumerate(
        [(3, "Refund"), (4, "Refund"), (4, "Billing"), (None, "Billing")], 1
    ):
        history.predict(task_id, "Refund", version="v1", created_at=NOW - DAY)
        history.annotate(task_id, annotated, created_at=NOW, completed_by=person)
    update_agreements(project=history.project, annotation_ids=range(100, 500))
    found = [(one.user_id, one.annotations, one.agreement) for one in read().annotators]
    assert found == [
        (4, 2, pytest.approx(mean([1, 0]))),
        (3, 1, pytest.approx(mean([1]))),
    ]


def test_annotators_beyond_the_limit_of_a_day_are_others(history, read):
    LiveAgreementDay.objects.create(
        project=history.project,
        model_version="v1",
        day=NOW.date(),
        sums={"overall": {"": [3, 3, 3]}, "annotators": {"": [2, 2, 2]}},
    )
    assert [(one.user_id, one.annotations) for one in read().annotators] == [(None, 2)]


def test_labels_have_precision_and_recall(label, read):
    label(1, "Refund", "Refund")
    label(2, "Refund", "Billing")
    label(3, "Refund", "Billing")
    refund, billing = sorted(read().labels, key=lambda each: each.label, reverse=True)
    assert (refund.label, refund.precision, refund.recall) == (
        "topic: Refund",
        pytest.approx(1 / 3),
        1.0,
    )
    assert (billing.precision, billing.recall) == (None, 0.0)


def test_calibration_is_by_tenths_of_the_score(history, read):
    for task_id, (score, annotated) in enumerate(
        [(0.92, "Refund"), (0.98, "Billing"), (0.15, "Billing"), (1.5, "Billing")], 1
    ):
        predict(
            project_pk=history.project.pk,
            task_id=task_id,
            score=score,
            result=choice("Refund"),
            created_at=NOW - DAY,
        )
        history.annotate(task_id, annotated, created_at=NOW)
    update_agreements(project=history.project, annotation_ids=range(100, 500))
    found = read()
    assert [tuple(each) for each in found.calibration] == [
        (0.1, 0.2, 1, pytest.approx(0.15), 0.0),
        (0.9, 1.0, 2, pytest.approx(0.95), 0.5),
    ]
    assert found.calibration_error == pytest.approx((0.15 + 2 * 0.45) / 3)


def test_many_days_of_two_versions_are_one_query(history, django_assert_num_queries):
    sums = {"overall": {"": [10, 8, 8]}}
    LiveAgreementDay.objects.bulk_create(
        LiveAgreementDay(
            project=history.project,
            model_version=version,
            day=(NOW - day * DAY).date(),
            sums=sums,
        )
        for version in ("v1", "v2")
        for day in range(80)
    )
    with django_assert_num_queries(1):
        found = live_quality(history.project, ["v2", "v1"])
    assert [(each.version, each.annotations) for each in found] == [
        ("v2", 800),
        ("v1", 800),
    ]


# --- Expected agreement ---


@pytest.fixture
def calibrated(history):
    """v1, of which 100 annotations say what a score of 0.85 and one of 0.35 mean."""
    LiveAgreementDay.objects.create(
        project=history.project,
        model_version="v1",
        day=NOW.date(),
        sums={
            "overall": {"": [100, 70, 70]},
            "scores": {"8": [50, 42.5, 45], "3": [50, 17.5, 25]},
        },
    )
    return history


def scored(history, task_id, score, **facts):
    given = {"model_version": "v1", "score": score} | facts
    predict(project_pk=history.project.pk, task_id=task_id, **given)


def expected(history):
    return expected_of(history.project, live_quality(history.project, ["v1"])[0])


def test_what_to_expect_follows_from_the_scores_of_the_latest_predictions(calibrated):
    for task_id in range(1, 41):
        score = 0.85 if task_id <= 30 else 0.35
        scored(calibrated, task_id, score)
    found = expected(calibrated)
    assert found.agreement.value == pytest.approx(0.8)
    assert found.agreement.low < 0.8 < found.agreement.high
    assert (found.predictions, found.left_out, found.annotations) == (40, 0, 100)
    assert found.sentence.startswith(
        "Expected agreement of the last 40 predictions without annotation: 80 % ("
    )


def test_only_the_latest_unannotated_predictions_that_were_shown_count(calibrated):
    for number, facts in enumerate(
        [
            {},
            {"kind": "interactive"},
            {"kind": "shadow"},
            {"outcome": "error"},
            {"model_version": "v2"},
            {"score": None},
            {"score": 1.5},
        ],
        1,
    ):
        scored(calibrated, number, **{"score": 0.85} | facts)
    scored(calibrated, 8, 0.85)
    calibrated.annotate(8, "Refund")
    scored(calibrated, 1, 0.35)
    found = expected(calibrated)
    assert found.predictions == 1
    assert found.agreement.value == pytest.approx(0.5)


def test_scores_that_nobody_annotated_are_left_out(calibrated):
    for task_id, score in ((1, 0.85), (2, 0.99)):
        scored(calibrated, task_id, score)
    found = expected(calibrated)
    assert (found.predictions, found.left_out) == (1, 1)
    assert "1 more are left out, because few annotations" in found.sentence


def test_few_annotations_do_not_tell_what_to_expect(history):
    scored(history, 1, 0.85)
    found = expected(history)
    assert found.agreement is None
    assert (
        "0 annotated predictions of the last 90 days have a score, 50 are needed"
        in found.sentence
    )


def test_without_scores_nothing_is_expected(calibrated):
    assert "no prediction without annotation has a score" in (
        expected(calibrated).sentence
    )


def test_the_command_prints_what_to_expect(calibrated):
    LiveAgreementDay.objects.update(model_version="0.0.1")
    scored(calibrated, 1, 0.85, model_version="0.0.1")
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    assert "Expected agreement of the last 1 predictions" in output.getvalue()


@pytest.fixture
def promoted(history):
    """Serve v2, after v1."""
    before = None
    for number in (1, 2):
        version = history.version(number, f"{number:064}", NOW)
        Promotion.objects.create(
            project=history.project,
            from_version=before,
            to_version=version,
            at=NOW,
            actor="policy",
            reason="test",
        )
        before = version
    history.project.active_version = before
    history.project.save()
    return history.project


def test_the_former_version_is_the_one_before(promoted):
    assert served_and_former(promoted) == ["v2", "v1"]


def test_an_untrained_model_has_no_former_version(history):
    assert served_and_former(history.project) == ["0.0.1"]


def test_the_command_prints_both_versions(label, promoted):
    label(1, "Refund", "Refund", version="v1", created_at=NOW - 2 * DAY)
    label(2, "Refund", "Refund", version="v2")
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    lines = [each for each in output.getvalue().splitlines() if "live" in each]
    assert [line.split()[0] for line in lines] == ["v2", "v1"]
    assert "live agreement 100 % (too few to tell) on 1 annotations" in lines[0]


def test_the_command_prints_the_annotators(label, promoted):
    label(1, "Refund", "Refund", version="v2")
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    [line] = [each for each in output.getvalue().splitlines() if "user" in each]
    assert " ".join(line.split()) == "user 3 100 % (too few to tell) on 1"


# --- Not shown ---


@pytest.fixture
def both(label):
    """Four of four annotations agree with what was shown, one of two with the rest."""
    for task_id in range(1, 5):
        label(task_id, "Refund", "Refund", version="0.0.1")
    label(5, "Refund", "Refund", version="0.0.1", withheld=True)
    label(6, "Refund", "Billing", version="0.0.1", withheld=True)


def test_agreement_with_what_was_not_shown_stands_beside_the_other(both, read):
    found = read("0.0.1")
    assert (found.annotations, found.agreement.value) == (4, 1.0)
    assert found.not_shown.annotations == 2
    assert found.not_shown.agreement == pytest.approx(mean([1, 0]))
    assert found.not_shown.difference.value == 0.5


def test_a_version_that_was_never_shown_has_no_difference(label, read):
    label(1, "Refund", "Refund", withheld=True)
    found = read()
    assert (found.annotations, found.agreement, found.days) == (0, None, [])
    assert found.not_shown.difference is None
    assert "No annotation yet" in found.not_shown.meaning


@pytest.mark.parametrize(
    ("shown", "not_shown", "sentence"),
    [
        ((370, 400), (60, 100), "suggestions influence them"),
        ((60, 100), (370, 400), "Annotators agree less"),
        (
            (364, 400),
            (21, 25),
            "An influence of suggestions cannot be told from chance",
        ),
    ],
)
def test_the_difference_is_put_into_words(history, read, shown, not_shown, sentence):
    def vector(right, all_of_them):
        return {"": [all_of_them, right, right]}

    LiveAgreementDay.objects.create(
        project=history.project,
        model_version="v1",
        day=NOW.date(),
        sums={"overall": vector(*shown), "not_shown": vector(*not_shown)},
    )
    assert sentence in read().not_shown.meaning


def test_the_command_prints_both(both):
    output = StringIO()
    call_command("quality", "--project", "7", stdout=output)
    said = output.getvalue()
    assert "live agreement 100 % (too few to tell) on 4 annotations" in said
    assert (
        "not shown      50 % (too few to tell) on 2 annotations. An influence" in said
    )
