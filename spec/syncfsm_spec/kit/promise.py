"""A promise: its name and its sentence, in one place with the predicates that say when it is kept."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from syncfsm.check import Always, Ends, Moment, Settles, SometimesStep, Steps
from syncfsm.check.properties import whole


def any_step(moment: Moment) -> bool:
    """Every moment matters."""
    return True


@attrs.frozen
class Promise:
    """What the protocol says, by its ``name``; several properties may bear it."""

    name: str
    sentence: str

    def steps(
        self,
        over: Iterable[str],
        holds: Callable[..., bool],
        when: Callable[[Moment], bool] = any_step,
        beside: tuple[str, ...] = (),
    ) -> Steps:
        """It holds at each of these components' steps."""
        return Steps(self.name, self.sentence, tuple(over), holds, when, beside)

    def always(self, over: Iterable[str], holds: Callable[..., bool], view: Callable[[Any], Any] = whole) -> Always:
        """It holds in every state of these components."""
        return Always(self.name, self.sentence, tuple(over), holds, view)

    def ends(self, over: Iterable[str], holds: Callable[..., bool]) -> Ends:
        """It holds when the protocol has come to rest."""
        return Ends(self.name, self.sentence, tuple(over), holds)

    def settles(self) -> Settles:
        """Every run of protocol steps is finite."""
        return Settles(self.name, self.sentence)

    def met(self, name: str, over: Iterable[str], holds: Callable[[Moment], bool]) -> SometimesStep:
        """Such a step happens; ``name`` is the property's own."""
        return SometimesStep(name, self.sentence, tuple(over), holds)
