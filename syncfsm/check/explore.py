"""Breadth-first exploration of a world, whole frontiers at a time.

A state is one packed integer. A frontier is expanded component by component: its choices are looked up, and the
emissions are delivered to all rows at once, one emission a row and round. What comes out is sorted, told apart exactly
from what is known, and numbered. The order does not depend on anything but the world, so neither do the stories.
"""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from syncfsm.check.arrays import Column, Ints, SortedIndex
from syncfsm.check.found import NEVER_RAISES, UNREACHED, Batch, Progress, Violation
from syncfsm.check.judge import Judge
from syncfsm.check.packing import Keys, Layout
from syncfsm.check.properties import Settles
from syncfsm.check.settle import Settled, settle
from syncfsm.check.tables import ASKS, BROKEN, REFUSED, Stimuli, Tabulated
from syncfsm.check.world import State, World

CHUNK: Final = 1 << 15
"""States expanded at a time: their rows fit the processor's cache."""
MOST: Final = 1 << 30
"""No more states than this: their numbers are 32 bits wide, and a level may double them."""


class _OutgrownError(Exception):
    """A component has more local states than its field can tell apart."""

    def __init__(self, place: int) -> None:
        self.place = place


@contextmanager
def _no_collecting() -> Iterator[None]:
    """Local states are kept for good and have no cycles: to look for garbage among them again and again is slow."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Exploration:
    """The states of a world, as far as they are explored. ``run`` may be called again to go on.

    ``bits`` is how wide the field of each component is at first; fields grow by themselves.
    """

    def __init__(self, world: World, bits: int = 4) -> None:
        self.world = world
        self._stimuli = Stimuli(world.names)
        self._tables = [
            Tabulated(place, component, self._stimuli, world.properties)
            for place, component in enumerate(world.components)
        ]
        self._judge = Judge(world, self._tables)
        self._layout = Layout.of([bits] * len(self._tables))
        self._keys = Keys(self._layout)
        self._words = [Column(np.int64) for _ in range(self._layout.count)]
        self._parent, self._place, self._choice = Column(np.int32), Column(np.int8), Column(np.int32)
        self._from, self._to = Column(np.int32), Column(np.int32)
        self._index = SortedIndex()
        self._expanded = 0
        self.transitions = 0
        self.depth = 0
        self.violation: Violation | None = None
        self.settled: Settled | None = None
        self._adopt(self._layout.pack([np.zeros(1, np.int64)] * len(self._tables)))
        self._judge_states(0)

    # Going on -----------------------------------------------------------------------------------------------------

    @property
    def states(self) -> int:
        """Distinct states found."""
        return self._parent.size

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to explore."""
        return self.violation is not None or self._expanded == self.states

    def run(self, most: int | None = None, told: Callable[[Progress], None] = lambda progress: None) -> None:
        """Explore until a property is violated, nothing is left, or ``most`` states are known; then judge the whole.

        Whole levels are explored, so it ends with somewhat more than ``most``. ``told`` is called after each. A mistake
        in the world raises ``LocalError``.
        """
        with _no_collecting():
            while not self.complete and self.states < (MOST if most is None else min(most, MOST)):
                self._level()
                told(self.progress)
        if self.violation is None and self._expanded == self.states:
            self._conclude()

    @property
    def progress(self) -> Progress:
        return Progress(self.depth, self.states, self.states - self._expanded, self.transitions, self.nbytes)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays kept; at its peak the process takes up to three times as much."""
        columns = (*self._words, self._parent, self._place, self._choice, self._from, self._to)
        kept = sum(column.nbytes for column in columns) + self._index.nbytes + self._keys.nbytes
        return kept + self._stimuli.nbytes + sum(table.nbytes for table in self._tables)

    def _level(self) -> None:
        low, high = self._expanded, self.states
        while True:
            try:
                chunks = [(start, min(start + CHUNK, high)) for start in range(low, high, CHUNK)]
                batches = [batch for chunk in chunks for batch in self._expand(*chunk)]
                break
            except _OutgrownError as outgrown:
                self._widen(outgrown.place)
        self._judge_ends(low, high, batches)  # before what the steps broke: this is a shorter story
        if self.violation is not None:
            return
        self._expanded = high
        if batches:
            self._join(batches)
            if self.states > high:
                self.depth += 1
                self._judge_states(high)

    # Expanding ----------------------------------------------------------------------------------------------------

    def _expand(self, low: int, high: int) -> Iterator[Batch]:
        """All actions from the states ``low`` to ``high``, carried out."""
        words = [word.all[low:high] for word in self._words]
        for place, table in enumerate(self._tables):
            locals_ = self._layout.field(words, place)
            table.open(locals_)
            self._check(place)
            counts = table.count.all[locals_]
            total = int(counts.sum())
            if not total:
                continue
            at = np.repeat(np.arange(len(locals_), dtype=np.int32), counts)
            ahead = np.cumsum(counts) - counts
            choice = np.arange(total) + (table.first.all[locals_] - ahead)[at]
            batch = Batch(
                [word[at] for word in words], at + np.int32(low), choice, place, table.choice_free.all[choice]
            )
            yield self._carry_out(batch, table.choice_entry.all[choice])

    def _carry_out(self, batch: Batch, entry: NDArray[Any]) -> Batch:
        """Deliver all emissions, one a row and round; rows in which a step refuses are dropped."""
        trail: list[tuple[int, NDArray[Any] | None, NDArray[Any]]] = []
        asked: list[tuple[int, NDArray[Any], NDArray[Any], list[Ints]]] = []
        pending = self._apply(batch, batch.place, None, entry, trail, asked)
        dead: list[NDArray[Any]] = []
        lists = self._stimuli
        while True:
            live = np.flatnonzero(pending)
            if not len(live):
                break
            waiting = pending[live]
            targets = lists.target.all[waiting]
            for place in range(int(targets.min()), int(targets.max()) + 1):
                here = targets == place
                at, given = live[here], waiting[here]
                if not len(at):
                    continue
                table, word = self._tables[place], batch.words[self._layout.words[place]]
                locals_ = (word[at] >> self._layout.shifts[place]) & ((1 << self._layout.widths[place]) - 1)
                entry = table.look(lists.stimulus.all[given], locals_)
                self._check(place)
                refused = entry == REFUSED
                if refused.any():
                    dead.append(at[refused])
                    pending[at[refused]] = 0
                    at, given, entry = at[~refused], given[~refused], entry[~refused]
                then = self._apply(batch, place, at, entry, trail, asked)
                pending[at] = lists.join(lists.rest.all[given], then)
        return self._survivors(batch, dead, trail, asked)

    def _apply(
        self, batch: Batch, place: int, at: NDArray[Any] | None, entry: NDArray[Any], trail: list[Any], asked: list[Any]
    ) -> NDArray[Any]:
        """Take these entries' steps; the lists of what they emit."""
        table = self._tables[place]
        trail.append((place, at, entry))
        flags = table.flags.all
        if table.flagged and (marked := np.flatnonzero(flags[entry])).size:
            which = marked if at is None else at[marked]
            asked.append((place, which, entry[marked], [word[which] for word in batch.words]))
        change = table.change.all[entry] << self._layout.shifts[place]
        word = batch.words[self._layout.words[place]]
        if at is None:
            word += change
        else:
            word[at] += change
        out: NDArray[Any] = table.emit.all[entry]
        return out

    def _survivors(self, batch: Batch, dead: list[NDArray[Any]], trail: list[Any], asked: list[Any]) -> Batch:
        """The rows in which nobody refused. Their steps have happened: mark them used, and judge them."""
        alive = np.ones(len(batch.source), bool)
        for refused in dead:
            alive[refused] = False
        for place, at, entry in trail:
            happened = entry if not dead else entry[alive if at is None else alive[at]]
            self._tables[place].used.all[happened] = True
        for place, which, entry, words in asked:
            self._judge_steps(batch, alive, place, which, entry, words)
        return batch.only(alive) if dead else batch

    def _check(self, place: int) -> None:
        if len(self._tables[place].values) > 1 << self._layout.widths[place]:
            raise _OutgrownError(place)

    def _widen(self, place: int) -> None:
        """Give a component a wider field, and pack all states anew."""
        fields = self._layout.unpack([word.all for word in self._words])
        widths = list(self._layout.widths)
        widths[place] = max(widths[place] + 1, len(self._tables[place].values).bit_length())
        self._layout = Layout.of(widths)
        self._keys, self._index = Keys(self._layout), SortedIndex()
        self._words = [Column(np.int64) for _ in range(self._layout.count)]
        for column, word in zip(self._words, self._layout.pack(fields), strict=True):
            column.extend(word)
        keys = self._keys.of([word.all for word in self._words])
        order = np.argsort(keys)
        self._index.add(keys[order], order.astype(np.int32))

    # Numbering ----------------------------------------------------------------------------------------------------

    def _join(self, batches: Sequence[Batch]) -> None:
        """Number the states reached, keep how each new one was first reached, and the protocol's edges."""
        words = [np.concatenate([batch.words[at] for batch in batches]) for at in range(self._layout.count)]
        source = np.concatenate([batch.source for batch in batches])
        free = np.concatenate([batch.free for batch in batches])
        self.transitions += len(source)
        if not len(source):
            return
        keys = self._keys.of(words)
        order = np.argsort(keys)
        ordered = keys[order]
        bound = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        starts = np.flatnonzero(bound)
        distinct = ordered[starts]
        numbers = self._index.find(distinct)
        new = np.flatnonzero(numbers < 0)
        numbers[new] = self.states + np.arange(len(new))
        reached = np.empty(len(keys), np.int32)
        reached[order] = numbers[np.cumsum(bound) - 1]
        self._from.extend(source[~free])
        self._to.extend(reached[~free])
        if not len(new):
            return
        first = np.minimum.reduceat(order, starts)[new]
        place = np.repeat(
            np.array([batch.place for batch in batches], np.int8), [len(batch.source) for batch in batches]
        )
        choice = np.concatenate([batch.choice for batch in batches])
        self._index.add(distinct[new], numbers[new].astype(np.int32))
        self._extend([word[first] for word in words], source[first], place[first], choice[first])

    def _adopt(self, words: list[Ints]) -> None:
        """The state in which everything begins."""
        self._index.add(self._keys.of(words), np.zeros(1, np.int32))
        self._extend(words, np.full(1, -1), np.zeros(1), np.zeros(1))

    def _extend(self, words: list[Ints], parent: NDArray[Any], place: NDArray[Any], choice: NDArray[Any]) -> None:
        for column, word in zip(self._words, words, strict=True):
            column.extend(word)
        self._parent.extend(parent)
        self._place.extend(place)
        self._choice.extend(choice)

    # Judging ------------------------------------------------------------------------------------------------------

    def _judge_states(self, low: int) -> None:
        fields = self._layout.unpack([word.all[low:] for word in self._words])
        found = self._judge.states(fields)
        if found is not None:
            self._violated(found[0].name, found[0].sentence, "", self.path(low + found[1]))

    def _judge_ends(self, low: int, high: int, batches: Sequence[Batch]) -> None:
        goes_on = np.zeros(high - low, bool)
        for batch in batches:
            goes_on[batch.source[~batch.free] - low] = True
        ends = low + np.flatnonzero(~goes_on)
        if len(ends):
            found = self._judge.ends(self._layout.unpack([word.all[ends] for word in self._words]))
            if found is not None:
                self._violated(found[0].name, found[0].sentence, "", self.path(int(ends[found[1]])))

    def _judge_steps(
        self, batch: Batch, alive: NDArray[Any], place: int, which: NDArray[Any], entry: NDArray[Any], words: list[Ints]
    ) -> None:
        if self.violation is not None:
            return
        table, happened = self._tables[place], alive[which]
        which, entry, words = which[happened], entry[happened], [word[happened] for word in words]
        flags = table.flags.all[entry]
        wrong = np.flatnonzero(flags & BROKEN)
        if len(wrong):
            broken, actions = table.broken[int(entry[wrong[0]])], self._path_of(batch, int(which[wrong[0]]))
            if isinstance(broken, str):
                self._violated(*NEVER_RAISES, broken, actions)
            else:
                self._violated(broken.name, broken.sentence, "", actions)
            return
        asks = np.flatnonzero(flags & ASKS)
        if len(asks):
            found = self._judge.steps(place, entry[asks], self._layout.unpack([word[asks] for word in words]))
            if found is not None:
                self._violated(found[0].name, found[0].sentence, "", self._path_of(batch, int(which[asks[found[1]]])))

    def _violated(self, name: str, sentence: str, detail: str, actions: list[tuple[str, str]]) -> None:
        self.violation = Violation(name, sentence, detail, tuple(actions))

    def _conclude(self) -> None:
        """All states are known: do runs end, and was reached what must be?"""
        for wanted in self.world.properties:
            if isinstance(wanted, Settles) and self.settled is None:
                self.settled = settle(self.states, self._from.all, self._to.all)
                if self.settled.cycle:
                    self._circle(wanted, self.settled.cycle)
                    return
        missing = self._judge.unreached()
        if missing is not None:
            self._violated(missing.name, missing.sentence, UNREACHED, [])

    def _circle(self, wanted: Settles, cycle: Sequence[int]) -> None:
        """The way to a run that never ends, and once around."""
        actions = self.path(cycle[0])
        loop = len(actions)
        for here, there in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            actions.append(self._between(self.state(here), self.state(there)))
        self.violation = Violation(wanted.name, wanted.sentence, "a run without end", tuple(actions), loop)

    def _between(self, here: State, there: State) -> tuple[str, str]:
        for name, choice in self.world.choices(here):
            if not choice.environment:
                done = self.world.act(here, name, choice.stimulus)
                if done is not None and done[0] == there:
                    return name, choice.label
        raise AssertionError("an edge of the graph is an action")

    # Answers ------------------------------------------------------------------------------------------------------

    def state(self, number: int) -> State:
        """The local states of a state, by its number: 0 is the start, and deeper states have greater numbers."""
        fields = self._layout.unpack([word.all[number : number + 1] for word in self._words])
        return tuple(table.values[int(field[0])] for table, field in zip(self._tables, fields, strict=True))

    def path(self, number: int) -> list[tuple[str, str]]:
        """A shortest way to a state: (component, label) of each action."""
        actions = []
        while number > 0:
            table = self._tables[int(self._place.all[number])]
            actions.append((table.component.name, table.choices[int(self._choice.all[number])].label))
            number = int(self._parent.all[number])
        return actions[::-1]

    def _path_of(self, batch: Batch, row: int) -> list[tuple[str, str]]:
        table = self._tables[batch.place]
        last = (table.component.name, table.choices[int(batch.choice[row])].label)
        return [*self.path(int(batch.source[row])), last]

    @property
    def fired(self) -> set[Any]:
        """The rules that fired in a step that happened."""
        return {
            rule for table in self._tables for at in np.flatnonzero(table.used.all) for rule in table.moments[at].rules
        }

    @property
    def reached(self) -> set[str]:
        """The names of the properties that had to be reached, and were."""
        return self._judge.reached()
