"""Mistakes of the user's come out of a nursery as they went in: one ``LocalError``, not a group of groups."""

from collections.abc import Iterator
from contextlib import contextmanager

from syncfsm.errors import LocalError


@contextmanager
def one_mistake() -> Iterator[None]:
    """Raise the first ``LocalError`` of a group that holds nothing else; a bug in the group stays as it is."""
    try:
        yield
    except ExceptionGroup as group:
        mistakes, bugs = group.split(LocalError)
        if mistakes is None or bugs is not None:
            raise
        error: LocalError | ExceptionGroup[LocalError] = mistakes
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from None
