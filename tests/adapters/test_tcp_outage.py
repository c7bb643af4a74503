"""Three outages of ``syncfsm.testing.outage`` on real TCP: every block once and in order, the live head in the end.

How long it takes is not looked at, as the machine decides that; virtual time is for that.
"""

from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest
import trio

from syncfsm.blocks import Header
from syncfsm.limits import Limits
from syncfsm.outputs import Accepted
from syncfsm.testing.outage import Loss, Outage
from syncfsm_adapters.store.file import FileStore
from syncfsm_adapters.story.cable import Cable
from tests.adapters.tcp_nodes import CHAIN_ID, GENESIS, Carriers, Running, in_trio, start

CHOSEN: Final = Limits(keepalive=0.1, silence=0.4)
OUTAGES: Final = {
    "the story": Outage(start=5, losses=(Loss(how="silent", gap=100),)),
    "a star": Outage(
        nodes=4, topology="star", start=3, losses=(Loss(2, "killed", gap=30), Loss(3, "silent", gap=20, after=15))
    ),
    "a mesh, lost again": Outage(
        nodes=4,
        topology="mesh",
        losses=(Loss(1, "killed", gap=25), Loss(1, "killed", gap=5, after=26), Loss(2, "silent", gap=20, after=5)),
    ),
}


@pytest.fixture
def carriers(carriers_and_tls: Carriers) -> Carriers:
    """Without TLS, and with it."""
    return carriers_and_tls


class Stage:
    """Nodes, and a cable for each link: the second of a pair dials. Who is killed starts again from its file."""

    def __init__(self, outage: Outage, folder: Path, nursery: trio.Nursery, carriers: Carriers) -> None:
        self.outage, self.folder, self.nursery, self.carriers = outage, folder, nursery, carriers
        self.nodes: dict[str, Running] = {}
        self.scopes: dict[str, trio.CancelScope] = {}
        self.dead: dict[str, trio.Event] = {}
        self.addresses: dict[str, str] = {}
        self.cables: dict[tuple[str, str], Cable] = {}
        self.accepted: dict[str, list[Header]] = {name: [] for name in outage.names}
        self.active: list[Loss] = []

    async def begin(self) -> None:
        for name in self.outage.names:
            for pair in self.outage.pairs:
                if pair[1] == name:
                    cable = Cable(int(self.addresses[pair[0]].rpartition(":")[2]))
                    await self.nursery.start(cable.serve)
                    self.cables[pair] = cable
            await self.wake(name)

    async def wake(self, name: str) -> None:
        store = FileStore.open(self.folder / f"{name}.store", GENESIS, CHAIN_ID)
        node = self.nodes[name] = Running(self.carriers, name.encode(), store=store, chosen=CHOSEN)
        node.host.watch(lambda output, now: self.note(name, output))
        self.scopes[name] = await self.nursery.start(self.live, name)

    async def live(self, name: str, task_status: trio.TaskStatus[trio.CancelScope]) -> None:
        """Run a node until it is killed."""
        dials = [f"127.0.0.1:{cable.port}" for pair, cable in self.cables.items() if pair[1] == name]
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                listen = self.addresses.get(name, "127.0.0.1:0")
                await start(nursery, self.nodes[name], *dials, listen=listen)
                self.addresses[name] = self.nodes[name].address
                self.dead[name] = trio.Event()
                task_status.started(scope)
        self.dead[name].set()

    def note(self, name: str, output: object) -> None:
        if isinstance(output, Accepted):
            self.accepted[name] += output.headers

    def away(self) -> set[str]:
        return {self.outage.name(loss.who) for loss in self.active}

    def carry(self) -> None:
        """Cut and mend the cables as the losses that last have it."""
        silent = {self.outage.name(loss.who) for loss in self.active if loss.how == "silent"}
        for pair, cable in self.cables.items():
            if silent & {*pair}:
                cable.cut()
            else:
                cable.mend()

    async def lose(self, loss: Loss) -> None:
        name = self.outage.name(loss.who)
        self.active.append(loss)
        self.carry()
        if loss.how == "killed":
            self.scopes[name].cancel()
            await self.dead[name].wait()
        else:
            await self.nodes[name].until(lambda: not self.nodes[name].host.node.links)

    async def restore(self, loss: Loss) -> None:
        self.active.remove(loss)
        self.carry()
        if loss.how == "killed":
            await self.wake(self.outage.name(loss.who))

    async def level(self) -> None:
        """Whoever is in reach is at the sequencer's head."""
        head = self.nodes[self.outage.name(0)].host.head
        for name in self.outage.names:
            if name not in self.away():
                await self.nodes[name].at(head)

    async def play(self) -> None:
        outage = self.outage
        for number in range(1, outage.blocks + 1):
            self.nodes[outage.name(0)].grow(b"block %d" % number)
            for loss in [loss for loss in outage.losses if number == outage.start + loss.after]:
                await self.level()
                await self.lose(loss)
            for loss in [loss for loss in self.active if number == outage.start + loss.after + loss.gap]:
                await self.restore(loss)
        await self.level()


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
@in_trio
async def test_an_outage_on_tcp(outage: Outage, tmp_path: Path, carriers: Carriers) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(outage, tmp_path, nursery, carriers)
        await stage.begin()
        await stage.play()
        nursery.cancel_scope.cancel()
    for name, headers in stage.accepted.items():
        assert [header.height for header in headers] == [*range(1, outage.blocks + 1)], f"{name}: once, in order"
        assert all(before.id == header.parent for before, header in pairwise(headers))
        assert not stage.nodes[name].rules, "nobody is to blame"
