"""Tells the story: has the processes started, one of them lost and brought back, and asks at the end what they hold."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import trio

from syncfsm.errors import LocalError
from syncfsm_adapters.story import truth
from syncfsm_adapters.story.figures import Account, figures
from syncfsm_adapters.story.heads import Line
from syncfsm_adapters.story.plan import LOST, SEQUENCER, WARM_BLOCKS, Plan, Scene
from syncfsm_adapters.story.stage import Stage

Say = Callable[[str], None]
"""Told what happens next, in words."""


class Director:
    """One telling. ``stage`` is what can be seen; ``tell`` runs it to its end."""

    def __init__(self, plan: Plan, say: Say) -> None:
        self.plan = plan
        self.stage = Stage(plan)
        self.phase = "starting"
        self._say = say

    async def tell(self) -> dict[str, Any]:
        """The whole story. ``LocalError`` if a process ends by itself or the story takes too long."""
        with trio.move_on_after(self.plan.patience) as scope:
            async with self.stage.opened():
                result = await self._acts()
        if scope.cancelled_caught:
            raise LocalError(f"the story took over {self.plan.patience:.0f} s and stopped while {self.phase}")
        return result

    async def _acts(self) -> dict[str, Any]:
        plan, stage = self.plan, self.stage
        await self._begin()
        lost = stage.scenes[LOST]
        if plan.mode.of_feed:
            lost = await self._feed()
        at, fed_at, cut_at = lost.height, stage.scenes[LOST].height, time.monotonic()
        await stage.lose(lost.name)
        await self._away(lost, at, fed_at)
        mended_at = time.monotonic()
        await stage.restore(lost.name)
        await self._back(lost, at)
        first_act = len(stage.lines)
        times = None
        if plan.da:
            times = await truth.alone(stage, self._enter)
            await truth.equivocation(stage, self._enter)
        await self._end()
        self._enter("reading the files back")
        account = Account(plan.mode, plan.interval, plan.degree, SEQUENCER, lost.name, cut_at, mended_at)
        agreed = await trio.to_thread.run_sync(stage.agreed)
        lines = stage.lines[:first_act] if plan.da else stage.lines
        found = figures(account, _by_time(lines), plan.names, agreed)
        if times is not None:
            found |= truth.shown(plan, _by_time(stage.lines), times)
            found["head"] = found["heads"]["soft"]
        return found

    def _enter(self, phase: str) -> None:
        self.phase = phase
        self._say(phase)

    # Acts ---------------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        """Start the sequencer, then the followers; ``LOST`` comes last, so that it is the one that dials."""
        plan, stage = self.plan, self.stage
        self._enter("starting the sequencer")
        if plan.da:
            await stage.start_layer()
        await stage.start(SEQUENCER)
        self._enter(f"starting {plan.followers} followers")
        for name in (*(name for name in plan.names if name != LOST), LOST):
            await stage.start(name)
        await stage.until(stage.linked)
        self._enter(f"all {plan.followers} followers in step; {WARM_BLOCKS} blocks together")
        together = stage.scenes[SEQUENCER].height + WARM_BLOCKS
        await stage.until(lambda: all(scene.height >= together for scene in stage.scenes.values()))

    async def _feed(self) -> Scene:
        """The node that feeds ``LOST``, halfway between two blocks."""
        fed = self.stage.scenes[LOST]
        before = fed.height
        await self.stage.until(lambda: fed.height > before and bool(fed.fed_by))
        await trio.sleep(self.plan.interval / 2)
        return self.stage.scenes[self.stage.named(fed.fed_by)]

    async def _away(self, lost: Scene, at: int, fed_at: int) -> None:
        """The gap. If a feed is lost, ``LOST``, which was at ``fed_at``, is seen to go on."""
        stage, mode, gap = self.stage, self.plan.mode, self.plan.gap
        source, fed = stage.scenes[SEQUENCER], stage.scenes[LOST]
        who = f"{lost.name}, which feeds {LOST}," if mode.of_feed else lost.name
        self._enter(f"{who} is {mode.done} at height {at}; waiting until the sequencer is {gap} blocks further")
        if mode.of_feed:
            await stage.until(lambda: fed.height > fed_at)
            self._say(f"{LOST} has block {fed.height} from {stage.named(fed.fed_by)}")
        await stage.until(lambda: source.height >= at + gap)

    async def _back(self, lost: Scene, at: int) -> None:
        """The return, and blocks after it."""
        stage, plan, source = self.stage, self.plan, self.stage.scenes[SEQUENCER]
        self._enter(f"{lost.name} is back; the sequencer is at {source.height}")
        await stage.until(lambda: lost.height >= at + plan.gap and lost.height >= source.height)
        self._enter(f"{lost.name} is at the live head, {lost.height}; {plan.tail} more blocks live")
        goal = lost.height + plan.tail
        await stage.until(lambda: all(scene.height >= goal for scene in stage.scenes.values()))

    async def _end(self) -> None:
        """The sequencer first: when it has stopped, there is one last head for all to have."""
        stage = self.stage
        self._enter("stopping")
        await stage.stop(SEQUENCER)
        head = stage.scenes[SEQUENCER].id
        await stage.until(lambda: all(scene.id == head for scene in stage.scenes.values()))
        for name in self.plan.names:
            await stage.stop(name)


def _by_time(lines: Iterable[Line]) -> list[Line]:
    return sorted(lines, key=lambda line: float(line["t"]))
