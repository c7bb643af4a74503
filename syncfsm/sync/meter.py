"""What the rate limits of a link allow: hellos that are said and heard, and refusals that are answered."""

from typing import Final

from msgspec.structs import replace

from syncfsm.limits import HELLO_SHARE
from syncfsm.protocol import View
from syncfsm.sync.types import Link

ROUNDING: Final = 1e-6
"""A deadline worked out from a credit must find the credit there, whatever floating point makes of it."""


def full(link: Link, view: View) -> Link:
    """A link begins with all credit."""
    limits = view.limits
    hellos, refusals = float(limits.hello_burst), float(limits.refusal_burst)
    return replace(
        link, may_say=hellos / HELLO_SHARE, may_hear=hellos, may_ask=refusals, metered_at=view.now
    )  # fmt: skip


def hello_credit(credit: float, link: Link, view: View, share: int) -> float:
    """How many hellos the rate limit allows now: all of it for what we hear, one in ``share`` for what we say."""
    burst, rate = view.limits.hello_burst / share, view.limits.hello_rate / share
    return min(burst, credit + max(0.0, view.now - link.metered_at) * rate)


def refusal_credit(link: Link, view: View) -> float:
    """How many times more the peer hears that it gets no blocks, or that its own are not wanted."""
    limits = view.limits
    return min(limits.refusal_burst, link.may_ask + max(0.0, view.now - link.metered_at) * limits.refusal_rate)


def spent(link: Link, view: View, say: int = 0, hear: int = 0, ask: int = 0) -> Link:
    """The credits as of now, less so many."""
    return replace(
        link,
        may_say=hello_credit(link.may_say, link, view, HELLO_SHARE) - say,
        may_hear=hello_credit(link.may_hear, link, view, 1) - hear,
        may_ask=refusal_credit(link, view) - ask,
        metered_at=view.now,
    )
