"""A liar beside the feed claims a head, or a final block, that nobody has: it is asked once, and that changes
nothing."""

import pytest

from syncfsm.blocks import Point, Unchecked
from syncfsm.chain import Chain
from syncfsm.events import Connected, Lost, Produced, Received, Tick
from syncfsm.limits import MAX_HEIGHT, SCORE_BYTES, Limits
from syncfsm.node.node import Config, Node
from syncfsm.outputs import Send
from syncfsm.peer.messages import Ping
from syncfsm.protocol import Message
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.feed.types import Feed
from syncfsm.sync.messages import Blocks, DoNotWant, Finality, Give, Has, Hello, Want
from syncfsm.testing import GENESIS, branch

FED_BY, BESIDE, LIAR = "feed", "beside", "liar"
LIVE = branch(GENESIS, 60)
LIMITS = Limits()
NOWHERE = Point(MAX_HEIGHT, b"nowhere")
LIES = {"a head": Has(NOWHERE, b"\xff" * SCORE_BYTES), "a final block": Finality(NOWHERE)}


class Scene:
    """A node that is fed by one, with another and a liar beside it."""

    def __init__(self, *lies: Message) -> None:
        self.node = Node.start(Config(Unchecked()), Chain.start(GENESIS, LIMITS))
        self.now, self.height = 0.0, 0
        head = Hello(GENESIS.point, GENESIS.score, GENESIS.point, GENESIS.point, (GENESIS.point,), 1)
        for peer in (FED_BY, BESIDE, LIAR):
            self.feed(Connected(peer, self.now))
            self.hear(peer, head)
        self.bring()
        self.hear(LIAR, *lies)

    def feed(self, event: Connected | Received | Lost | Tick | Produced) -> list[tuple[str, Message]]:
        self.node, outputs = self.node.step(event)
        return [(each.peer, each.message) for each in outputs if isinstance(each, Send)]

    def hear(self, peer: str, *messages: Message) -> list[tuple[str, Message]]:
        return [said for message in messages for said in self.feed(Received(peer, message, self.now))]

    def bring(self) -> list[tuple[str, Message]]:
        """The feed brings the next block."""
        self.height += 1
        return self.hear(FED_BY, Blocks((LIVE[self.height - 1],)))

    def tell(self) -> list[tuple[str, Message]]:
        """The one beside the feed tells of the next block."""
        header = LIVE[self.height]
        return self.hear(BESIDE, Has(header.point, header.score))

    def wait(self, seconds: float) -> list[tuple[str, Message]]:
        """Time passes, and nobody falls silent."""
        said, end = [], self.now + seconds
        while (due := self.node.next_deadline) is not None and due <= end:
            self.now = max(self.now, due)
            for peer in self.node.links:
                said += self.hear(peer, Ping())
            said += self.feed(Tick(self.now))
        self.now = end
        return said

    @property
    def decided(self) -> Feed:
        return self.node.decided(FEED)


def asked(said: list[tuple[str, Message]]) -> list[str]:
    return [peer for peer, message in said if isinstance(message, Want)]


@pytest.mark.parametrize("lie", LIES)
def test_it_is_asked_once_and_worn(lie: str) -> None:
    scene = Scene(LIES[lie])
    said = scene.wait(LIMITS.lead + 1)
    assert asked(said) == [LIAR]
    assert scene.decided.worn == (LIAR,)
    for _ in range(5):
        assert asked(scene.hear(LIAR, LIES[lie]) + scene.bring() + scene.wait(0.2)) == []


@pytest.mark.parametrize("lie", LIES)
def test_long_after_it_the_feed_has_its_time_as_before(lie: str) -> None:
    scene = Scene(LIES[lie])
    scene.wait(LIMITS.lead + 1)
    for _ in range(10):
        assert asked(scene.tell() + scene.wait(LIMITS.early / 2)) == [], "nobody is asked before the feed is late"
        assert asked(scene.bring() + scene.wait(0.2)) == []
    assert scene.decided.lag <= LIMITS.early
    scene.tell()
    assert asked(scene.wait(2 * LIMITS.graft)) == [BESIDE], "and then it is late as soon as before"


@pytest.mark.parametrize("lie", LIES)
def test_a_faster_peer_may_race_the_feed_all_the_same(lie: str) -> None:
    scene = Scene(LIES[lie])
    scene.wait(LIMITS.lead + 1)
    raced = []
    for _ in range(LIMITS.rival):
        scene.tell()
        scene.wait(2 * LIMITS.early)
        raced = asked(scene.bring())
        scene.wait(0.2)
    assert raced == [BESIDE]


@pytest.mark.parametrize("lie", LIES)
def test_if_the_feed_is_lost_it_is_not_the_next(lie: str) -> None:
    scene = Scene(LIES[lie])
    scene.wait(LIMITS.lead + 1)
    assert asked(scene.feed(Lost(FED_BY, scene.now))) == [BESIDE]
    assert scene.decided.peer == BESIDE


def test_two_liars_that_take_turns_do_not_have_everybody_asked_at_once() -> None:
    """One is ahead whenever the other is given up, so that there is always something to wait for."""
    scene = Scene()
    copies, other = 0, "another liar"
    scene.feed(Connected(other, scene.now))
    scene.hear(other, Hello(GENESIS.point, GENESIS.score, GENESIS.point, GENESIS.point, (GENESIS.point,), 1))
    head = LIVE[0]
    for at in range(100):
        liar, honest = (LIAR, other) if at % 2 else (other, LIAR)
        scene.hear(liar, Has(NOWHERE, b"\xff" * SCORE_BYTES))
        scene.wait(0.45)
        scene.hear(honest, Has(head.point, head.score))
        scene.wait(0.45)
        if at >= 50:  # far beyond Limits.lead
            copies += asked(scene.tell()).count(BESIDE)
            scene.bring()
            head = LIVE[scene.height - 1]
    assert copies <= 2


def test_who_gives_and_brings_nothing_is_shut_however_often_it_says_so() -> None:
    scene = Scene()
    scene.hear(LIAR, Give())
    said = []
    for _ in range(4):
        said += scene.wait(LIMITS.patience / 3) + scene.hear(LIAR, Give())
    assert [message for peer, message in said if peer == LIAR and isinstance(message, DoNotWant)]
    assert asked(said) == []
