"""A node that owes nothing to ours, and what its author may get wrong. It changes in place."""

from syncfsm.blocks import Header, Point
from syncfsm.errors import LocalError
from syncfsm.events import Connected, Event, Finalised, Lost, Produced, Received
from syncfsm.outputs import Accepted, Disconnect, FinalMoved, HeadMoved, Output, SendBlocks
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks
from syncfsm.testing import GENESIS


class Naive:
    """Sends its whole branch to a new peer, and passes on what is new to it."""

    next_deadline: float | None = None

    def __init__(self) -> None:
        self.held, self.peers = {GENESIS.id: GENESIS}, list[str]()
        self.head = self.final = GENESIS

    def step(self, event: Event) -> "tuple[Naive, tuple[Output, ...]]":
        return self, tuple(self.answer(event))

    def answer(self, event: Event) -> list[Output]:
        match event:
            case Connected(peer=peer):
                self.peers.append(peer)
                return [SendBlocks(peer, tuple(self.offer()))]
            case Lost(peer=peer):
                self.peers.remove(peer)
                return [Disconnect(peer, Parting.LOST)]
            case Produced(headers=headers):
                return self.take(headers)
            case Received(peer=peer, message=Blocks(headers=headers)):
                return self.take(headers, peer)
            case Finalised(point=point):
                return self.finalise(point)
        return []

    def offer(self) -> list[Header]:
        return self.branch(self.head)[1:]

    def branch(self, head: Header) -> list[Header]:
        """All up to ``head``, oldest first."""
        found = [head]
        while found[0].parent in self.held:
            found.insert(0, self.held[found[0].parent])
        return found

    def take(self, headers: tuple[Header, ...], source: str | None = None) -> list[Output]:
        new = tuple(header for header in headers if header.id not in self.held)
        if not new or not self.fits(new[0]):
            return []
        self.held |= {header.id: header for header in new}
        said: list[Output] = [Accepted(new)]
        if new[-1].rank > self.head.rank and self.allowed(new[-1]):
            said.append(HeadMoved(self.head.point, new[-1].point, GENESIS.point))
            self.head = new[-1]
        return said + self.relay(new, source)

    def fits(self, header: Header) -> bool:
        return header.parent in self.held

    def allowed(self, head: Header) -> bool:
        return self.final in self.branch(head)

    def relay(self, headers: tuple[Header, ...], source: str | None) -> list[Output]:
        return [SendBlocks(peer, headers) for peer in self.peers if peer != source]

    def finalise(self, point: Point) -> list[Output]:
        if self.held.get(point.id) not in self.branch(self.head):
            raise LocalError(f"{point} is not on the best branch")
        if point.height <= self.final.height:
            return []
        before, self.final = self.final, self.held[point.id]
        return [FinalMoved(before.point, point)]


class DropsBlocks(Naive):
    def relay(self, headers: tuple[Header, ...], source: str | None) -> list[Output]:
        return super().relay(headers, source) if headers[0].height % 3 else []


class NeverAnswers(Naive):
    def answer(self, event: Event) -> list[Output]:
        return [output for output in super().answer(event) if not isinstance(output, SendBlocks)]


class TakesOrphans(Naive):
    def offer(self) -> list[Header]:
        return super().offer()[-2:]

    def fits(self, header: Header) -> bool:
        return True


class AcceptsTwice(Naive):
    def take(self, headers: tuple[Header, ...], source: str | None = None) -> list[Output]:
        return super().take(headers, source) or [Accepted(headers)]


class MovesFirst(Naive):
    def take(self, headers: tuple[Header, ...], source: str | None = None) -> list[Output]:
        return super().take(headers, source)[::-1]


class LeavesFinal(Naive):
    def allowed(self, head: Header) -> bool:
        return True


class KeepsLostLinks(Naive):
    def answer(self, event: Event) -> list[Output]:
        return [] if isinstance(event, Lost) else super().answer(event)


class TalksToTheLost(Naive):
    def answer(self, event: Event) -> list[Output]:
        return [Disconnect(event.peer, Parting.LOST)] if isinstance(event, Lost) else super().answer(event)


class EndsTwice(Naive):
    def answer(self, event: Event) -> list[Output]:
        return super().answer(event) * (2 if isinstance(event, Lost) else 1)


class FirstComeFirstServed(Naive):
    """Of two heads with one score it keeps the one it saw first."""

    def allowed(self, head: Header) -> bool:
        return head.score > self.head.score and super().allowed(head)


class Storm(Naive):
    """Passes on what it knew, too."""

    def take(self, headers: tuple[Header, ...], source: str | None = None) -> list[Output]:
        return super().take(headers, source) or self.relay(headers, source)


class Raises(Naive):
    def fits(self, header: Header) -> bool:
        if header.height == 5:
            raise KeyError("no such block")
        return super().fits(header)


class RejectsPeers(Naive):
    def fits(self, header: Header) -> bool:
        if not super().fits(header):
            raise LocalError("this block has no parent")
        return True

    def offer(self) -> list[Header]:
        return super().offer()[-2:]


class SendsNonsense(Naive):
    def relay(self, headers: tuple[Header, ...], source: str | None) -> list[Output]:
        return [SendBlocks(peer, (Header(1, b"", b"", b"", 0, b""),)) for peer in self.peers]


class ForgetsInRestarts(Naive):
    """Told again what it accepted, it moves its head no further than some blocks."""

    def allowed(self, head: Header) -> bool:
        return super().allowed(head) and (bool(self.peers) or head.height < 3)

    def finalise(self, point: Point) -> list[Output]:
        return super().finalise(point) if self.peers else []
