"""Error answers of the reference SDK, for models that define their own views.

Answers are (body, status) pairs, which Flask accepts as a response.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

Reply = tuple[dict[str, Any], int]


def answer(status: int = 0, msg: str = "", result: Any = None) -> Reply:
    """Return the (body, status) of an answer.

    Args:
        status: HTTP status.
        msg: What happened, for people to read.
        result: Any JSON value.
    """
    body = {"status": status, "detail": msg or ("ok" if status == 200 else "")}
    return (body if result is None else {**body, "result": result}), status


class AnswerException(Exception):
    """Ends a view with the given answer."""

    def __init__(self, status: int, msg: str = "", result: Any = None) -> None:
        self.status, self.msg, self.result = status, msg, result
        self.answer = answer(status, msg, result)
        super().__init__(self.answer)


def exception_handler(f: Callable[..., Any]) -> Callable[..., Any]:
    """Make a view answer with its error. The traceback goes to the log only."""

    @functools.wraps(f)
    def view(*args: Any, **kwargs: Any) -> Any:
        try:
            return f(*args, **kwargs)
        except AnswerException as error:
            logger.exception("%s answered %s", f.__name__, error.status)
            return error.answer
        except Exception as error:
            logger.exception("%s failed", f.__name__)
            return answer(500, f"{type(error).__name__}: {error}")

    return view
