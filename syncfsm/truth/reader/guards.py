"""When a row of the reader's table applies. Each function is named in ``rules.py``."""

from collections.abc import Mapping
from typing import Final

from syncfsm.machine import Guard
from syncfsm.truth.answers import Blobs, Head, Nothing
from syncfsm.truth.reader.types import READING, Reader
from syncfsm.truth.types import View


def not_asked(reader: Reader, answer: Blobs | Nothing, view: View) -> bool:
    """It is for another height."""
    return answer.place.height != reader.next


def is_other(reader: Reader, answer: Blobs | Nothing, view: View) -> bool:
    """It does not follow the block that was read before."""
    known = reader.mark.place.id
    return bool(known) and answer.place.parent != known


def breaks_finality(reader: Reader, answer: Blobs | Nothing, view: View) -> bool:
    """It does not follow the last final one."""
    return not reader.trail and is_other(reader, answer, view)


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
    guard.__name__: guard for guard in (not_asked, is_other, breaks_finality, is_further, is_due, is_silent)
}
