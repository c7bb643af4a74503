"""What ends a command and is no bug comes out of a nursery as it went in: one exception, not a group of groups."""

from collections.abc import Iterator
from contextlib import contextmanager

from syncfsm.errors import LocalError


@contextmanager
def one_mistake() -> Iterator[None]:
    """Raise one exception of a group that holds nothing but mistakes of the user's (``LocalError``), lines that nobody
    reads any more (``BrokenPipeError``), and Ctrl-C, which comes before all else. A bug in the group stays as it is."""
    try:
        yield
    except BaseExceptionGroup as group:
        ends, bugs = group.split((LocalError, BrokenPipeError, KeyboardInterrupt))
        if ends is None or bugs is not None:
            raise
        interrupted = ends.subgroup(KeyboardInterrupt)
        error: BaseException = interrupted or ends
        while isinstance(error, BaseExceptionGroup):
            error = error.exceptions[0]
        raise error from None
