"""A promise of one's own, and the proof that it is kept: nobody is sent a block that came from there.

The checker puts two real nodes into a small world and tries everything that can happen, in every order. Then it does so
with a node that forgets what its peer has given it. The promise breaks, and the shortest story of how is printed.
"""

import attrs
from msgspec.structs import replace

from syncfsm.check import Exploration, Moment, World, diagram, story, with_rules
from syncfsm.outputs import Output, SendBlocks
from syncfsm.protocol import View
from syncfsm.sync.protocol import TABLE
from syncfsm.sync.types import Link, Receipt
from syncfsm_spec.kit.moves import makes
from syncfsm_spec.kit.promise import Promise
from syncfsm_spec.kit.trees import a1, a2, a3, g
from syncfsm_spec.settings import Setting

OWN_NEWS = Promise("OwnNews", "Nobody is sent a block that came from there.")


def no_own_news(moment: Moment) -> bool:
    """In this world A alone makes a2, so B has it from A."""
    return not any(a2 in output.headers for output in moment.outputs if isinstance(output, SendBlocks))


def world() -> World:
    """A makes a2, B makes a3 on top of it, and the connection is cut and made anew at any time."""
    moves = [*makes("A", a2), *makes("B", a3)]
    plain = Setting().two("own-news", [g, a1], [g, a1], moves, doc="Two nodes extend each other's chain.")
    return attrs.evolve(plain, properties=(OWN_NEWS.steps(("B",), no_own_news),))


def forgetful(link: Link, receipt: Receipt, view: View) -> tuple[Link, tuple[Output, ...]]:
    """Takes blocks as the real action does, but does not remember that the peer has them."""
    after, outputs = TABLE.actions["take_blocks"](link, receipt, view)
    return replace(after, sent=link.sent, received=link.received), outputs


def explore(world: World) -> Exploration:
    exploration = Exploration(world)
    exploration.run()
    return exploration


if __name__ == "__main__":
    found = explore(world())
    assert found.complete
    assert found.violation is None
    print(f"{OWN_NEWS.name} holds in all {found.states} states.\n")
    mutant = attrs.evolve(TABLE, actions={**TABLE.actions, "take_blocks": forgetful})
    found = explore(with_rules(world(), mutant))
    assert found.violation is not None
    print(diagram.terminal(story.tell(found.world, found.violation)))
