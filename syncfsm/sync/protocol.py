"""Sync's protocol, as the rest of the house knows it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from syncfsm import limits as bounds
from syncfsm.limits import HELLO_SHARE, Limits
from syncfsm.machine import Table
from syncfsm.numbers import MessageNumber, ProtocolNumber
from syncfsm.protocol import Change, Due, Hook, Kind, Protocol, Stage, Standing, View, short
from syncfsm.sync.actions import ACTIONS
from syncfsm.sync.feed.protocol import FEED
from syncfsm.sync.guards import GUARDS
from syncfsm.sync.messages import Blocks, Busy, DoNotWant, Finality, Found, Give, Has, Hello, Want, hello_flaw
from syncfsm.sync.reading import READERS
from syncfsm.sync.rules import RULES
from syncfsm.sync.types import CARRIES, GREETING, MEANINGS, Event, Link, State, Switch

TABLE: Final[Table[Link]] = Table(
    name="sync", states=State, meanings=MEANINGS, events=Event, carries=CARRIES, initial=State.CLOSED, end=State.CLOSED,
    rules=RULES, guards=GUARDS, actions=ACTIONS,
)  # fmt: skip


def heeds_move(link: Link, change: Change) -> bool:
    """A link in step cares for the best chain; who searches, or was told of blocks, may know a new one by name."""
    return change.best or link.state in GREETING or bool(link.claims)


# Time -----------------------------------------------------------------------------------------------------------


def deadline(link: Link, limits: Limits) -> float | None:
    """When a tick can do something: give a search up, or send the hello that was put off."""
    if link.state not in GREETING:
        return None
    due = [link.since + limits.search] if link.heard is not None else []
    if link.owes_hello:
        due.append(link.metered_at + max(0.0, 1 - link.may_say) * HELLO_SHARE / limits.hello_rate)
    return min(due, default=None)


def aged(link: Link, seconds: float) -> Link:
    """The same link, all that it remembers of time so much longer ago."""
    return replace(link, since=link.since - seconds, metered_at=link.metered_at - seconds)


def timeless(link: Link, limits: Limits) -> Link:
    """The same link, as if it had all the time in the world: no hello and no question is ever one too many."""
    burst, refusals = float(limits.hello_burst), float(limits.refusal_burst)
    share = burst / HELLO_SHARE
    if link.may_say == share and link.may_hear == burst and link.may_ask == refusals and not link.top:
        return link
    return replace(link, may_say=share, may_hear=burst, may_ask=refusals, top=0)


def uncounted(link: Link, limits: Limits) -> Link:
    """The same link, as if the peer had given us nothing beside our best chain."""
    return replace(link, aside=0, pending=0) if link.aside else link


def due(link: Link, limits: Limits) -> Sequence[Due]:
    """A hello that the rate limit put off only needs time."""
    return (("a hello is due", HELLO_SHARE / limits.hello_rate, True),) if link.owes_hello else ()


# For people -----------------------------------------------------------------------------------------------------


def show(link: Link) -> str:
    """The state, and the block that the peer is known to have."""
    return f"{link.state.value}{'@' + short(link.sent.id) if link.sent else ''}"


WAITS: Final = {
    Stage.GREETING: "the peer's hello",
    Stage.FETCHING: "blocks that the peer has named and we lack",
    Stage.IN_STEP: "",
}


def standing(link: Link, view: View) -> Standing:
    """How we stand with the peer: what it has and lacks, and what we wait for."""
    chain, heard = view.chain, link.heard
    known = [header.point for header in (link.sent, link.received) if header is not None]
    said = [heard.head] if heard is not None and link.state in GREETING else []
    newest = max((*known, *said, *link.claims), key=lambda point: point.height, default=None)
    missing = [point for point in (*said, *link.claims) if point.id not in chain]
    top = max((point.height for point in missing), default=0)
    better = bool(said) and heard is not None and heard.rank > chain.head.rank
    return Standing(
        state=link.state.value,
        stage=(stage := _stage(link, bool(missing) and top > chain.head.height)),
        head=newest,
        has=link.sent.point if link.sent is not None else None,
        lacks=chain.head.height - link.sent.height if link.sent is not None else None,
        ahead=max(0, top - chain.head.height),
        better=better or stage is Stage.FETCHING,
        waits_for=_search(link) if stage is Stage.SEARCHING else WAITS[stage],
        since=link.since,
    )


def _stage(link: Link, more: bool) -> Stage:
    if link.state in GREETING:
        return Stage.GREETING if link.heard is None else Stage.SEARCHING
    return Stage.FETCHING if more else Stage.IN_STEP


def _search(link: Link) -> str:
    if link.owes_hello:
        return "the rate limit, to send the hello that was put off"
    return "the peer to offer a block we know" if link.state is State.START else "the peer to recognise a block of ours"


def status(link: Link) -> Mapping[str, Any]:
    """For an operator: what the peer has, what it says is final, and how blocks go to it and come from it."""
    has = [known for known in (link.sent, link.received) if known is not None]
    newest = max(has, key=lambda header: header.height, default=None)
    said = link.heard.head if link.heard is not None else None
    return {
        "has": newest.point if newest else None, "head": said, "final": link.final, "since": link.since,
        "mode": link.mode.value, "wanted": link.wanted,
    }  # fmt: skip


def _hello(hello: Hello) -> str:
    answer = f" re {short(hello.about.id)}" if hello.about else ""
    return f"hello {short(hello.head.id)}[{' '.join(short(point.id) for point in hello.points)}]{answer}"


def _found(found: Found) -> str:
    return f"found {short(found.common.id)}"


def _final(final: Finality) -> str:
    return f"final {short(final.point.id)}"


def _has(has: Has) -> str:
    return f"has {short(has.head.id)}"


def _want(want: Want) -> str:
    return "want, insisting" if want.insist else "want"


def _do_not_want(message: DoNotWant) -> str:
    return "do not want"


def _busy(busy: Busy) -> str:
    return "off" if busy.off else " ".join(("busy", *(short(id) for id in busy.others)))


def _blocks(blocks: Blocks) -> str:
    return f"block {' '.join(short(header.id) for header in blocks.headers)}"


SYNC: Final[Protocol[Link]] = Protocol(
    number=ProtocolNumber.SYNC,
    name="sync",
    version=2,
    doc="Finding the common ancestor, then streaming the best chain. What a peer has is written here alone.",
    table=TABLE,
    kinds=(
        Kind(MessageNumber.HELLO & 0xFF, Hello, Event.HELLO, flaw=hello_flaw, cost=bounds.BLOCK_OVERHEAD, words=_hello),
        Kind(MessageNumber.FOUND & 0xFF, Found, Event.FOUND, words=_found),
        Kind(MessageNumber.FINALITY & 0xFF, Finality, Event.FINAL, words=_final),
        Kind(MessageNumber.BLOCKS & 0xFF, Blocks, Event.BLOCKS, words=_blocks, blocks=True),
        Kind(MessageNumber.HAS & 0xFF, Has, Event.HAS, words=_has, since=2),
        Kind(MessageNumber.WANT & 0xFF, Want, Event.WANT, words=_want, since=2),
        Kind(MessageNumber.DO_NOT_WANT & 0xFF, DoNotWant, Event.DO_NOT_WANT, words=_do_not_want, since=2),
        Kind(MessageNumber.BUSY & 0xFF, Busy, Event.BUSY, words=_busy, since=2),
        Kind(MessageNumber.GIVE & 0xFF, Give, Event.GIVE, since=2),
    ),
    begin=Link,
    requests={Switch: Event.SWITCH},
    hooks={
        Hook.MOVED: Event.MOVED,
        Hook.FINALISED: Event.FINALISED,
        Hook.TURN: Event.TURN,
        Hook.TICK: Event.TICK,
        Hook.FAULT: Event.FAULT,
        Hook.ENDED: Event.ENDED,
    },
    heeds={Hook.MOVED: heeds_move},
    readers=READERS,
    deadline=deadline,
    aged=aged,
    timeless=timeless,
    uncounted=uncounted,
    due=due,
    show=show,
    status=status,
    standing=standing,
    essential=True,
    across=FEED,
)
