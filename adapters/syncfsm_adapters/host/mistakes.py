"""What ends a command and is no bug comes out of a nursery as it went in: one exception, not a group of groups."""

from collections.abc import Iterator
from contextlib import contextmanager

from syncfsm.errors import LocalError


@contextmanager
def one_mistake() -> Iterator[None]:
    """Raise the first exception of a group that holds nothing but mistakes of the user's (``LocalError``) and lines
    that nobody reads any more (``BrokenPipeError``). A bug in the group stays as it is."""
    try:
        yield
    except ExceptionGroup as group:
        mistakes, bugs = group.split((LocalError, BrokenPipeError))
        if mistakes is None or bugs is not None:
            raise
        error: Exception = mistakes
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        raise error from None
