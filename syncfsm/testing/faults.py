"""What may go wrong in a simulated network, and how often.

Each run samples its own rates: some runs have no restarts at all and many cuts, some the reverse. That finds more than
one mixture of everything does (A. Groce and others, "Swarm testing", 2012; TigerBeetle's simulator does likewise).
"""

from typing import Final, Self

import attrs

from syncfsm.testing.luck import Luck

KINDS: Final = ("cuts", "one_way_cuts", "ends", "restarts", "slow_readers")
"""The faults that have a rate: how often a second they happen in the whole network."""


@attrs.frozen(kw_only=True)
class Faults:
    """How a network carries, and how often it fails. Times are seconds, rates are per second of virtual time."""

    latency: float = 0.001
    """What every message takes."""
    jitter: float = 0.0
    """At most this much more."""
    overtaking: float = 0.5
    """The probability that a small message goes ahead of the blocks that wait before it."""
    cuts: float = 0.0
    """Two nodes no longer hear each other; nothing is lost, and neither is told."""
    one_way_cuts: float = 0.0
    """The same in one direction."""
    ends: float = 0.0
    """A connection ends without a word; what is under way is lost."""
    restarts: float = 0.0
    """A node dies and starts again from what it accepted."""
    slow_readers: float = 0.0
    """A node takes one message in ``lasting`` / 10 seconds from each peer."""
    lasting: float = 1.0
    """How long a cut or a slow reader lasts, on average."""

    def __str__(self) -> str:
        """The Python that makes it, without what is as usual."""
        usual = attrs.asdict(Faults())
        return (
            f"Faults({', '.join(f'{name}={is_!r}' for name, is_ in attrs.asdict(self).items() if is_ != usual[name])})"
        )

    @classmethod
    def sample(cls, luck: Luck) -> Self:
        """Rates of a run: each kind of fault is absent in half of all runs, else somewhere from rare to frequent."""
        rates = {kind: luck.between(0.05, 2.0) if luck.chance(0.5) else 0.0 for kind in KINDS}
        return cls(
            latency=luck.between(0.0005, 0.2),
            jitter=luck.between(0.0005, 0.2) if luck.chance(0.5) else 0.0,
            overtaking=luck.choice((0.0, 0.5, 1.0)),
            lasting=luck.between(0.1, 20.0),
            **rates,
        )

    @property
    def rate(self) -> float:
        """Faults a second, of whatever kind."""
        return float(sum(getattr(self, kind) for kind in KINDS))

    def pick(self, luck: Luck) -> str:
        """The kind of the next fault, by their rates; ``rate`` must be above 0."""
        left = luck.share() * self.rate
        for kind in KINDS:
            left -= getattr(self, kind)
            if left < 0:
                return kind
        return next(kind for kind in reversed(KINDS) if getattr(self, kind))
