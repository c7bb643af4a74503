"""When a row of the reader's table applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.machine import Guard
from syncfsm.truth.answers import Blobs, Head, Nothing
from syncfsm.truth.reader.types import READING, At, Reader
from syncfsm.truth.types import View


def not_asked(reader: Reader, at: At, view: View) -> bool:
    """Nobody waits for an answer for that height."""
    return at.height not in reader.asked


def is_past(reader: Reader, at: At, view: View) -> bool:
    """Its height has been read meanwhile."""
    return at.height < reader.next


def is_early(reader: Reader, at: At, view: View) -> bool:
    """A height before it has not been judged yet."""
    return at.height > reader.next


def is_other(reader: Reader, at: At, view: View) -> bool:
    """It does not follow the block that was read before."""
    assert isinstance(at.answer, Blobs | Nothing)
    known = reader.mark.place.id
    return bool(known) and at.answer.place.parent != known


def breaks_finality(reader: Reader, at: At, view: View) -> bool:
    """It does not follow the last final one."""
    return not reader.trail and is_other(reader, at, view)


def is_further(reader: Reader, head: Head, view: View) -> bool:
    """There is more than was read."""
    return head.height >= reader.next


def is_due(reader: Reader, message: None, view: View) -> bool:
    return view.now >= reader.until


def is_silent(reader: Reader, message: None, view: View) -> bool:
    """Nothing was heard for too long, and that was not said yet."""
    return not reader.told and view.now >= reader.heard + view.limits.overdue


def deadline(reader: Reader, overdue: float) -> float | None:
    """When a tick can do something; ``overdue`` is ``TruthLimits.overdue``."""
    due = [] if reader.state is READING else [reader.until]
    return min([*due, *([] if reader.told else [reader.heard + overdue])], default=None)


GUARDS: Final[Mapping[str, Guard]] = {
    guard.__name__: guard
    for guard in (not_asked, is_past, is_early, is_other, breaks_finality, is_further, is_due, is_silent)
}
