"""A link by itself, to which anything happens at any time: what a node never does to it, because it forgets a link that
has ended and greets once, and a caller by mistake only."""

from collections.abc import Sequence
from typing import Final

import attrs

from spec.building import LOCATOR, a1, g
from spec.sentences import SENTENCES
from syncfsm.chain import Chain
from syncfsm.check import Choice, Moment, Step, Steps, World
from syncfsm.errors import LocalError
from syncfsm.limits import Limits
from syncfsm.link import TABLE, Event, Link, State, View
from syncfsm.machine import Table
from syncfsm.messages import Bye, Parting

LINK: Final = Link("peer")
VIEW: Final = View(Chain.start(g).extend([a1])[0], 0, 0.0, Limits(), LOCATOR)
MESSAGES: Final = {Event.LEAVE: Bye(Parting.SHUTDOWN)}
"""What the events carry that can come to an open link here; a link that has ended looks at nothing."""
WHILE_OPEN: Final = (Event.CONNECT, Event.GREET, Event.LEAVE, Event.LOST)


@attrs.frozen
class LoneLink:
    """One end of a connection."""

    name: str = "link"
    start: Link = LINK
    table: Table[Link] = TABLE

    def step(self, link: Link, event: Event) -> Step:
        try:
            done = self.table.step(link, event, MESSAGES.get(event), VIEW)
        except LocalError:
            row = next(rule for rule in self.table.rules if link.state in rule.source and event in rule.event)
            return Step(link, rules=(row,))
        return Step(done.value, outputs=done.outputs, rules=(done.rule,))

    def choices(self, link: Link) -> Sequence[Choice]:
        events = tuple(Event) if link.state is State.CLOSED else WHILE_OPEN
        return tuple(Choice(event.value, event, environment=True) for event in events)

    def show(self, link: Link) -> str:
        return link.state.value


def over_is_over(moment: Moment) -> bool:
    """Once a link has ended, and before it begins, nothing moves it and it says nothing."""
    late = moment.before.state is State.CLOSED and moment.stimulus is not Event.CONNECT
    return not late or (moment.after == moment.before and not moment.outputs)


def alone() -> World:
    """All that can come late, too early, or twice."""
    return World(
        "alone",
        (LoneLink(),),
        (Steps("OneDisconnect", SENTENCES["OneDisconnect"], ("link",), over_is_over),),
        "A link to which anything happens at any time.",
        TABLE.rules,
    )
