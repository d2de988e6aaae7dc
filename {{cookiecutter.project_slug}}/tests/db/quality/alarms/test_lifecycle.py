"""An alarm opens at the second check, clears at the third without its condition."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lsml.quality.alarms import checks, messages
from lsml.quality.alarms.conditions import Condition
from lsml.quality.models import Alarm

pytestmark = pytest.mark.django_db
KIND = Alarm.Kind.NO_WORKER
SUBJECTS = ("default", "training")
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


def holds(subject="", *, opens=True):
    return Condition(f"No worker: {subject}.", "Start one.", None, subject, opens)


def check(*conditions, at=0):
    checks.record({KIND: list(conditions)}, START + timedelta(seconds=20 * at))


def states():
    return [each.state for each in Alarm.objects.order_by("pk")]


def test_one_check_opens_no_alarm():
    check(holds())
    check(at=1)
    assert states() == []


def test_the_second_check_in_a_row_opens_one_alarm():
    check(holds())
    check(holds(), at=1)
    check(holds(), at=2)
    assert states() == ["open"]


def test_two_checks_that_do_not_find_it_leave_it_open_and_the_third_clears_it():
    found = []
    for at, conditions in enumerate([[holds()], [holds()], [], [], []]):
        check(*conditions, at=at)
        found.append(states())
    assert found[1:] == [["open"], ["open"], ["open"], ["cleared"]]


def test_above_the_lower_threshold_it_stays_open_but_none_opens():
    check(holds(opens=False))
    check(holds(opens=False), at=1)
    assert states() == []
    for at in (2, 3):
        check(holds(), at=at)
    for at in range(4, 9):
        check(holds(opens=False), at=at)
    assert states() == ["open"]


def test_a_kind_that_could_not_be_checked_changes_nothing():
    check(holds())
    check(holds(), at=1)
    for at in range(2, 9):
        checks.record({}, START + timedelta(seconds=20 * at))
    assert states() == ["open"]


def test_it_may_open_again_after_it_cleared():
    for at, conditions in enumerate([[holds()]] * 2 + [[]] * 3 + [[holds()]] * 2):
        check(*conditions, at=at)
    assert states() == ["cleared", "open"]


def test_a_cleared_alarm_is_deleted_after_90_days():
    for at, conditions in enumerate([[holds()]] * 2 + [[]] * 3):
        check(*conditions, at=at)
    check(at=90 * 24 * 180)
    assert states() == ["cleared"]
    check(at=90 * 24 * 180 + 10)
    assert states() == []


# What a check finds of each subject; None = the kind could not be checked.
STEPS = st.lists(
    st.none() | st.tuples(*[st.sampled_from(["no", "stays", "yes"])] * len(SUBJECTS)),
    max_size=14,
)


class Model:
    """The life of the alarms of one subject, written down a second time."""

    def __init__(self):
        self.seen = self.missed = 0
        self.opened = self.cleared = 0  # how often

    def check(self, found):
        if found == "yes" or (found == "stays" and self.seen == 2):
            self.missed = 0
            if self.seen < 2:
                self.seen += 1
                self.opened += self.seen == 2
        elif self.seen == 2:
            self.missed += 1
            if self.missed == 3:
                self.seen = self.missed = 0
                self.cleared += 1
        else:
            self.seen = 0


def found_in(step):
    if step is None:
        return {}
    return {
        KIND: [
            holds(subject, opens=word == "yes")
            for subject, word in zip(SUBJECTS, step, strict=True)
            if word != "no"
        ]
    }


def unreliable(chat, statuses):
    """Answer with these statuses, then 200; return the lines that are accepted."""
    waiting, accepted = list(statuses), []

    def answer(_):
        status = waiting.pop() if waiting else 200
        if status == 200:
            accepted.extend(json.loads(chat.bodies[-1])["text"].splitlines()[::2])
        return (status, {}, b"")

    chat.answers["/hook/secret-path"] = answer
    return accepted


def compare(subject, expected):
    alarms = Alarm.objects.filter(subject=subject)
    assert alarms.filter(cleared_at=None).count() == (expected.seen > 0)
    assert alarms.open().count() == (expected.seen == 2)
    assert alarms.exclude(cleared_at=None).count() == expected.cleared


@given(steps=STEPS, statuses=st.lists(st.sampled_from([200, 500]), max_size=14))
@settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_never_two_open_for_a_subject_and_each_message_is_accepted_once(
    chat, steps, statuses
):
    Alarm.objects.all().delete()
    accepted = unreliable(chat, statuses)
    models = {subject: Model() for subject in SUBJECTS}
    for at, step in enumerate(steps):
        now = START + timedelta(seconds=20 * at)
        checks.record(found_in(step), now)
        messages.send_due(now)
        for place, (subject, model) in enumerate(models.items()):
            if step is not None:
                model.check(step[place])
            compare(subject, model)
    for subject, model in models.items():
        opened = accepted.count(f"No worker: {subject}. Start one.")
        cleared = accepted.count(f"Cleared: No worker: {subject}.")
        assert opened <= model.opened
        assert cleared <= min(opened, model.cleared)
        if not statuses:
            assert (opened, cleared) == (model.opened, model.cleared)
