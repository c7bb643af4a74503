"""Has a host follow a layer: what the reader tells becomes events of the node, and a sequencer's blocks become batches.

    truth = Truth(host, layer, batches, limits, path, journal, clock=trio.current_time, sleep=trio.sleep)
    nursery.start_soon(truth.read)
    truth.post(key.sign)               # a sequencer, once it makes blocks
    nursery.start_soon(truth.write)

The core decides what becomes of the chain, and the two tables what is read and posted; this carries the one to the
other. Where the layer contradicts what is final here, or what an operator has banned, the chain stays as it is, and
that is said: somebody has to look.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.errors import LocalError, Penalty
from syncfsm.outputs import HeadMoved, Output
from syncfsm.truth import follow
from syncfsm.truth.answers import Place
from syncfsm.truth.limits import TruthLimits
from syncfsm.truth.messages import Cover, Entry, batch_of, encode
from syncfsm.truth.poster import protocol as posting
from syncfsm.truth.poster.types import Begin, Go, Hold, Load, Overdue, Overruled, Stuck, Submit
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import (
    IDLE,
    Broke,
    Confirmed,
    Keep,
    Kept,
    Mark,
    Skipped,
    State,
    TakenBack,
    Unheard,
    Unreadable,
)
from syncfsm.truth.signed import SignedBatches, unsigned
from syncfsm.truth.stands import Batched
from syncfsm.truth.types import View
from syncfsm_adapters.da import marks
from syncfsm_adapters.da.batches import Batches
from syncfsm_adapters.da.carrier import PULSE, Carrier
from syncfsm_adapters.da.given import mark_of
from syncfsm_adapters.da.layer import Layer
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write

REFUSED: Final = (
    "The data-availability layer has what this node can not follow, so its chain stands where it is. Look which of the "
    "two is wrong: take a ban back, or start with a new store to follow the layer"
)
BROKE: Final = (
    "The data-availability layer took back what was final there. Nothing more is read: find out what happened, and "
    "start the node again"
)
PRUNED: Final = (
    "The data-availability layer does not keep what comes next. Have syncfsm mark print the mark of a node that is "
    "further and that you trust, and give it to this one with --mark; meanwhile peers are followed, and nothing is "
    "confirmed"
)
OTHER_LAYER: Final = (
    "The data-availability layer has not the block that the mark names, which was given with --mark: it is the mark of "
    "another layer, or that layer took back what was final. Nothing is read: find out which, and see what is said of "
    "marks"
)
AWAITS: Final = (
    "The layer is read from the block of the mark on, once peers have brought it; meanwhile nothing is confirmed"
)
ARRIVED: Final = (
    "The block of the mark is there. It counts as final, as whoever gave the mark has said, and the layer is read."
)
CONTRADICTS: Final = "The data-availability layer has other blocks than peers gave: it is followed"
AHEAD: Final = (
    "The data-availability layer has blocks that no peer has brought, though peers are in step: they are behind, or "
    "keep blocks from this node. Give it a peer that you trust"
)
OTHERS: Final = (
    "The data-availability layer confirms a block that this sequencer has not made: another posts with its key, or its "
    "blocks are lost. It makes and posts none any more"
)
UNKNOWN: Final = "The store has not the block up to which the layer was read: it is read anew, from where it began."
SILENT: Final = "The layer does not answer, so blocks are made without knowing what is there."
LIST_LOST: Final = (
    "Which batch has which blocks is not known any more, for those that were cut off; all else is as it was."
)
SAMPLES: Final = 65_536
"""Heads whose time is remembered until they are confirmed."""


class Truth:
    """What one host knows of the layer. ``path`` is the file of the mark at which a restart begins, and with
    ``.batches`` behind its name that of the list of batches; ``start`` is the first height of the layer that is read
    without a mark. ``given`` is a mark that an operator gave, and is trusted in place of what the layer has pruned.
    ``journal`` is told what happens. Not safe for threads."""

    def __init__(
        self,
        host: Host,
        layer: Layer,
        batches: SignedBatches,
        limits: TruthLimits,
        path: Path,
        journal: Write,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        start: int = 1,
        given: Mark | None = None,
    ) -> None:
        self.batches = self.bytes = self.retries = self.contradictions = 0
        """Batches given to the layer, their bytes, those given again; and how often the layer overruled our chain."""
        self.lag: float | None = None
        """Seconds for which the oldest block of the newest batch was waiting for it; ``None`` before there is one."""
        self._host, self._chain_id, self._path, self._journal = host, batches.chain.chain_id, path, journal
        self._clock, self._sleep, self._limits = clock, sleep, limits
        self._sign: Callable[[bytes], bytes] | None = None
        self._heads: deque[tuple[int, float]] = deque(maxlen=SAMPLES)
        self._confirmed_at = clock()
        self._posted: Point | None = None
        self._list = Batches(path.with_name(f"{path.name}.batches"))
        if self._list.lost:
            journal("batches-lost", bytes=self._list.lost, sentence=LIST_LOST)
        genesis = host.store.standing.genesis.point
        first = Kept(given or Mark(Place(max(0, start - 1), b"", b""), genesis))
        view = View(0.0, limits, self._chain_id, batches)
        self._given = given
        self._carrier = Carrier(layer, view, None, clock=clock, sleep=sleep, tell=self._told)
        self._awaits: Kept | None = self._resumed(marks.load(path, first), first)
        if not self._arrive():
            journal("mark-awaited", tip=self._awaits.final.tip, sentence=AWAITS)
        host.watch(self._watch)

    async def read(self) -> None:
        """Follow the layer, until cancelled; from a mark that was given on, as soon as its block is held."""
        while not self._arrive():
            await self._sleep(PULSE)
        await self._carrier.read()

    def _arrive(self) -> bool:
        """Begin, if the node has the block at which reading begins; has it begun?"""
        kept = self._awaits
        if kept is None:
            return True
        if not follow.is_reached(self._host.node.chain, kept):
            return False
        self._awaits = None
        self._carrier.read_from(kept)
        if kept.final == self._given:
            self._trust(kept.final)
        if self._sign is not None:
            self._carrier.start(self._make)
        return True

    def _trust(self, mark: Mark) -> None:
        """What the mark names is final, as if the layer had said so."""
        self._journal("mark-reached", tip=mark.tip, layer=mark.place.height, sentence=ARRIVED)
        settled = follow.trusted(self._host.node.chain, mark)
        why = self._told(settled, self._clock()) if settled is not None else None
        if why:
            self._carrier.refuse(why)

    def mark(self) -> bytes:
        """Where this node's reader could begin anew, for a node whose layer has pruned what it has not read: as
        ``truth.passed`` has it. ``LocalError`` if there is none yet, or the layer is not followed any more."""
        reader = self._carrier.reader
        if reader.state in (IDLE, State.BROKEN):
            raise LocalError(f"this node does not follow the layer: {self.wrong or AWAITS}. Ask another for its mark")
        return mark_of(self._chain_id, reader.final, self._host.store)

    async def write(self) -> None:
        """Post what there is, until cancelled."""
        await self._carrier.write()

    def resume(self) -> str:
        """An operator has mended what the layer refused. Says what comes of it."""
        if self._sign is None:
            raise LocalError("this node posts nothing: ask its sequencer")
        before = self._carrier.poster.state
        self._carrier.resume()
        after = self._carrier.poster.state
        return "what waits is given to the layer" if after != before else f"nothing was held up: it is {after}"

    def post(self, sign: Callable[[bytes], bytes]) -> None:
        """From now on the host's own blocks are posted, in batches that ``sign`` signs."""
        self._sign = sign
        if self._awaits is None:
            self._carrier.start(self._make)

    def batch(self, height: int) -> Batched | None:
        """The batch that has the confirmed block at this height; ``None`` if this node has not read it, or it is not
        known any more."""
        return self._list.find(height) if height <= self._host.node.chain.confirmed.height else None

    @property
    def held(self) -> bool:
        """Is the producer to wait? The poster says so; and nothing is made below the block of a mark."""
        return self._awaits is not None or self._carrier.poster.held

    @property
    def wrong(self) -> str:
        """Why the layer is not followed any more; empty as long as it is."""
        reader = self._carrier.reader
        return (reader.why or self._broke(reader.final.place)) if reader.state is State.BROKEN else ""

    def _broke(self, was: Place) -> str:
        return OTHER_LAYER if self._given is not None and was == self._given.place else BROKE

    @property
    def waits(self) -> float:
        """Seconds for which nothing was confirmed, though there is something to confirm."""
        return max(0.0, self._clock() - max(self._heads[0][1], self._confirmed_at)) if self._heads else 0.0

    @property
    def cut_off(self) -> bool:
        """Is nothing read? The reader says so."""
        return reading.cut_off(self._carrier.reader, self._clock())

    def status(self) -> Mapping[str, Any]:
        """For an operator, as plain data."""
        reader, poster = self._carrier.reader, self._carrier.poster
        return {
            "reader": reading.status(reader),
            "poster": posting.status(poster) if self._sign is not None else None,
            "layer": reader.mark.place.height,
            "heard_seconds": self._clock() - reader.heard,  # since it began, if never
            "cut_off": self.cut_off,
            "trouble": reader.why,
            "wrong": self.wrong,
            "batches": self.batches,
            "bytes": self.bytes,
            "retries": self.retries,
            "contradictions": self.contradictions,
            "confirmed_lag_seconds": self.lag,
            "waits_seconds": self.waits,
            "overdue": self._awaits is None and self.waits > self._limits.overdue,
            "mark": str(self._given.tip) if self._given is not None else "",
            "awaits_mark": self._awaits is not None,
        }

    def _resumed(self, kept: Kept, first: Kept) -> Kept:
        """Where to read on; what was confirmed is so again."""
        found = follow.resumed(self._host.node.chain, kept, first)
        if found.final != kept.final:
            self._journal("mark-unknown", tip=kept.final.tip, sentence=UNKNOWN)
        confirmed = follow.again(found, self._clock())
        if confirmed is not None:
            self._host.feed(confirmed)
        return found

    # What the reader tells ----------------------------------------------------------------------------------------

    def _told(self, output: Any, now: float) -> str | None:
        before, event = self._host.node.chain, follow.event(output, now)
        withheld = isinstance(output, Confirmed) and self._withheld(output.cover)
        if event is not None:
            try:
                self._host.feed(event)
            except LocalError as error:
                why = f"{REFUSED} ({error})"
                self._journal("da-refused", sentence=why)
                return why
        match output:
            case Confirmed(cover, _, place):
                self._list.tell(output)
                self._confirmed(before, cover, place, now, withheld)
            case TakenBack(tip):
                self._journal("taken-back", to=tip)
            case Keep(kept):
                marks.keep(self._path, kept)
            case Skipped(place, index, fault):
                signed = fault.penalty is not Penalty.NONE
                self._journal(
                    "bad-batch" if signed else "skipped", layer=place.height, index=index, rule=fault.rule,
                    detail=fault.detail, penalty=fault.penalty.name.lower(),
                )  # fmt: skip
            case Unheard(_, why):
                self._journal("da-unheard", detail=why, sentence="The layer does not answer. Soft blocks go on.")
            case Unreadable(height, oldest):
                self._journal("da-pruned", layer=height, oldest=oldest, sentence=PRUNED)
            case Broke(was, is_now, why):
                instead = is_now.id if is_now is not None else b""
                self._journal("da-broke", layer=was.height, was=was.id, now=instead, sentence=why or self._broke(was))
            case Load(read):
                if not read:
                    self._journal("da-silent", sentence=SILENT)
                self._begin()
            case Hold(count):
                self._journal("held", open=count, sentence="No more blocks are made before some are confirmed.")
            case Go():
                self._journal("goes-on")
            case Overdue(since, count, why):
                self._journal("overdue", open=count, seconds=round(now - since, 1), detail=why)
            case Stuck(detail):
                self._journal("stuck", detail=detail, sentence="The layer takes no batch. It is tried again later.")
            case Overruled(tip, ours):
                self._journal("overruled", tip=tip, ours=ours, sentence=OTHERS)
        return None

    def _withheld(self, cover: Cover) -> bool:
        node = self._host.node
        return follow.withheld((peer.main for peer in node.status().peers if peer.main), node.chain, cover)

    def _confirmed(self, before: Chain, cover: Cover, place: Place, now: float, withheld: bool) -> None:
        last = cover.end.height
        self._confirmed_at = now
        if self._heads and self._heads[0][0] <= last:
            self.lag = now - self._heads[0][1]
        while self._heads and self._heads[0][0] <= last:
            self._heads.popleft()
        waited = round(self.lag, 3) if self.lag is not None else None
        self._journal("batch", layer=place.height, first=cover.first, last=last, waited=waited)
        if withheld:
            self._journal("layer-ahead", was=before.head.point, last=last, sentence=AHEAD)
        height = follow.contradicted(before, self._host.node.chain)
        if height is not None:
            self.contradictions += 1
            self._journal("contradicted", height=height, was=before.head.point, sentence=CONTRADICTS)

    # What the host does -------------------------------------------------------------------------------------------

    def _watch(self, output: Output, now: float) -> None:
        if not isinstance(output, HeadMoved):
            return
        new, chain = output.new, self._host.node.chain
        while self._heads and self._heads[-1][0] >= new.height:
            self._heads.pop()
        self._heads.append((new.height, now))
        if self._sign is None or self._awaits is not None:
            return
        if output.common != output.old:
            self._begin()
            return
        run = chain.path(chain.best_at(output.old.height) or chain.base, new.height - output.old.height)
        for header in run:
            self._carrier.made(header)

    def _begin(self) -> None:
        """Post from where the layer's final block is on."""
        final, chain = self._carrier.reader.final.tip, self._host.node.chain
        ours = chain.best_at(min(max(final.height, chain.base.height), chain.head.height)) or chain.head
        above = chain.path(ours, chain.head.height - ours.height)
        self._carrier.begin(Begin(final, ours.point, above))

    def _make(self, submit: Submit) -> bytes:
        """The batch of these blocks, signed. ``LocalError`` if a body is lost."""
        assert self._sign is not None
        chain = self._host.node.chain
        parent = chain.ancestor(submit.last.id, submit.first.height - 1)
        headers = chain.path(parent, submit.last.height - parent.height)
        bodies = self._host.store.bodies([header.point for header in headers])
        batch = batch_of(self._chain_id, tuple(map(_entry, headers, bodies)))
        blob = encode(replace(batch, proof=self._sign(unsigned(batch))))
        again = self._posted is not None and submit.first.height <= self._posted.height
        self._posted = submit.last
        self.batches, self.bytes, self.retries = self.batches + 1, self.bytes + len(blob), self.retries + again
        first, last = submit.first.height, submit.last.height
        self._journal("post", first=first, last=last, bytes=len(blob), again=again)
        return blob


def _entry(header: Header, body: bytes | None) -> Entry:
    if body is None:
        raise LocalError(
            f"the body of block {header.point} is lost, so it can not be posted: mend it with syncfsm store repair, "
            "from a node that has it"
        )
    return Entry(header, body)
