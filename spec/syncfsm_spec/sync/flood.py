"""A peer that says hello again and again: steps of a search are free, so there must be an end to them.

The world has one link, and a peer that says whatever hello there is about blocks up to a height. What is counted comes
from outside, and the meter bounds it. What is free is the protocol's own, and of that every run must be finite
(``Settles``): else a liar could have answers without end.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product
from typing import Any, Final

import attrs
from msgspec.structs import replace

from syncfsm.blocks import Point
from syncfsm.chain import Chain
from syncfsm.check import Choice, Step, World
from syncfsm.limits import Limits
from syncfsm.machine import Step as Moved
from syncfsm.machine import Table
from syncfsm.protocol import View
from syncfsm.sync.messages import Hello, hello_flaw
from syncfsm.sync.protocol import TABLE
from syncfsm.sync.reading import hello
from syncfsm.sync.types import Event, Greet, Link, State
from syncfsm_spec.kit.trees import a1, a2, g
from syncfsm_spec.settings import LOCATOR
from syncfsm_spec.sync.promises import SETTLES

TALLEST: Final = 4
"""Two blocks above our head."""


def hellos() -> Iterator[Hello]:
    """All with one or two points, of a peer whose head is not held here and better than ours. It shares the genesis
    with us, or names nothing that is held."""
    head = Point(2, b"x2")
    points = [Point(height, b"x%d" % height) for height in range(1, TALLEST + 1)]
    for count, ceiling, about in product((1, 2), range(1, TALLEST + 2), (None, a2.point)):
        for offered in combinations(reversed([g.point, *points]), count):
            said = Hello(head, b"\xff" * 8, g.point, g.point, offered, ceiling, about)
            if hello_flaw(said) is None:
                yield said


@attrs.frozen
class Flooded:
    """The link, moved by the sync table."""

    name: str
    start: Link
    view: View = attrs.field(hash=False, eq=False)
    said: tuple[Hello, ...] = attrs.field(hash=False)
    tables: Mapping[str, Table[Any]] = attrs.field(hash=False)

    def step(self, link: Link, said: Hello) -> Step:
        done = self._moved(link, said)
        return Step(done.value, rules=(done.rule,))

    def _moved(self, link: Link, said: Hello) -> Moved[Link]:
        return self.tables[TABLE.name].step(link, Event.HELLO, hello(link, said, self.view), self.view)

    def choices(self, link: Link) -> Sequence[Choice]:
        if link.state is State.CLOSED:
            return ()
        return tuple(
            Choice(f"says {said}", said, environment=self._moved(link, said).value.may_hear != link.may_hear)
            for said in self.said
        )

    def show(self, link: Link) -> str:
        return str(link.state.value)


def flood() -> World:
    """A link that has said hello, and may hear two that are counted."""
    limits = Limits(hello_burst=4, claims=1)
    view = View(Chain.start(g).extend([a1, a2])[0], 0, 0.0, limits, LOCATOR)
    link = Link("peer")
    link = TABLE.step(link, Event.GREET, Greet(True, True), view).value
    peer = Flooded("sync", replace(link, may_hear=2.0), view, tuple(hellos()), {TABLE.name: TABLE})
    doc = "A peer that says all hellos there are: those that are not counted come to an end."
    return World("flood", (peer,), (SETTLES.settles(),), doc)
