"""Two nodes that speak it beside sync: one asks, the other's integrator answers."""

from addresses.protocol import ADDRESSES
from addresses.types import Ask, Learnt, Tell, Wanted
from syncfsm.blocks import Unchecked
from syncfsm.chain import Chain
from syncfsm.node.node import Config, Node
from syncfsm.node.registry import STANDARD
from syncfsm.testing import GENESIS, Pair

both = Config(Unchecked(), registry=STANDARD.plus(ADDRESSES))
pair = Pair(Node.start(both, Chain.start(GENESIS)), Node.start(both, Chain.start(GENESIS)))
pair.connect()
pair.settle()
pair.feed(0, Ask(pair.now))
pair.settle()
if Wanted(pair.name) in pair.outputs[1]:
    print("the second node is asked")
    pair.feed(1, Tell(("10.0.0.7:7000",), pair.now))
pair.settle()
for output in pair.outputs[0]:
    if isinstance(output, Learnt):
        print(f"the first node learns {', '.join(output.addresses)}")
