"""Carries a reader, and a sequencer's poster beside it, to a layer. On trio and on asyncio: it is told how to sleep.

    carrier = Carrier(layer, view, kept, clock=trio.current_time, sleep=trio.sleep, tell=tell)
    carrier.start(make)                # a sequencer: Load is told, and answered by carrier.begin
    nursery.start_soon(carrier.read); nursery.start_soon(carrier.write)
    carrier.made(header)

There is no decision here: ``Fetch`` and ``Submit`` are carried out, all else is told. Both tasks can be cancelled at
any instant, and a new carrier goes on at what was kept.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from msgspec.structs import replace

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.truth.answers import Head, Outcome, Refused
from syncfsm.truth.poster import protocol as posting
from syncfsm.truth.poster.types import Begin, Poster, Start, Submit
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import READING, RESTING, At, Fetch, Kept, Reader, Refusal, Turn
from syncfsm.truth.types import View
from syncfsm_adapters.da import tasks
from syncfsm_adapters.da.layer import Layer

PULSE: Final = 0.05
"""Seconds after which a poster is looked at again, at the latest: blocks are made meanwhile, and the reader goes on."""


class Carrier:
    """One reader, and maybe one poster. Not safe for threads."""

    def __init__(
        self,
        layer: Layer,
        view: View,
        kept: Kept | None,
        *,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        tell: Callable[[Any, float], str | None],
    ) -> None:
        """``view`` has limits, chain and check; its time does not matter. ``kept`` is where reading begins;
        ``None`` if that is said later, with ``read_from``. ``tell`` is given every output that is not carried out here,
        and when it was; it may not raise. If the node can not follow what the reader tells, it says why."""
        self.reader, self.poster = Reader(), Poster()
        self._layer, self._view = layer, view
        self._clock, self._sleep, self._tell = clock, sleep, tell
        self._fetches = deque[Fetch]()
        self._begin_task: tasks.Begin
        self._submit: Submit | None = None
        self._make: Callable[[Submit], bytes] | None = None
        if kept is not None:
            self._read(kept)

    def read_from(self, kept: Kept) -> None:
        """Where reading begins, if that was not known before."""
        self._read(kept)

    def refuse(self, why: str) -> None:
        """The node can not follow the layer from where reading began, as ``why`` says."""
        self._read(Refusal(why))

    def start(self, make: Callable[[Submit], bytes]) -> None:
        """Be a sequencer's. ``make`` gives the signed batch, as a blob; it is called for blocks that were told of, and
        raises ``LocalError`` if it can not."""
        self._make = make
        self._post(Start())
        self._post(posting.seen(self.reader))

    def begin(self, begin: Begin) -> None:
        """What the sequencer has: it was asked for, or its chain is another one now."""
        self._post(begin)
        self._post(posting.seen(self.reader))

    def made(self, block: Header) -> None:
        """The sequencer has made this block, and has stored it. ``LocalError`` if it does not follow the last one."""
        self._post(block)

    def resume(self) -> None:
        """An operator has mended what the layer refused."""
        self._done(posting.resume(self.poster, self._now()))

    async def read(self) -> None:
        """Read the layer, until cancelled."""
        try:
            async with tasks.beside() as self._begin_task:
                await self._follow()
        finally:
            self._layer.close()

    async def _follow(self) -> None:
        while True:
            if self._fetches:
                await self._ask(self._fetches.popleft())
            elif self.reader.state is READING:
                await self._sleep(PULSE)  # others ask
            else:
                await self._wait()

    async def _ask(self, fetch: Fetch) -> None:
        """Ask for this height, and then for others, as long as there are any. What more there is others ask for."""
        while True:
            for _ in range(len(self._fetches)):
                self._begin_task(self._ask, self._fetches.popleft())
            self._read(At(fetch.height, await self._layer.blobs(fetch.height)))
            if not self._fetches:
                return
            fetch = self._fetches.popleft()

    async def _wait(self) -> None:
        due = reading.deadline(self.reader, self._view.limits)
        if self.reader.state is RESTING and due is not None:
            await self._rest(due)
        else:
            await self._until(due)
            self._read(None)

    async def _rest(self, due: float) -> None:
        """Hear of the layer's next block, or look again when it is time to."""
        while (left := due - self._clock()) > 0:
            news = await self._layer.wait(self.reader.next, left)
            if isinstance(news, Head) and news.height >= self.reader.next:
                self._read(news)
                return
            await self._sleep(min(PULSE, max(0.0, due - self._clock())))
        self._read(None)

    async def write(self) -> None:
        """Give batches to the layer as they become due, until cancelled."""
        while True:
            if self._submit is not None and self._make is not None:
                submit, self._submit = self._submit, None
                self._post(await self._give(submit, self._make))
            else:
                due = posting.deadline(self.poster, self._view.limits)
                await self._until(min(due if due is not None else float("inf"), self._clock() + PULSE))
                self._post(None)

    async def _give(self, submit: Submit, make: Callable[[Submit], bytes]) -> Outcome:
        """What becomes of a batch. One that can not be made here is for an operator to mend, too."""
        try:
            blob = make(submit)
        except LocalError as error:
            return Refused(str(error))
        return await self._layer.submit(blob)

    def _read(self, given: Kept | At | Refusal | Head | None) -> None:
        """One step of the reader, and one of the poster that learns of it."""
        step = reading.step(self.reader, given, self._now())
        self.reader = step.value
        self._post(posting.seen(self.reader))  # before others hear of it, so that it judges by its own blocks
        for output in step.outputs:
            match output:
                case Fetch():
                    self._fetches.append(output)
                case Turn(answer):
                    self._read(answer)
                case _:
                    why = self._tell(output, self._clock())
                    if why:
                        self._read(Refusal(why))
                        return

    def _post(self, given: Any) -> None:
        self._done(posting.step(self.poster, given, self._now()))

    def _done(self, step: Any) -> None:
        self.poster = step.value
        for output in step.outputs:
            if isinstance(output, Submit):
                self._submit = output
            else:
                self._tell(output, self._clock())

    def _now(self) -> View:
        return replace(self._view, now=self._clock())

    async def _until(self, when: float | None) -> None:
        await self._sleep(max(0.0, when - self._clock()) if when is not None else 3600.0)
