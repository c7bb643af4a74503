"""A consensus of one's own over routing: four producers take turns, and a block is final when three have voted for it.

Every half a second is the turn of one of them. Whoever gets a new head votes for it: a packet about that block, signed,
for everybody, over as many hops as it takes. Each judges the votes of the others before they go on. One producer is
stopped: its turns are missed, and three of four go on. It is started again, catches up, and learns from the votes that
its peers keep what is final.

It runs in memory and in virtual time, with the hosts and stores of real nodes. What it shows is how votes travel; a
consensus for a world with liars needs more than this, such as a way out when votes are split.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256

from msgspec.structs import replace
from nacl.exceptions import BadSignatureError
from nacl.signing import SigningKey, VerifyKey

from syncfsm.blocks import Header, Past, Point
from syncfsm.errors import Fault
from syncfsm.events import Event, Finalised, Produced
from syncfsm.node.node import Config
from syncfsm.node.registry import CORE
from syncfsm.outputs import HeadMoved, Output
from syncfsm.routing.messages import Packet, PacketId, Reach
from syncfsm.routing.protocol import routing
from syncfsm.routing.types import Arrived, Judge, Judged, Judgement, Publish
from syncfsm.signed import SignedPackets, packet_to_sign
from syncfsm_adapters.memory.network import MemoryNetwork
from syncfsm_adapters.memory.pipes import Path
from syncfsm_adapters.store import MemoryStore

CHAIN, VOTE, QUORUM, TURN = b"votes", b"vote", 3, 0.5
GENESIS = Header(0, sha256(CHAIN).digest(), b"", bytes(8), 0, b"")
KEYS = {name: SigningKey(sha256(name.encode()).digest()) for name in ("anna", "ben", "cleo", "dora")}
PRODUCERS = {bytes(key.verify_key): name for name, key in KEYS.items()}


def seal(name: str, parent: Header, body: bytes) -> Header:
    """The block of this producer after ``parent``: the proof is the producer, its signature, and a hash of the body."""
    height, digest = parent.height + 1, sha256(body).digest()
    what = parent.id + height.to_bytes(8) + digest
    proof = bytes(KEYS[name].verify_key) + KEYS[name].sign(what).signature + digest
    return Header(height, sha256(what + proof).digest(), parent.id, height.to_bytes(8), len(body), proof)


def maker(header: Header) -> bytes:
    """Who made a block: so routing learns the ways to producers."""
    return header.proof[:32]


class VotedChain:
    """What makes a block of this chain a good one."""

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        for header in headers:
            what = header.parent + header.height.to_bytes(8) + header.proof[96:]
            if header.id != sha256(what + header.proof).digest() or header.score != header.height.to_bytes(8):
                return Fault("bad-id", f"{header.point}: the score or the id does not follow", header.id)
            try:
                VerifyKey(maker(header)).verify(what, header.proof[32:96])
            except (BadSignatureError, ValueError):
                return Fault("bad-signature", f"{header.point} is not signed by its producer", header.id)
            if maker(header) not in PRODUCERS:
                return Fault("no-producer", f"{header.point} is not made by a producer of this chain", header.id)
        return None

    def body(self, header: Header, body: bytes) -> Fault | None:
        wrong = sha256(body).digest() != header.proof[96:]
        return Fault("wrong-body", f"{header.point}: the body has another hash", header.id) if wrong else None


class Voter:
    """The consensus of one producer. ``voted`` and ``starts`` outlive it: they belong on a disk, as a guard does."""

    def __init__(self, network: MemoryNetwork, name: str) -> None:
        self.network, self.name = network, name
        self.voted, self.starts = GENESIS.point, 0
        self.begin()

    def begin(self) -> None:
        """It starts, for the first time or again: its packets are counted anew, under a greater start."""
        self.starts, self.count = self.starts + 1, 0
        self.votes = defaultdict[Point, set[bytes]](set)

    def hear(self, output: Output) -> None:
        """Of an output that matters it makes what is to be done next, after the step."""
        match output:
            case Judge(_, packet):
                fine = packet.id.origin in PRODUCERS and packet.payload == VOTE and packet.about is not None
                verdict = Judgement.VALID if fine else Judgement.PENALISE
                self.later(lambda: self.feed(Judged(packet.id, verdict, self.network.now)))
            case Arrived(_, packet) if packet.about is not None:
                self.later(partial(self.tally, packet.about, packet.id.origin))
            case HeadMoved(_, new, _):
                self.later(partial(self.vote, new))

    def feed(self, event: Event) -> None:
        self.network.feed(self.name, event)

    def later(self, action: Callable[[], None]) -> None:
        """After this step, unless the node is stopped meanwhile."""
        self.network.later(lambda: action() if self.network.up(self.name) else None)

    def vote(self, head: Point) -> None:
        """One vote at each height, and only for what comes after the last."""
        chain = self.network.host(self.name).node.chain
        if head != chain.head.point or not chain.is_ancestor(self.voted.id, head.id) or head == self.voted:
            return
        self.voted, self.count = head, self.count + 1
        id = PacketId(bytes(KEYS[self.name].verify_key), self.starts, self.count)
        packet = Packet(id, Reach.ALL, b"", VOTE, head, b"")
        packet = replace(packet, signature=KEYS[self.name].sign(packet_to_sign(CHAIN, packet)).signature)
        self.feed(Publish(packet, self.network.now))
        self.tally(head, id.origin)

    def tally(self, block: Point, voter: bytes) -> None:
        self.votes[block].add(voter)
        chain = self.network.host(self.name).node.chain
        if len(self.votes[block]) >= QUORUM and block.height > chain.final.height and block.id in chain:
            self.feed(Finalised(block, self.network.now))

    def make(self, turn: int) -> None:
        body = b"turn %d" % turn
        head = self.network.host(self.name).node.chain.head
        self.feed(Produced((seal(self.name, head, body),), self.network.now, (body,)))


def main() -> None:
    network = MemoryNetwork(seed=1, codec=True)
    config = Config(VotedChain(), registry=CORE.plus(routing(SignedPackets(CHAIN), maker)))
    for name in KEYS:
        network.add(name, config, MemoryStore(GENESIS, CHAIN))
    network.join([("anna", "ben"), ("ben", "cleo"), ("cleo", "dora"), ("dora", "anna")], Path(latency=0.02))
    voters = {name: Voter(network, name) for name in KEYS}
    network.watch(lambda name, output: voters[name].hear(output))

    def turns(first: int, last: int, what: str) -> None:
        for turn in range(first, last):
            network.run(turn * TURN)
            name = [*KEYS][turn % 4]
            if network.up(name):
                voters[name].make(turn)
        network.run(last * TURN)
        told = [f"{name} {network.host(name).node.chain.final.height}" for name in KEYS if network.up(name)]
        print(f"{what}: head {max(network.host(name).head.height for name in KEYS if network.up(name))}, final:", *told)

    turns(1, 9, "four take turns")
    network.crash("cleo")
    turns(9, 17, "cleo is stopped")
    network.restart("cleo")
    voters["cleo"].begin()
    turns(17, 25, "cleo is back")
    chain = network.host("anna").node.chain
    for name in KEYS:
        assert network.host(name).node.chain.final == chain.final, f"{name} has another final block"


if __name__ == "__main__":
    main()
