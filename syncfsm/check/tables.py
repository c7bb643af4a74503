"""Each local step is computed once, by calling the component, and is a number from then on."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from syncfsm.check.arrays import Column
from syncfsm.check.mistakes import call, said
from syncfsm.check.properties import Property, SometimesStep, Steps
from syncfsm.check.world import Choice, Component, Emission, Local, Moment, Step, Stimulus
from syncfsm.errors import LocalError

UNKNOWN: Final = -1
REFUSED: Final = -2
BROKEN: Final = 1
"""The step raised, or breaks a property by itself."""
ASKS: Final = 2
"""A property wants to see other components at this step."""


class Stimuli:
    """All stimuli of a world as numbers, one numbering for each component, and lists of emissions still to deliver.

    A list is a number too, 0 is the empty one: ``target`` and ``stimulus`` are its first emission, ``rest`` the others.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self._places = {name: at for at, name in enumerate(names)}
        self._stimuli: list[dict[Stimulus, int]] = [{} for _ in names]
        self.values: list[list[Stimulus]] = [[] for _ in names]
        self._lists: dict[tuple[tuple[int, int], ...], int] = {(): 0}
        self._texts: list[tuple[tuple[int, int], ...]] = [()]
        self._joined: dict[tuple[int, int], int] = {}
        self.target, self.stimulus, self.rest = Column(np.int8), Column(np.int32), Column(np.int32)
        for column in (self.target, self.stimulus, self.rest):
            column.append(0)

    def number(self, place: int, stimulus: Stimulus) -> int:
        known = self._stimuli[place]
        try:
            found = known.setdefault(stimulus, len(known))
        except TypeError as error:
            raise LocalError(f"stimulus {stimulus!r}: {error}; stimuli are hashable values") from error
        if found == len(self.values[place]):
            self.values[place].append(stimulus)
        return found

    def emissions(self, given: tuple[Emission, ...]) -> int:
        pairs = []
        for name, stimulus in given:
            if name not in self._places:
                raise LocalError(f"{stimulus!r} is emitted to {name!r}; the components are {', '.join(self._places)}")
            pairs.append((self._places[name], self.number(self._places[name], stimulus)))
        return self._list(tuple(pairs))

    def _list(self, pairs: tuple[tuple[int, int], ...]) -> int:
        found = self._lists.get(pairs)
        if found is None:
            rest = self._list(pairs[1:])
            found = self._lists[pairs] = len(self._texts)
            self._texts.append(pairs)
            self.target.append(pairs[0][0])
            self.stimulus.append(pairs[0][1])
            self.rest.append(rest)
        return found

    def join(self, first: NDArray[Any], then: NDArray[Any]) -> NDArray[Any]:
        """The lists ``first`` followed by the lists ``then``."""
        joined = np.where(first == 0, then, first)
        both = np.flatnonzero((first != 0) & (then != 0))
        if len(both):
            pairs, where = np.unique((first[both].astype(np.int64) << 32) | then[both], return_inverse=True)
            made = [self._join(int(pair) >> 32, int(pair) & 0xFFFFFFFF) for pair in pairs]
            joined[both] = np.array(made, joined.dtype)[where]
        return joined

    def _join(self, a: int, b: int) -> int:
        found = self._joined.get((a, b))
        if found is None:
            found = self._joined[a, b] = self._list(self._texts[a] + self._texts[b])
        return found

    @property
    def nbytes(self) -> int:
        return self.target.nbytes + self.stimulus.nbytes + self.rest.nbytes


class Tabulated:
    """One component, its local states and steps as numbers.

    ``grid[stimulus, local]`` is the number of an entry; an entry has the change of the local number, the list of
    emissions, and flags. The choices of a local state are the entries ``first`` to ``first + count``.
    """

    def __init__(self, place: int, component: Component, stimuli: Stimuli, properties: tuple[Property, ...]) -> None:
        self.place, self.component, self._stimuli = place, component, stimuli
        self._steps = [p for p in properties if isinstance(p, Steps) and component.name in p.over]
        self._reach = [p for p in properties if isinstance(p, SometimesStep) and component.name in p.over]
        self.values: list[Local] = []
        self._numbers: dict[Local, int] = {}
        self.grid = np.full((16, 16), UNKNOWN, np.int32)
        self.change, self.emit, self.flags, self.used = (
            Column(np.int64), Column(np.int32), Column(np.uint8), Column(np.bool_),
        )  # fmt: skip
        self._made: list[tuple[int, int, int]] = []
        self.flagged = False
        self.moments: list[Moment] = []
        self.broken: dict[int, Steps | str] = {}
        self.asks: dict[int, list[Steps]] = {}
        self.reaches: dict[int, list[SometimesStep]] = {}
        self.first, self.count = Column(np.int32), Column(np.int32)
        self.choice_entry, self.choice_free = Column(np.int32), Column(np.bool_)
        self.choices: list[Choice] = []
        self.number(component.start)

    def number(self, local: Local) -> int:
        """The number of a local state."""
        try:
            found = self._numbers.setdefault(local, len(self.values))
        except TypeError as error:
            raise LocalError(f"component {self.component.name!r}: {error}; local states are hashable values") from error
        if found == len(self.values):
            self.values.append(local)
            self.first.append(0)
            self.count.append(UNKNOWN)
        return found

    def look(self, stimuli: NDArray[Any], locals_: NDArray[Any]) -> NDArray[Any]:
        """The entries of these steps; what is not known yet is computed by the component."""
        self._fit()
        entries: NDArray[Any] = self.grid[stimuli, locals_]
        missing = entries == UNKNOWN
        if missing.any():
            pairs = np.unique(locals_[missing].astype(np.int64) << 32 | stimuli[missing])
            for pair in pairs:
                self.entry(int(pair) >> 32, int(pair) & 0xFFFFFFFF)
            self._keep()
            entries = self.grid[stimuli, locals_]
        found: NDArray[Any] = entries
        return found

    def _fit(self) -> None:
        """Room in the grid for all stimuli and local states known so far."""
        rows, columns = self.grid.shape
        wanted_rows, wanted_columns = len(self._stimuli.values[self.place]), len(self.values)
        if wanted_rows > rows or wanted_columns > columns:
            shape = (max(rows, 2 * wanted_rows if wanted_rows > rows else 0),
                     max(columns, 2 * wanted_columns if wanted_columns > columns else 0))  # fmt: skip
            grid = np.full(shape, UNKNOWN, np.int32)
            grid[:rows, :columns] = self.grid
            self.grid = grid

    def entry(self, local: int, stimulus: int) -> int:
        """The entry of one step, or ``REFUSED``."""
        if stimulus >= self.grid.shape[0] or local >= self.grid.shape[1]:
            self._fit()
        known = int(self.grid[stimulus, local])
        if known != UNKNOWN:
            return known
        before, given = self.values[local], self._stimuli.values[self.place][stimulus]
        try:
            step = self.component.step(before, given)
        except Exception as error:  # whatever a component raises is a finding, not ours to choose
            moment = Moment(self.component.name, before, given, before)
            found = self._add(local, local, 0, moment, BROKEN)
            self.broken[found] = said(error)
        else:
            if step is None:
                self.grid[stimulus, local] = REFUSED
                return REFUSED
            if not isinstance(step, Step):
                raise LocalError(f"component {self.component.name!r}: a step is a Step or None, not {step!r}")
            moment = Moment(self.component.name, before, given, step.local, step.outputs, step.rules)
            found = self._judged(local, self.number(step.local), self._stimuli.emissions(step.emissions), moment)
        self.grid[stimulus, local] = found
        return found

    def _judged(self, local: int, after: int, emit: int, moment: Moment) -> int:
        asked = [p for p in self._steps if call(p, p.when, moment)]
        alone = [p for p in asked if not p.beside]
        beside = [p for p in asked if p.beside]
        broken = next((p for p in alone if not call(p, p.holds, moment)), None)
        found = self._add(local, after, emit, moment, (BROKEN if broken else 0) | (ASKS if beside else 0))
        if broken:
            self.broken[found] = broken
        if beside:
            self.asks[found] = beside
        reaches = [p for p in self._reach if call(p, p.holds, moment)]
        if reaches:
            self.reaches[found] = reaches
        return found

    def _add(self, before: int, after: int, emit: int, moment: Moment, flags: int) -> int:
        self._made.append((after - before, emit, flags))
        self.flagged = self.flagged or flags != 0
        self.moments.append(moment)
        return len(self.moments) - 1

    def _keep(self) -> None:
        """Put the entries made since into the arrays."""
        if self._made:
            made = np.array(self._made, np.int64)
            self.change.extend(made[:, 0])
            self.emit.extend(made[:, 1])
            self.flags.extend(made[:, 2])
            self.used.extend(np.zeros(len(made), bool))
            self._made.clear()

    def open(self, locals_: NDArray[Any]) -> None:
        """Learn the choices of these local states; one that the component itself refuses is none."""
        for local in np.unique(locals_[self.count.all[locals_] == UNKNOWN]):
            start = len(self.choices)
            for choice in self._choices(self.values[local]):
                entry = self.entry(int(local), self._stimuli.number(self.place, choice.stimulus))
                if entry != REFUSED:
                    self.choices.append(choice)
                    self.choice_entry.append(entry)
                    self.choice_free.append(choice.environment)
            self.first.all[local], self.count.all[local] = start, len(self.choices) - start
        self._keep()

    def _choices(self, local: Local) -> Sequence[Choice]:
        """What the component may do; stories tell choices apart by their labels."""
        choices: Sequence[Choice] = call(self.component, self.component.choices, local)
        labels = [choice.label for choice in choices]
        if len(set(labels)) < len(labels):
            raise LocalError(f"component {self.component.name!r}: two of its choices have one label: {labels}")
        return choices

    @property
    def nbytes(self) -> int:
        of_entries = (self.change, self.emit, self.flags, self.used)
        of_choices = (self.first, self.count, self.choice_entry, self.choice_free)
        return self.grid.nbytes + sum(column.nbytes for column in (*of_entries, *of_choices))
