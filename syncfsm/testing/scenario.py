"""A network and what its environment does to it, in a few coarse acts of plain numbers.

Every number means something in every state: it is taken modulo what there is to choose from. So any list of acts can be
played, cut short, or written to a file and played again:

    scenario = play(build, lines)      # lines of JSON: {"act": "deliver", "at": 3, "count": 2}

What the acts were, ``Scenario.trace`` tells. That is how a counterexample is pinned as data.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Any, Final

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Finalised, Leave, Produced, Verdict
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say
from syncfsm.outputs import Disconnect
from syncfsm.peer.messages import Parting
from syncfsm.sync.types import Switch
from syncfsm.testing.network import Happened, SimNetwork
from syncfsm.testing.simulation import Simulation, at_odds
from syncfsm.testing.trees import Maker, child, grow

WAITS: Final = (0.05, 0.3, 1.1, 2.5, 6.0)
"""Seconds: less than anything, then more than a hello's refill, ``patience``, twice that, and ``silence``."""
ACTS: Final = ("connect", "make", "deliver", "fault")
"""What may follow the setup."""
KINDS: Final = ("wait", "end", "cut", "restart", "say", "leave", "finalise", "ban", "unban", "off", "on")
"""What an act ``fault`` may be: all that is not making, connecting and delivering."""
TRUTHS: Final = ("none", "one", "many")
"""Who says what is final: nobody, one source of truth for all, or each node its own, which may contradict another's."""
CALM: Final = 3.0
"""Virtual seconds that pass before a network may be called at rest: all that waits for ``patience`` has happened."""
REST: Final = 15.0
"""Virtual seconds after that within which it must be."""

Build = Callable[[int], SimNetwork]
"""A network of that many nodes, joined, none linked."""


class Scenario:
    """A network of nodes, none of them linked at first. ``truth`` is one of ``TRUTHS``."""

    def __init__(
        self,
        build: Build,
        nodes: int,
        shape: Sequence[Sequence[int]] = (),
        heads: Sequence[int] = (),
        truth: str = "none",
        make: Maker = child,
    ) -> None:
        """``shape`` is a tree (``grow``); node number ``i`` starts on block number ``heads[i]`` of it, or the root."""
        self.trace: list[str] = []
        self._write("setup", nodes=nodes, shape=list(map(list, shape)), heads=list(heads), truth=truth)
        self.network = build(nodes)
        self.calm = truth == "none"
        """Heads never get worse: nothing was final, nothing was banned."""
        self.truth, self._make = truth, make
        self._final: Header = self.network.root
        self._banned: list[tuple[str, bytes]] = []
        tree = grow([(back, gain) for back, gain in shape], self.network.root, make)
        for name, at in zip(self.network.members, heads, strict=False):
            self._start_on(name, tree, tree[at % len(tree)])

    def _start_on(self, name: str, tree: Iterable[Header], head: Header) -> None:
        by_id, line = {header.id: header for header in tree}, [head]
        while line[-1].parent in by_id:
            line.append(by_id[line[-1].parent])
        if line[:-1]:
            self.network.feed(name, Produced(tuple(reversed(line[:-1])), self.network.now))

    # Acts ---------------------------------------------------------------------------------------------------------

    def connect(self, at: int = 0) -> None:
        """Two nodes that are not linked are, if there are any."""
        self._write("connect", at=at)
        network = self.network
        free = [pair for pair in network.pairs if network.over(*pair)]
        if free:
            a, b = free[at % len(free)]
            network.mend(a, b)
            network.mend(b, a)
            network.connect(a, b)

    def make(self, at: int = 0, back: int = 0, count: int = 1, gain: int = 1, name: int = 0) -> None:
        """A node makes ``count`` blocks, ``back`` blocks below its head; if they are better, it switches forks.

        Blocks with the same parent, gain and name are the same, whoever makes them.
        """
        self._write("make", at=at, back=back, count=count, gain=gain, name=name)
        who = self._name(at)
        parent = self._below(who, back)
        for _ in range(count):
            block = self._make(parent, str(name), gain)
            if not self.network.attempt(who, Produced((block,), self.network.now)):
                break
            parent = block

    def deliver(self, at: int = 0, count: int = 1, overtake: bool = False) -> None:
        """Up to ``count`` messages of one line arrive."""
        self._write("deliver", at=at, count=count, overtake=overtake)
        busy = self.network.busy()
        if busy:
            line = busy[at % len(busy)]
            for _ in range(count):
                self.network.deliver(line.source, line.target, overtake)

    def fault(self, kind: str = "wait", at: int = 0, count: int = 0) -> None:
        """Something from outside: one of ``KINDS``."""
        self._write("fault", kind=kind, at=at, count=count)
        network, who = self.network, self._name(at)
        pairs = network.pairs
        a, b = pairs[at % len(pairs)] if pairs else ("", "")
        if kind == "wait":
            network.wait(WAITS[count % len(WAITS)])
        elif kind == "end" and pairs:
            network.end(a, b)
        elif kind == "cut" and pairs:
            network.cut(*((a, b), (b, a))[count % 2])
        elif kind == "restart":
            network.restart(who)
        elif kind == "leave" and pairs:
            network.feed(a, Leave(b, Parting.SHUTDOWN, network.now))
        elif kind == "say":
            about = self._below(who, count).point if count else None
            network.feed(who, Say(Note(b"payload", about), network.now))
        elif kind == "finalise":
            self._finalise(who, self._below(who, count))
        elif kind == "ban" and not self.calm:
            self._verdict(who, self._below(who, count).id, False)
        elif kind == "unban" and self._banned:
            self._verdict(*self._banned[at % len(self._banned)], True)
        elif kind in ("off", "on") and pairs:
            self._switch(*((a, b), (b, a))[count % 2], off=kind == "off")

    def _switch(self, name: str, peer: str, off: bool) -> None:
        """An operator turns off all blocks from one node to another, or on again, if they are linked."""
        if self.network.lines[name, peer].open:
            self.network.feed(name, Switch(off, self.network.now, (peer,)))

    def _finalise(self, name: str, header: Header) -> None:
        if self.truth == "one":
            above = self._final in self.network.ancestors(header)
            if not above and header not in self.network.ancestors(self._final):
                return
        if self.truth != "none" and self.network.attempt(name, Finalised(header.point, self.network.now)):
            self._final = max(self._final, header, key=lambda header: header.height)

    def _verdict(self, name: str, id: bytes, valid: bool) -> None:
        if self.network.attempt(name, Verdict(id, valid, self.network.now)):
            if valid:
                self._banned.remove((name, id))
            elif (name, id) not in self._banned:
                self._banned.append((name, id))

    # The end ------------------------------------------------------------------------------------------------------

    def settle(self) -> None:
        """The environment stops: bans are lifted, lines are mended, all blocks are on. ``PromiseError`` unless all
        comes to rest.

        All are linked anew, learn what is final, and must agree. Where there are many truths, or if two nodes part
        because one dropped what the other lacks, they need not agree; then those that part stay apart.
        """
        network = self.network
        for name, id in list(self._banned):
            self._verdict(name, id, True)
        for name, peer in network.lines:
            if name in network.correct:
                self._switch(name, peer, off=False)
        parted = self._note_partings()
        driver = Simulation(network, 0.0, network.correct)
        driver.heal()
        driver.run(CALM)
        for _ in network.correct:  # it may have to pass through each of them
            if self.truth != "one" or not self._confirm():
                break
            driver.run(CALM)
        may_differ = bool(parted) or self.truth == "many"
        if may_differ:
            network.pairs = []  # so that none is linked again, only for the same to happen
            driver.heal()
            driver.run(CALM)
        if not driver.run(REST, lambda: not at_odds(network, may_differ)):
            network.broken(f"Settles: not at rest after {REST:g} s: {at_odds(network, may_differ)}")

    def _note_partings(self) -> list[Disconnect]:
        """Fills, from now on, with the partings that no exchange can help."""
        found: list[Disconnect] = []

        def note(happened: Happened) -> None:
            ended = (output for output in happened.outputs if isinstance(output, Disconnect))
            found.extend(output for output in ended if output.reason in (Parting.PRUNED, Parting.CONTRADICTION))

        self.network.watchers.append(note)
        return found

    def _confirm(self) -> bool:
        """Whoever holds the block that is final learns that it is. Says whether that was news to anybody."""
        network, final = self.network, self._final
        late = [name for name in network.correct if final.id in network.members[name].held]
        late = [name for name in late if network.final(name) != final]
        told = [network.attempt(name, Finalised(final.point, network.now)) for name in late]
        return any(told)

    # Shared -------------------------------------------------------------------------------------------------------

    def _name(self, at: int) -> str:
        names = self.network.correct
        return names[at % len(names)]

    def _below(self, name: str, back: int) -> Header:
        return list(islice(self.network.ancestors(self.network.head(name)), back + 1))[-1]

    def _write(self, act: str, **numbers: Any) -> None:
        self.trace.append(json.dumps({"act": act, **numbers}))


def play(build: Build, lines: Iterable[str], make: Maker = child) -> Scenario:
    """Play a trace, and let the network come to rest at its end. ``LocalError`` if it is no trace."""
    try:
        setup, *acts = [json.loads(line) for line in lines if line.strip()]
        names = [act.pop("act") for act in (setup, *acts)]
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise LocalError(
            f"this is no trace, which has an act on each line, as Scenario.trace writes it: {error}"
        ) from None
    if names[0] != "setup" or not set(names[1:]) <= set(ACTS):
        raise LocalError(f"this is no trace: its acts are {names}; the first is setup, the others are of {ACTS}")
    scenario = Scenario(build, **setup, make=make)
    for name, act in zip(names[1:], acts, strict=True):
        getattr(scenario, name)(**act)
    scenario.settle()
    return scenario
