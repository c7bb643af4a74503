"""Mistakes in what a designer wrote, told in one line: in a world, a property, or a component of their own."""

from collections.abc import Callable
from typing import Any, Final

from syncfsm.errors import LocalError

OURS: Final = ("syncfsm.check.", "syncfsm_adapters.", "importlib.", "numpy.")
"""Where a designer's mistake shows, but is not made."""


def place(error: BaseException) -> str:
    """Where it was raised, outside of the checker: ``", in function (file, line n)"``; empty if nowhere else."""
    found, trace = "", error.__traceback__
    while trace is not None:
        frame = trace.tb_frame
        if not frame.f_globals.get("__name__", "").startswith(OURS):
            file = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
            found = f", in {frame.f_code.co_name} ({file}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return found


def said(error: BaseException) -> str:
    """An exception in one line, and its place."""
    return f"{type(error).__name__}: {error}{place(error)}"


def call(owner: Any, function: Callable[..., Any], *given: Any) -> Any:
    """What a function of a property or component answers. ``LocalError`` if it raises: its author must mend it."""
    try:
        return function(*given)
    except Exception as error:
        raise LocalError(f"{type(owner).__name__} {owner.name!r} raised {said(error)}") from error
