"""Asks properties about distinct values only."""

from collections.abc import Callable, Hashable, Sequence
from math import prod
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from syncfsm.check.arrays import Column, Ints
from syncfsm.check.mistakes import call
from syncfsm.check.packing import WORD
from syncfsm.check.properties import Always, Ends, Property, Settles, Sometimes, SometimesStep, Steps
from syncfsm.check.tables import Tabulated
from syncfsm.check.world import World
from syncfsm.errors import LocalError

DENSE: Final = 1 << 22
"""Up to so many combinations of views, a table says which have been asked about."""


class Views:
    """What properties look at, as numbers: for one component and one view, the number of each local state's view."""

    def __init__(self, table: Tabulated, owner: Property, view: Callable[[Any], Hashable]) -> None:
        self._table, self._owner, self._view = table, owner, view
        self._numbers: dict[Hashable, int] = {}
        self.values: list[Hashable] = []
        self._of = Column(np.int32)

    def of(self, locals_: NDArray[Any]) -> NDArray[Any]:
        """The views of these local states."""
        for local in self._table.values[self._of.size :]:
            view = call(self._owner, self._view, local)
            try:
                number = self._numbers.setdefault(view, len(self.values))
            except TypeError as error:
                raise LocalError(f"property {self._owner.name!r}: {error}; views are hashable values") from error
            if number == len(self.values):
                self.values.append(view)
            self._of.append(number)
        found: NDArray[Any] = self._of.all[locals_]
        return found


class Asked:
    """The combinations of views that one property has been asked about."""

    def __init__(self) -> None:
        self._sizes: tuple[int, ...] = ()
        self._dense: NDArray[np.bool_] | None = None
        self._sparse: set[Hashable] = set()

    def new(self, numbers: Sequence[NDArray[Any]], sizes: Sequence[int]) -> NDArray[Any]:
        """One row for each combination that is new, in the order of the rows."""
        if any(size > room for size, room in zip(sizes, self._sizes or [0] * len(sizes), strict=True)):
            self._sizes = tuple(max(8, 1 << (size - 1).bit_length()) for size in sizes)
            total = prod(self._sizes)
            self._dense = np.zeros(total, bool) if total <= DENSE else None
            self._sparse = set()  # what was asked before is asked again: the numbering has changed
        if self._dense is not None:
            combined = self._combined(numbers)
            rows = np.flatnonzero(~self._dense[combined])
            self._dense[combined[rows]] = True
            _, first = np.unique(combined[rows], return_index=True)
            return np.sort(rows[first])
        values, first = self._distinct(numbers)
        fresh = [at for value, at in zip(values, first.tolist(), strict=True) if value not in self._sparse]
        self._sparse.update(values)
        return np.sort(np.array(fresh, np.int64))

    def _combined(self, numbers: Sequence[NDArray[Any]]) -> Ints:
        combined = np.zeros(len(numbers[0]), np.int64)
        for number, size in zip(numbers, self._sizes, strict=True):
            combined = combined * size + number
        return combined

    def _distinct(self, numbers: Sequence[NDArray[Any]]) -> tuple[list[Hashable], NDArray[Any]]:
        """The distinct combinations, as one number each if that fits a word, and the first row of each."""
        if prod(self._sizes) <= 1 << WORD:
            values, first = np.unique(self._combined(numbers), return_index=True)
            return values.tolist(), first
        rows, first = np.unique(np.stack(numbers, axis=1), axis=0, return_index=True)
        return list(map(tuple, rows.tolist())), first


class Judge:
    """All properties of a world, and what has been asked about them."""

    def __init__(self, world: World, tables: Sequence[Tabulated]) -> None:
        self._world, self._tables = world, tables
        self._views: dict[tuple[int, Callable[..., Any]], Views] = {}
        properties = world.properties
        for p in properties:
            if not isinstance(p, Property):
                raise LocalError(f"world {world.name}: {p!r} is no property; Always, Steps and others are")
            for name in () if isinstance(p, Settles) else (*p.over, *getattr(p, "beside", ())):
                world.find(name)  # a property of a component that is not there would hold for nothing
        self._always = [p for p in properties if isinstance(p, Always) and not isinstance(p, Ends | Sometimes)]
        self._ends = [p for p in properties if isinstance(p, Ends)]
        self._sometimes = [p for p in properties if isinstance(p, Sometimes)]
        self._sometimes_steps = [p for p in properties if isinstance(p, SometimesStep)]
        self._asked: dict[Always, Asked] = {p: Asked() for p in (*self._always, *self._ends, *self._sometimes)}
        self._beside: dict[tuple[Any, ...], bool] = {}
        self._reached: set[str] = set()

    def _view(self, place: int, p: Always | Steps) -> Views:
        found = self._views.get((place, p.view))
        if found is None:
            found = self._views[place, p.view] = Views(self._tables[place], p, p.view)
        return found

    def _fresh(self, wanted: Always, fields: Sequence[Ints]) -> tuple[NDArray[Any], list[tuple[Any, ...]]]:
        """The rows with new combinations of views, and those views."""
        places = [self._world.find(name) for name in wanted.over]
        views = [self._view(place, wanted) for place in places]
        numbers = [view.of(fields[place]) for view, place in zip(views, places, strict=True)]
        rows = self._asked[wanted].new(numbers, [len(view.values) for view in views])
        seen = [tuple(view.values[n[row]] for view, n in zip(views, numbers, strict=True)) for row in rows]
        return rows, seen

    def _first_wrong(self, properties: Sequence[Always], fields: Sequence[Ints]) -> tuple[Always, int] | None:
        wrong: tuple[Always, int] | None = None
        for p in properties:
            rows, seen = self._fresh(p, fields)
            for row, views in zip(rows.tolist(), seen, strict=True):
                if (wrong is None or row < wrong[1]) and not call(p, p.holds, *views):
                    wrong = (p, row)
                    break
        return wrong

    def states(self, fields: Sequence[Ints]) -> tuple[Always, int] | None:
        """The first of these states that breaks a property, and that property. Notes what is reached."""
        for wanted in self._sometimes:
            if wanted.name not in self._reached:
                _, seen = self._fresh(wanted, fields)
                if any(call(wanted, wanted.holds, *views) for views in seen):
                    self._reached.add(wanted.name)
        return self._first_wrong(self._always, fields)

    def ends(self, fields: Sequence[Ints]) -> tuple[Always, int] | None:
        """The same for states in which the protocol has come to rest."""
        return self._first_wrong(self._ends, fields)

    def steps(self, place: int, entries: NDArray[Any], fields: Sequence[Ints]) -> tuple[Steps, int] | None:
        """The first of these steps that breaks a property which looks at other components too."""
        table = self._tables[place]
        wanted = dict.fromkeys(p for entry in np.unique(entries) for p in table.asks.get(int(entry), ()))
        for p in wanted:
            places = [self._world.find(name) for name in p.beside]
            views = [self._view(at, p) for at in places]
            numbers = [view.of(fields[at]) for view, at in zip(views, places, strict=True)]
            stacked = np.stack([entries.astype(np.int64), *(number.astype(np.int64) for number in numbers)])
            combinations, first = np.unique(stacked, axis=1, return_index=True)
            for (entry, *seen), row in sorted(
                zip(combinations.T.tolist(), first.tolist(), strict=True), key=lambda x: x[1]
            ):
                if p in table.asks.get(entry, ()) and not self._holds(p, table, entry, views, seen):
                    return p, row
        return None

    def _holds(self, p: Steps, table: Tabulated, entry: int, views: Sequence[Views], seen: Sequence[int]) -> bool:
        key = (p, table.place, entry, *seen)
        known = self._beside.get(key)
        if known is None:
            values = [view.values[number] for view, number in zip(views, seen, strict=True)]
            known = self._beside[key] = call(p, p.holds, table.moments[entry], *values)
        return known

    def reached(self) -> set[str]:
        """The names of what had to be reached, and was."""
        steps = {
            p.name
            for table in self._tables
            for entry, found in table.reaches.items()
            if table.used.all[entry]
            for p in found
        }
        return self._reached | steps

    def unreached(self) -> Sometimes | SometimesStep | None:
        reached = self.reached()
        wanted: list[Sometimes | SometimesStep] = [*self._sometimes, *self._sometimes_steps]
        return next((p for p in wanted if p.name not in reached), None)
