"""What can be explored: a world is a product of deterministic components that hand stimuli to one another.

How a world moves: one component does one of its ``choices``. That is one stimulus to itself; its step may emit stimuli
to other components, which are delivered at once, oldest first, until none is left. All of this together is *one*
action. If any step on the way refuses (``None``), the action cannot happen in this state, and nothing changes.

A component is any object with the five members of ``Component``; its local states and its stimuli are hashable values.
``nodes.py`` has the ones that model a network of nodes. A ``Node`` of your own takes part if you write its ``step``.
"""

from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Final, Protocol

import attrs

from syncfsm.check.mistakes import call
from syncfsm.errors import LocalError

Local = Hashable
"""The state of one component: a value."""
Stimulus = Hashable
"""What a component is given: a value."""
Emission = tuple[str, Stimulus]
"""The name of a component, and a stimulus for it."""
State = tuple[Any, ...]
"""The state of a world: the local states of its components, in their order."""


@attrs.frozen
class Step:
    """What one stimulus does to one component. ``outputs`` and ``rules`` are for properties and stories only."""

    local: Local
    emissions: tuple[Emission, ...] = ()
    outputs: tuple[Any, ...] = ()
    rules: tuple[Any, ...] = ()


@attrs.frozen
class Choice:
    """A stimulus that a component may give itself. ``label`` names it among the choices of one local state.

    What is not ``environment`` is protocol: it must come to an end by itself when the environment stops.
    """

    label: str
    stimulus: Stimulus
    environment: bool = False


class Component(Protocol):
    """A deterministic part of a world."""

    @property
    def name(self) -> str: ...

    @property
    def start(self) -> Local: ...

    def step(self, local: Any, stimulus: Any) -> Step | None:
        """Pure. ``None`` refuses: the whole action cannot happen now. An exception is a violation, with its story."""
        ...

    def choices(self, local: Any) -> Sequence[Choice]:
        """What it may do by itself, in a fixed order, each with a label of its own."""
        ...

    def show(self, local: Any) -> str:
        """One short line for people."""
        ...


MEMBERS: Final = ("name", "start", "step", "choices", "show")
"""What an object needs to be a component."""


@attrs.frozen
class Moment:
    """One component's step, as properties and stories see it. A step that ``raised`` says what, and changes nothing."""

    component: str
    before: Any
    stimulus: Any
    after: Any
    outputs: tuple[Any, ...] = ()
    rules: tuple[Any, ...] = ()
    raised: str = ""


class StepError(Exception):
    """A step raised. ``moments`` is what happened before it in the same action, the step itself last."""

    def __init__(self, moments: tuple[Moment, ...]) -> None:
        super().__init__(moments[-1].raised)
        self.moments = moments


@attrs.frozen
class Move:
    """Something the environment may do ``times`` times: emissions to be delivered in this order.

    Whoever may refuse comes first, so that nobody has taken a step that then did not happen.
    """

    label: str
    emissions: tuple[Emission, ...]
    times: int = 1


@attrs.frozen
class Environment:
    """All that is not protocol, with a budget. Its local state is how often each move is left."""

    moves: tuple[Move, ...]
    name: str = "environment"

    @property
    def start(self) -> tuple[int, ...]:
        return tuple(move.times for move in self.moves)

    def step(self, local: tuple[int, ...], stimulus: int) -> Step:
        left = tuple(count - (at == stimulus) for at, count in enumerate(local))
        return Step(left, self.moves[stimulus].emissions)

    def choices(self, local: tuple[int, ...]) -> Sequence[Choice]:
        return tuple(Choice(self.moves[at].label, at, True) for at, count in enumerate(local) if count)

    def show(self, local: tuple[int, ...]) -> str:
        return ", ".join(move.label for move, count in zip(self.moves, local, strict=True) for _ in range(count))


@attrs.frozen
class World:
    """A named product of components, each with a name of its own, and the properties that it is to have.

    ``rows`` are the rules whose firing is to be reported, if the components name the rules they apply. ``LocalError``
    if there is no component, if one lacks a member of ``Component``, or if two have the same name.
    """

    name: str
    components: tuple[Component, ...]
    properties: tuple[Any, ...] = ()
    doc: str = ""
    rows: tuple[Any, ...] = ()

    def __attrs_post_init__(self) -> None:
        for component in self.components:
            for member in MEMBERS:
                if not hasattr(component, member):
                    raise LocalError(f"world {self.name}: {component!r} has no {member!r}; see syncfsm.check.Component")
        if not self.components or len(set(self.names)) < len(self.names):
            names = ", ".join(self.names) or "none"
            raise LocalError(f"world {self.name}: give it components, each with a name of its own; there are {names}")

    @property
    def start(self) -> State:
        return tuple(component.start for component in self.components)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(component.name for component in self.components)

    def find(self, name: str) -> int:
        """The place of a component among the components. ``LocalError`` if there is none of this name."""
        if name not in self.names:
            raise LocalError(f"world {self.name} has no component {name!r}; it has {', '.join(self.names)}")
        return self.names.index(name)

    def show(self, name: str, local: Any) -> str:
        """A local state of this component, for people."""
        component = self.components[self.find(name)]
        return str(call(component, component.show, local))

    def choices(self, state: State) -> list[tuple[str, Choice]]:
        """All that may be tried in this state: (component, choice). Whether it can happen, ``act`` tells."""
        pairs = zip(self.components, state, strict=True)
        return [(component.name, choice) for component, local in pairs for choice in component.choices(local)]

    def act(self, state: State, name: str, stimulus: Stimulus) -> tuple[State, tuple[Moment, ...]] | None:
        """One action, slowly and plainly: the meaning of a world. The explorer does the same with tables.

        ``None`` if a step refuses; ``StepError`` if one raises.
        """
        locals_, moments = list(state), list[Moment]()
        pending = deque([(name, stimulus)])
        while pending:
            target, given = pending.popleft()
            at = self.find(target)
            before = locals_[at]
            try:
                step = self.components[at].step(before, given)
            except Exception as error:
                moments.append(Moment(target, before, given, before, raised=f"{type(error).__name__}: {error}"))
                raise StepError(tuple(moments)) from error
            if step is None:
                return None
            locals_[at] = step.local
            moments.append(Moment(target, before, given, step.local, step.outputs, step.rules))
            pending += step.emissions
        return tuple(locals_), tuple(moments)
