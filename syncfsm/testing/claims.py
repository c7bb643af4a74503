"""The checker's properties, watched in a simulated network. Needs the checker's extra (``syncfsm[check]``).

    claims = Claims(network, promises(names, pairs, tree))
    ...
    claims.at_rest()

What the checker shows for every run of a small world is so tested in single runs of large ones, with the same words.
"""

from collections import defaultdict
from collections.abc import Iterable

from syncfsm.check import Always, Ends, Moment, Property, Steps
from syncfsm.testing.network import Happened, SimNetwork


class Claims:
    """Checks every ``Steps`` and ``Always`` after each step from now on. ``AssertionError`` names the property.

    ``Sometimes`` and ``Settles`` are about all runs, so one run says nothing about them; they are left out.
    """

    def __init__(self, network: SimNetwork, properties: Iterable[Property]) -> None:
        self._network = network
        found = tuple(properties)
        self._steps: dict[str, list[Steps]] = defaultdict(list)
        self._always: dict[str, list[Always]] = defaultdict(list)
        for claim in found:
            if isinstance(claim, Steps):
                for name in claim.over:
                    self._steps[name].append(claim)
            elif type(claim) is Always:
                for name in claim.over:
                    self._always[name].append(claim)
        self._ends = [claim for claim in found if isinstance(claim, Ends)]
        network.watchers.append(self._check)

    def _check(self, happened: Happened) -> None:
        name = happened.name
        moment = Moment(name, happened.before, happened.event, happened.after, happened.outputs)
        for claim in self._steps[name]:
            if claim.when(moment):
                beside = (claim.view(self._network.node(other)) for other in claim.beside)
                assert claim.holds(moment, *beside), f"{claim.name}: {claim.sentence}"
        if happened.after is not happened.before:
            for always in self._always[name]:
                self._assert(always)

    def at_rest(self) -> None:
        """Check every ``Ends``: for a network in which nothing is under way."""
        for claim in self._ends:
            self._assert(claim)

    def _assert(self, claim: Always) -> None:
        views = (claim.view(self._network.node(name)) for name in claim.over)
        assert claim.holds(*views), f"{claim.name} of {', '.join(claim.over)}: {claim.sentence}"
