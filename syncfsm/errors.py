"""Two kinds of mistakes, kept apart.

``LocalError`` is raised: the caller of the library made the mistake, nothing has changed, the message says what to do.
``Fault`` is never raised: a peer made the mistake, so it travels as data, inside an output, with the evidence.
Any other exception that leaves the core is a bug of the core.
"""

import enum

import attrs


class LocalError(Exception):
    """The caller asked for something that cannot be done; the state is as it was before the call."""


class Penalty(enum.IntEnum):
    """How much a peer's fault should cost it; the integrator decides what that means (a back-off, a ban)."""

    NONE = 0
    """Nothing is proved against the peer; part, and meet again."""
    MILD = 1
    """Wasteful or out of bounds, but could come from a misconfigured node."""
    GRAVE = 2
    """No correct node can do this: a forged signature, a block before the hello, bytes that are no message."""


@attrs.frozen
class Fault:
    """What a peer did wrong.

    ``rule`` is a short stable name (``"bad-signature"``), ``detail`` a sentence for people, ``evidence`` the
    offending bytes or ids, cut to ``limits.EVIDENCE_BYTES``.
    """

    rule: str
    detail: str
    evidence: bytes = b""
    penalty: Penalty = Penalty.GRAVE
