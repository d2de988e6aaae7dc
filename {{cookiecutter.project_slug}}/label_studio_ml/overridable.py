"""A read-only attribute that classes and instances may replace by their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Self

Value = TypeVar("Value")


class overridable(Generic[Value]):  # noqa: N801 - a decorator, such as `property`
    """A property without a setter's refusal: `self.name = value` replaces it.

    A class that was written for the reference SDK may use the same name for something
    else. With `property`, its assignment would raise an AttributeError.
    """

    def __init__(self, read: Callable[[Any], Value]) -> None:
        """Compute the attribute with `read(instance)` at each access."""
        self._read = read
        self.__doc__ = read.__doc__

    @overload
    def __get__(self, instance: None, owner: type) -> Self: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Value: ...

    def __get__(self, instance: object | None, owner: type) -> Self | Value:
        return self if instance is None else self._read(instance)
