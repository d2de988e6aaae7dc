"""The tables of this room, where Django looks for them."""

from lsml.quality.alarms.models import Alarm, AlarmCheck, AlarmMessage
from lsml.quality.drift.models import DriftCheck
from lsml.quality.error_groups.models import ErrorGroup, ErrorPosition
from lsml.quality.evaluation.models import Evaluation
from lsml.quality.live.models import AgreementWatch
from lsml.quality.suspicious.models import ConfirmedAnnotation
from lsml.quality.validity.models import AnswerCheck, AnswerCheckPosition

__all__ = [
    "AgreementWatch",
    "Alarm",
    "AlarmCheck",
    "AlarmMessage",
    "AnswerCheck",
    "AnswerCheckPosition",
    "ConfirmedAnnotation",
    "DriftCheck",
    "ErrorGroup",
    "ErrorPosition",
    "Evaluation",
]
