"""Plays an outage in virtual time, with anybody's nodes, and demands all that is promised of it.

    report = play_outage(Outage(losses=(Loss(gap=100),)))

A broken promise is a ``PromiseError``, to which the outage is added as a line that plays it again.
"""

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice, takewhile
from typing import Final

import attrs

from syncfsm import testing
from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Event, Finalised, Produced, Verdict
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node, Rules
from syncfsm.outputs import Accepted, Disconnect
from syncfsm.peer.messages import Bye, Parting, Ping, Pong
from syncfsm.testing.faults import Faults
from syncfsm.testing.lines import Way
from syncfsm.testing.network import Happened, PromiseError, SimNetwork
from syncfsm.testing.outage.judge import Judge, Return
from syncfsm.testing.outage.ledger import Ledger
from syncfsm.testing.outage.story import LIAR, Loss, Outage, Turn
from syncfsm.testing.protocol import SyncNode
from syncfsm.testing.simulation import Simulation
from syncfsm.testing.trees import GENESIS, child

MakeNode = Callable[[str, Limits], SyncNode]
"""(name, limits) -> a node that holds ``GENESIS`` alone. Whose nodes know no such limits may ignore them."""
CALM: Final = 3.0
"""Seconds that pass before anything happens: whoever waits for a liar at first has lost patience."""
WARM: Final = 15.0
"""Seconds after that within which the network must be in step; also after all is over."""


def our_node(name: str, limits: Limits) -> Node:
    """The node that ships."""
    return Node.start(Config(Unchecked(), limits=limits), Chain.start(GENESIS, limits))


@attrs.frozen
class Report:
    """What came of it. The promises hold, else there is none."""

    returns: tuple[Return, ...]
    """Each node that lacked blocks when what it could reach changed, and then had time enough."""
    blocks: int
    """Blocks that were made."""
    messages: int
    seconds: float
    """Of virtual time."""
    sequencer: int
    """Bytes of blocks that the sequencer sent while others came back, and"""
    one_copy: int
    """those that it could have sent: one copy of what was missed, and of what was made, for each of its links."""
    upstream: int
    """Blocks that nodes sent to a peer that was ahead of them and had them: see ``Ledger.upstream``."""


def play_outage(outage: Outage, make_node: MakeNode = our_node, rules: Mapping[str, Rules] | None = None) -> Report:
    """Play the story. ``PromiseError`` if a promise is broken; ``rules``, by the names of tables, move nodes
    of ours instead of them.

    Promised are, besides what ``SimNetwork`` looks at: every node has every block once, each after its parent, and in
    the end all of them; no peer sends a node what it had when they connected, or what crossed that connection before;
    what a node missed that comes back alone, to honest peers, on new connections, comes once from all of them together;
    it is at the live head in time (``bounds``); and the sequencer sends no more than one copy of what was missed on
    each of its links, with few hellos.
    """
    try:
        return _Player(outage, make_node, rules).play()
    except PromiseError as error:
        error.add_note(f"the outage, for Outage.read:\n{outage}")
        raise


class _Player:
    """One story under way."""

    def __init__(self, outage: Outage, make_node: MakeNode, rules: Mapping[str, Rules] | None) -> None:
        self.outage = outage
        self.network = network = SimNetwork(outage.seed, Faults(overtaking=0.0), rules=rules, messages=200_000)
        for name in outage.names:
            network.add(name, partial(make_node, name, outage.limits))
        for pair, way in outage.ways():
            network.join(*pair, way)
        if outage.liar:
            network.add(LIAR, getattr(testing, outage.liar), correct=False)
            for name in outage.names:
                network.join(name, LIAR, Way(0.001))
        self.pairs = list(network.pairs)
        self.sequencer = outage.name(0)
        self.simulation = Simulation(network, 0.0, (), redial=(outage.dial / 2000, outage.dial / 1000))
        self.ledger = Ledger(network, ordered=outage.final == 0)
        self.judge = Judge(outage, network, self.ledger, self.simulation.after)
        network.watchers += [self.ledger, self.judge, self._notice]
        self.truth = GENESIS
        self.active: list[Loss] = []
        self.made = 0
        self.asleep: dict[str, list[Event]] = {}
        """By node that is dead: what it will be told when it is back."""

    # The course of it -----------------------------------------------------------------------------------------------

    def play(self) -> Report:
        self.simulation.run(CALM)
        self._settle("before anything happens")
        outage, after = self.outage, self.simulation.after
        for number in range(outage.blocks):
            after(number * outage.every, partial(self._block, number + 1))
        for loss in outage.losses:
            after(outage.begins(loss), partial(self._lose, loss))
            after(outage.ends(loss), partial(self._return, loss))
        for turn in outage.turns:
            after((outage.start + turn.at - 1) * outage.every, partial(self._turn, turn))
        self.simulation.run(outage.blocks * outage.every)
        self.simulation.run(max((watch.due - self.network.now for watch in self.judge.watches), default=0.0) + 0.001)
        self._settle("in the end")
        network, judge = self.network, self.judge
        return Report(
            returns=tuple(judge.returns),
            blocks=self.made,
            messages=network.delivered,
            seconds=network.now,
            sequencer=judge.costs.sent,
            one_copy=judge.costs.one_copy,
            upstream=self.ledger.upstream,
        )

    def _settle(self, when: str) -> None:
        if not self.simulation.run(WARM, lambda: not self._at_odds()):
            self.network.broken(f"Settles: {when}, {WARM:g} s pass and {self._at_odds()}")

    def _at_odds(self) -> str:
        """What keeps the nodes from being in step, in words. Signs of life do not: far apart, some are always under
        way."""
        network, head = self.network, self.network.head(self.sequencer)
        for name in self.outage.names:
            if network.head(name) != head:
                return f"{name} is at {network.head(name).point}, and the sequencer at {head.point}"
        for pair in self.outage.pairs:
            if not network.linked(*pair):
                return f"{' and '.join(pair)} are not linked"
            for line in (network.lines[pair], network.lines[pair[::-1]]):
                if not all(isinstance(message, Ping | Pong) for message in line.carries()):
                    return f"{line.source} says something to {line.target}"
        return ""

    # What is made ---------------------------------------------------------------------------------------------------

    def _block(self, number: int) -> None:
        if self.sequencer not in self.asleep:
            self._make(self.sequencer, self.network.head(self.sequencer), 1)
            self._confirm()

    def _make(self, name: str, parent: Header, gain: int) -> Header | None:
        self.made += 1
        block = child(parent, f"{name}{self.made}", gain, self.outage.size)
        return block if self.network.attempt(name, Produced((block,), self.network.now)) else None

    def _turn(self, turn: Turn) -> None:
        if turn.kind == "ban":
            self._ban(turn.depth)
        elif (name := self.outage.name(turn.by)) not in self.asleep:
            parent: Header | None = self._below(name, turn.depth)
            for number in range(max(1, turn.count)):
                if parent is not None:
                    parent = self._make(name, parent, turn.depth + 1 if number == 0 else 1)

    def _ban(self, depth: int) -> None:
        """All learn it at once, from executing the block, now or when they get it."""
        bad = self._below(self.sequencer, depth)
        if bad.height <= self.truth.height:
            return
        for name in self.outage.names:
            self._tell(name, Verdict(bad.id, False, self.network.now))
        self.judge.banned(bad)

    def _confirm(self) -> None:
        """The source of truth follows the sequencer, and tells all who hold the block. ``outage.final`` 0: never."""
        if self.outage.final:
            newest = self._below(self.sequencer, self.outage.final)
            if newest.height > self.truth.height and self.truth in self.network.ancestors(newest):
                self.truth = newest
            for name in self.outage.names:
                self._learn(name)

    def _learn(self, name: str) -> None:
        """Tell a node what is final, if it can know."""
        held = self.network.members[name].held
        if self.truth.id in held and self.network.final(name).height < self.truth.height and name not in self.asleep:
            self.network.attempt(name, Finalised(self.truth.point, self.network.now))

    def _fetch(self, name: str) -> None:
        """Get from the source of truth what no peer holds any more: the integrator's part."""
        held = self.network.members[name].held
        lacking = list(takewhile(lambda header: header.id not in held, self.network.ancestors(self.truth)))
        if lacking and name not in self.asleep:
            self.network.attempt(name, Produced(tuple(reversed(lacking)), self.network.now))
            self._learn(name)

    def _notice(self, happened: Happened) -> None:
        """What the integrator does when a node got what is final, or hears that peers no longer hold what it lacks."""
        name, after = happened.name, self.simulation.after
        if name not in self.outage.names:
            return
        for output in happened.outputs:
            if isinstance(output, Accepted) and self.outage.final:
                after(0.0, partial(self._learn, name))
            elif isinstance(output, Disconnect):
                said = output.said.reason if isinstance(output.said, Bye) else output.reason
                if said == Parting.PRUNED:
                    after(0.0, partial(self._fetch, name))

    def _tell(self, name: str, event: Event) -> None:
        if name in self.asleep:
            self.asleep[name].append(event)
        else:
            self.network.attempt(name, event)

    def _below(self, name: str, depth: int) -> Header:
        """The block so far below a node's head, or as far as there is one above the root."""
        return list(islice(self.network.ancestors(self.network.head(name)), depth + 1))[-1]

    # What is lost ---------------------------------------------------------------------------------------------------

    def _lose(self, loss: Loss) -> None:
        name = self.outage.name(loss.who)
        self.active.append(loss)
        self._carry()
        if loss.how == "killed" and name not in self.asleep:
            self.asleep[name] = []
            self.network.restart(name)
        elif loss.how == "cut":
            for pair in self.network.pairs:
                if name in pair:
                    self.network.end(*pair)
        self._changed()

    def _return(self, loss: Loss) -> None:
        name = self.outage.name(loss.who)
        self.active.remove(loss)
        self._carry()
        if name in self.asleep and not any(other.how == "killed" for other in self._losses(name)):
            for event in self.asleep.pop(name):
                self.network.attempt(name, event)
            self._carry()
        self._changed(name)

    def _changed(self, back: str = "") -> None:
        self.judge.changed({self.outage.name(loss.who) for loss in self.active}, back)

    def _losses(self, name: str) -> list[Loss]:
        return [loss for loss in self.active if self.outage.name(loss.who) == name]

    def _carry(self) -> None:
        """Cut and mend every line as the losses that last have it; a dead node is not dialled."""
        network = self.network
        for (source, target), line in network.lines.items():
            from_it = any(loss.how in ("cut", "silent", "mute") for loss in self._losses(source))
            to_it = any(loss.how in ("cut", "silent", "deaf") for loss in self._losses(target))
            if from_it or to_it:
                network.cut(source, target)
            elif line.cut:
                network.mend(source, target)
        dead = {self.outage.name(loss.who) for loss in self.active if loss.how == "killed"}
        accused = {frozenset((accuser, peer)) for accuser, peer, _ in network.accusations}
        network.pairs = [pair for pair in self.pairs if not dead & {*pair} and frozenset(pair) not in accused]
