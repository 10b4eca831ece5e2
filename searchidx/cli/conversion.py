"""Plain values of the command line, converted without pydantic.

typer since 0.29 imports pydantic to convert any value, the absent ones too: 90 ms of every search from a cold start.
What is not plain, or is wrong, goes to typer all the same, so that its messages are the ones people see.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, get_args

from typer.core import TyperCommand, TyperGroup


class Command(TyperCommand):
    """A command that converts plain values itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, ``--help`` among them."""
        return [_quick(parameter) for parameter in super().get_params(ctx)]


class Group(TyperGroup):
    """The program as a whole, which converts the plain values of its own options itself."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, ``--help`` among them."""
        return [_quick(parameter) for parameter in super().get_params(ctx)]


def _quick(parameter: Any) -> Any:
    """The same parameter with a quicker ``process_value``."""
    if hasattr(parameter, "type_descriptor") and not isinstance(parameter.process_value, partial):
        parameter.process_value = partial(_process, parameter, parameter.process_value)
    return parameter


def _process(parameter: Any, by_typer: Callable[[Any, Any], Any], context: Any, value: Any) -> Any:
    """Convert a value and hand it to the parameter's callback, as ``process_value`` does."""
    try:
        if parameter.required and not value:
            raise ValueError
        value = _convert(value, parameter.type_descriptor.annotation, parameter.min, parameter.max)
    except ValueError:
        return by_typer(context, value)
    return parameter.callback(context, parameter, value) if parameter.callback else value


def _convert(value: Any, kind: Any, low: float | None, high: float | None) -> Any:
    """The value in its type; a ValueError where that is not plain to see."""
    if value is None or (kind in (bool, int, float) and isinstance(value, kind)):
        return value  # absent, a flag, or a default
    if kind == list[str] and isinstance(value, (list, tuple)):
        return list(value)
    if kind is str or value in get_args(kind):
        return value
    if kind in (int, float):
        number = kind(value)
        if (low is None or number >= low) and (high is None or number <= high):
            return number
    raise ValueError
