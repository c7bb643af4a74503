"""When a link next needs to hear that time has passed."""

from syncfsm.limits import HELLO_SHARE, Limits
from syncfsm.link.types import GREETING, Link


def deadline(link: Link, limits: Limits) -> float:
    """The earliest time at which a ``TICK`` can do something to this link, in seconds on the caller's clock."""
    due = [link.heard_at + limits.silence, max(link.heard_at, link.pinged_at) + limits.keepalive]
    if link.state in GREETING and link.said is not None:
        if link.heard is not None:
            due.append(link.since + limits.search)
        if link.owes_hello:
            due.append(link.metered_at + max(0.0, 1 - link.may_say) * HELLO_SHARE / limits.hello_rate)
    return min(due)
