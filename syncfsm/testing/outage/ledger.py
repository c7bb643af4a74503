"""What crossed which connection, and the promises about it: nothing comes twice, and everything comes in order.

It reads events and outputs alone, so that it can watch any node.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

from syncfsm.blocks import Header
from syncfsm.events import Connected, Received
from syncfsm.outputs import Output, Send, SendBlocks
from syncfsm.sync.messages import Blocks, Found, Hello
from syncfsm.testing.lines import weight
from syncfsm.testing.network import Happened, SimNetwork

Line = tuple[str, str]


class Ledger:
    """A watcher of a network. ``ordered``: no node ever drops a block, so a child must not come before its parent."""

    def __init__(self, network: SimNetwork, ordered: bool) -> None:
        self.network, self.ordered = network, ordered
        self.correct = frozenset(network.correct)
        self.crossed: dict[Line, set[bytes]] = {}
        """By (source, target): the blocks that the source has sent the target, or got from it, on this connection."""
        self.had: dict[Line, set[bytes]] = {}
        """By (source, target): all that the target's hellos on this connection, as far as they arrived, say it has:
        their heads, and what is below."""
        self.behind: dict[Line, bool] = {}
        """By (source, target): was the head in the target's hello better than the source's own?"""
        self.upstream = 0
        """Blocks sent to a target that had them, by a source that was behind it: the source gets them from a third node
        before the target sends them, and the target's hello, whose points are far apart, names others."""
        self.missed: dict[str, set[bytes]] = {}
        """By node: what it missed, and what must come once, however many peers it has."""
        self.came: dict[str, Counter[bytes]] = {}
        """By node: how often each block has come since it came back."""
        self.fresh: dict[Line, set[bytes]] = {}
        """By (source, target): the blocks sent since the connection began, or since ``count``."""
        self.block_bytes: Counter[Line] = Counter()
        """By (source, target): bytes of the ``fresh`` ones that arrived; to an end that is gone, they do not."""
        self.search_bytes: Counter[Line] = Counter()
        """By (source, target): bytes sent of hellos, and of the answer that ends a search."""
        self.connections: Counter[Line] = Counter()
        """By (source, target): how many there were."""

    def __call__(self, happened: Happened) -> None:
        name = happened.name
        if name not in self.correct:
            return
        match happened.event:
            case Connected(peer=peer) if peer in self.correct:
                self._begin(name, peer)
            case Received(peer=peer, message=Blocks(headers=headers)) if peer in self.correct:
                self._take(name, peer, headers)
            case Received(peer=peer, message=Hello(head=head)) if peer in self.correct:
                named = self.network.blocks[head.id]
                self.had.setdefault((name, peer), set()).update(self._below(named))
                self.behind[name, peer] = named.rank > self.network.head(name).rank
        for output in happened.outputs:
            self._send(name, output)

    def comes_back(self, name: str, missed: Iterable[bytes]) -> None:
        """From now on, each block of ``missed`` may come to this node once, from whomever."""
        self.missed[name], self.came[name] = {*missed}, Counter()

    def anew(self) -> None:
        """Nobody comes back any more."""
        self.missed.clear()
        self.came.clear()

    def count(self, line: Line) -> None:
        """What this line has on the way already is not counted when it arrives."""
        self.fresh[line] = set()

    def told(self, line: Line) -> Iterator[set[bytes]]:
        """What the target's hellos on this connection say it has: those that came together, and each on its way."""
        if line in self.had:
            yield self.had[line]
        source, target = line
        for message in self.network.lines[target, source].carries():
            if isinstance(message, Hello):
                yield self._below(self.network.blocks[message.head.id])

    def chain(self, name: str) -> set[bytes]:
        """The best chain of a node."""
        return self._below(self.network.head(name))

    def _below(self, head: Header) -> set[bytes]:
        return {header.id for header in self.network.ancestors(head)}

    def _begin(self, name: str, peer: str) -> None:
        self.connections[name, peer] += 1
        self.crossed[name, peer], self.fresh[name, peer] = set(), set()
        self.had.pop((name, peer), None)

    def _take(self, name: str, peer: str, headers: tuple[Header, ...]) -> None:
        held = self.network.members[name].held
        for header in headers:
            assert not self.ordered or header.parent in held or header.id in held, (
                f"InOrder: {peer} sent {name} block {header.point} before its parent"
            )
            self.crossed[name, peer].add(header.id)
            if header.id in self.fresh[peer, name]:
                self.block_bytes[peer, name] += header.cost
            if name in self.came:
                self.came[name][header.id] += 1
                assert header.id not in self.missed[name] or self.came[name][header.id] == 1, (
                    f"Once: {name} missed {header.point}, and now it came twice, the second time from {peer}"
                )

    def _send(self, name: str, output: Output) -> None:
        match output:
            case SendBlocks(peer, headers) if peer in self.correct:
                crossed, had = self.crossed[name, peer], self.had.get((name, peer), set())
                for header in headers:
                    assert header.id not in crossed, f"Once: {name} sends {peer} {header.point}, which crossed already"
                    self.upstream += header.id in had
                    assert header.id not in had or self.behind[name, peer], (
                        f"Once: {name} sends {peer} {header.point}, which it had"
                    )
                    crossed.add(header.id)
                    self.fresh[name, peer].add(header.id)
            case Send(peer, Hello() | Found() as message) if peer in self.correct:
                self.search_bytes[name, peer] += weight(message)
