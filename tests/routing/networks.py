"""Networks whose nodes judge and publish packets: for the tests of routing."""

from collections import Counter
from collections.abc import Callable

from syncfsm.blocks import Header, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Produced
from syncfsm.limits import Limits
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import CORE
from syncfsm.outputs import Send
from syncfsm.registry import Registry
from syncfsm.routing.messages import Packet, PacketId, Pass, Reach
from syncfsm.routing.protocol import routing
from syncfsm.routing.router.types import Router
from syncfsm.routing.types import Arrived, Judge, Judged, Judgement, Publish
from syncfsm.testing import GENESIS, Faults, SimNetwork, Simulation
from syncfsm.testing.network import Happened

SIGNED = b"signed"


def verify(packet: Packet) -> bool:
    """Signatures of these tests."""
    return packet.signature == SIGNED


def producer(header: Header) -> bytes | None:
    """Blocks of these tests are named after who made them."""
    maker = header.id.split(b" ")[0]
    return maker if b" " in header.id else None


ROUTING = routing(verify, producer)
REGISTRY: Registry = CORE.plus(ROUTING)
assert ROUTING.across is not None
ROUTER = ROUTING.across


def packet(
    origin: str, sequence: int, reach: Reach = Reach.ALL, to: str = "", about: Header | None = None, start: int = 0,
    payload: bytes = b"",
) -> Packet:  # fmt: skip
    point = about.point if about is not None else None
    return Packet(PacketId(origin.encode(), start, sequence), reach, to.encode(), payload, point, SIGNED)


def block(maker: str, parent: Header) -> Header:
    """A block of this maker."""
    height = parent.height + 1
    return Header(
        height, f"{maker} {height} on {parent.id[:8].hex()}".encode()[:64], parent.id, height.to_bytes(8), 0, b""
    )


def start(limits: Limits | None = None, registry: Registry = REGISTRY) -> Node:
    limits = limits or Limits()
    return Node.start(Config(Unchecked(), limits=limits, registry=registry), Chain.start(GENESIS, limits))


class PacketNetwork:
    """A network in which every packet is judged at once, as ``verdict`` says; what arrives where is counted."""

    def __init__(
        self, *names: str, seed: int = 0, faults: Faults | None = None, limits: Limits | None = None,
        verdict: Callable[[str, Packet], Judgement | None] = lambda name, packet: Judgement.VALID,
    ) -> None:  # fmt: skip
        self.sim = SimNetwork(seed, faults or Faults(), registry=REGISTRY)
        self.arrived: Counter[tuple[str, PacketId]] = Counter()
        self.judged: Counter[tuple[str, PacketId]] = Counter()
        self.verdict = verdict
        for name in names:
            self.sim.add(name, lambda: start(limits))
        self.sim.watchers.append(self._watch)
        self.passed = 0
        """How many packets were sent over a connection."""
        self._numbers: Counter[str] = Counter()

    def _watch(self, happened: Happened) -> None:
        for output in happened.outputs:
            self.passed += isinstance(output, Send) and isinstance(output.message, Pass)
            if isinstance(output, Arrived):
                self.arrived[happened.name, output.packet.id] += 1
            elif isinstance(output, Judge):
                self.judged[happened.name, output.packet.id] += 1
                verdict = self.verdict(happened.name, output.packet)
                if verdict is not None:
                    self.sim.feed(happened.name, Judged(output.packet.id, verdict, self.sim.now))

    def join(self, *pairs: str) -> None:
        """Pairs such as "ab" are linked."""
        for pair in pairs:
            self.sim.join(pair[0], pair[1])

    def simulation(self) -> Simulation:
        return Simulation(self.sim, rate=0, producers=())

    def publish(self, origin: str, reach: Reach = Reach.ALL, to: str = "", about: Header | None = None) -> Packet:
        self._numbers[origin] += 1
        made = packet(origin, self._numbers[origin], reach, to, about)
        self.sim.feed(origin, Publish(made, self.sim.now))
        return made

    def make(self, name: str) -> Header:
        """The node makes a block on its head."""
        made = block(name, self.sim.head(name))
        self.sim.feed(name, Produced((made,), self.sim.now))
        return made

    def router(self, name: str) -> Router:
        node = self.sim.node(name)
        assert isinstance(node, Node)
        found: Router = node.decided(ROUTER)
        return found

    def got(self, made: Packet) -> set[str]:
        """Who has got it, each once."""
        found = {name: count for (name, id), count in self.arrived.items() if id == made.id}
        assert set(found.values()) <= {1}, found
        return set(found)
