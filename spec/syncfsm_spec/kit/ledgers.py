"""Nodes whose every word is written down, to show that nothing is forgotten.

What a link remembers of its peer is bounded; a ledger remembers all. It is no part of a node: it is a component of the
world that hears what the node hears and sends, and nobody listens to it.
"""

from collections.abc import Sequence

import attrs

from syncfsm.blocks import Header
from syncfsm.check import Choice, Moment, NodeComponent, Step, World
from syncfsm.check.nodes import Do, Wait
from syncfsm.events import Event
from syncfsm.node.node import Node
from syncfsm.outputs import Disconnect
from syncfsm_spec.kit.moments import Tree, sends_blocks, sent_to, told_by
from syncfsm_spec.kit.promise import Promise

Facts = frozenset[tuple[str, bytes]]
"""(peer, block): the peer has the block, and with it all ancestors of it."""


def ledger(node: str) -> str:
    """The name of a node's ledger."""
    return f"ledger {node}"


@attrs.frozen
class Learn:
    """A peer has these blocks; or its link has ended, and nothing counts any more."""

    peer: str
    blocks: frozenset[bytes]
    ended: bool = False


@attrs.frozen
class Ledger:
    """All that the peers of a node have told it or got from it, link by link; of each branch the newest block."""

    node: str
    tree: Tree
    start: Facts = frozenset()

    @property
    def name(self) -> str:
        return ledger(self.node)

    def step(self, facts: Facts, learnt: Learn) -> Step:
        if learnt.ended:
            return Step(frozenset(fact for fact in facts if fact[0] != learnt.peer))
        known = {id for peer, id in facts if peer == learnt.peer} | learnt.blocks
        newest = {id for id in known if not any(id != other and self.tree.descends(other, id) for other in known)}
        rest = {fact for fact in facts if fact[0] != learnt.peer}
        return Step(frozenset(rest | {(learnt.peer, id) for id in newest}))

    def choices(self, facts: Facts) -> Sequence[Choice]:
        return ()

    def show(self, facts: Facts) -> str:
        return " ".join(f"{peer} has {id.decode()}" for peer, id in sorted(facts))


@attrs.frozen
class WatchedNode(NodeComponent):
    """A node that dictates to its ledger."""

    def step(self, node: Node, stimulus: Event | Wait | Do) -> Step | None:
        step = super().step(node, stimulus)
        if step is None:
            return None
        moment = Moment(self.name, node, stimulus, step.local, step.outputs)
        learnt = [
            Learn(peer, frozenset(blocks))
            for peer in sorted(node.links)
            if (blocks := {*told_by(moment, peer), *(header.id for header in sent_to(moment, peer))})
        ]
        learnt += [Learn(o.peer, frozenset(), ended=True) for o in step.outputs if isinstance(o, Disconnect)]
        words = tuple((ledger(self.name), words) for words in learnt)
        return attrs.evolve(step, emissions=(*step.emissions, *words))


@attrs.frozen
class NeverForgotten:
    """``NoEcho``, against all that was ever said on the link."""

    tree: Tree

    def __call__(self, moment: Moment, facts: Facts) -> bool:
        peers = {peer for peer in moment.before.links if sent_to(moment, peer)}
        return not any(self._has(moment, facts, peer, header) for peer in peers for header in sent_to(moment, peer))

    def _has(self, moment: Moment, facts: Facts, peer: str, header: Header) -> bool:
        known = {id for name, id in facts if name == peer} | set(told_by(moment, peer))
        held = (id for id in known if id in moment.before.chain or id in moment.after.chain)
        return any(self.tree.descends(id, header.id) for id in held)


def with_ledgers(world: World, tree: Tree, promise: Promise) -> World:
    """The same world, with a ledger for each node, and with no other property than that nothing is forgotten, as
    ``promise`` says."""
    nodes = [component for component in world.components if isinstance(component, NodeComponent)]
    rest = [component for component in world.components if component not in nodes]
    watched = [WatchedNode(node.name, node.start, node.tables, node.timed, node.counted) for node in nodes]
    return attrs.evolve(
        world,
        name=f"{world.name}-ledger",
        components=(*watched, *rest, *(Ledger(node.name, tree) for node in nodes)),
        properties=tuple(
            promise.steps((node.name,), NeverForgotten(tree), sends_blocks, (ledger(node.name),)) for node in nodes
        ),
    )
