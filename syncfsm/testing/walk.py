"""Random walks through a world that is too large to be explored: a state machine for Hypothesis. Needs the checker's
extra (``syncfsm[check]``).

    run_state_machine_as_test(walks(world), settings=NIGHTLY)

The same properties are looked at as by ``syncfsm check``, in the states and steps of each walk, and where it comes to
rest. What must be reached somewhere, and that every run comes to an end, no single walk can show.
"""

from typing import Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from syncfsm.check import Always, Choice, Ends, Moment, Settles, Steps, World
from syncfsm.check.found import NEVER_RAISES
from syncfsm.check.world import State, StepError

MOST: Final = 1000
"""Protocol actions after which a walk is taken to have no end: no world of ours needs a tenth of it."""


class Walk:
    """One walk. ``AssertionError`` names the property that does not hold, and says how it came to that."""

    def __init__(self, world: World) -> None:
        self.world, self.state = world, world.start
        self.story: list[str] = []
        self.failed = False
        self._steps = [one for one in world.properties if isinstance(one, Steps)]
        self._always = [one for one in world.properties if type(one) is Always]
        self._ends = [one for one in world.properties if isinstance(one, Ends)]
        self._settles = any(isinstance(one, Settles) for one in world.properties)

    def act(self, pick: int, environment: bool = True) -> bool:
        """Do one of the actions that are possible now; the same ``pick`` does the same. Without ``environment``, one of
        the protocol's own. Says whether there is one."""
        choices = [(name, each) for name, each in self.world.choices(self.state) if environment or not each.environment]
        for number in range(len(choices)):
            name, choice = choices[(pick + number) % len(choices)]
            done = self._act(name, choice)
            if done is not None:
                self.story.append(f"{name}: {choice.label}")
                self._judge(done[1])
                self.state = done[0]
                self._hold(self._always)
                return True
        return False

    def _act(self, name: str, choice: Choice) -> tuple[State, tuple[Moment, ...]] | None:
        try:
            return self.world.act(self.state, name, choice.stimulus)
        except StepError as error:
            self.story.append(f"{name}: {choice.label}")
            raise AssertionError(self._says(*NEVER_RAISES)) from error

    def rest(self) -> None:
        """Let the protocol come to an end, and look at what is promised for that."""
        for _ in range(MOST):
            if not self.act(0, environment=False):
                self._hold(self._ends)
                return
        assert not self._settles, f"no end after {MOST} more actions, after {self.story[:-MOST]}"

    def _judge(self, moments: tuple[Moment, ...]) -> None:
        """Each step, beside the components as they were at that moment."""
        now = dict(zip(self.world.names, self.state, strict=True))
        for moment in moments:
            now[moment.component] = moment.after
            for one in self._steps:
                if moment.component in one.over and one.when(moment):
                    beside = (one.view(now[name]) for name in one.beside)
                    assert one.holds(moment, *beside), self._says(one.name, one.sentence)

    def _hold(self, properties: list[Always] | list[Ends]) -> None:
        now = dict(zip(self.world.names, self.state, strict=True))
        for one in properties:
            assert one.holds(*(one.view(now[name]) for name in one.over)), self._says(one.name, one.sentence)

    def _says(self, name: str, sentence: str) -> str:
        """Asked for only where it does not hold."""
        self.failed = True
        story = "\n".join(self.story)
        return f"{name} does not hold in world {self.world.name}: {sentence}\n{story}"


def walks(world: World) -> type[RuleBasedStateMachine]:
    """A state machine whose runs are walks through this world; each comes to rest now and then, and at its end."""

    class Walks(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.walk = Walk(world)

        @rule(pick=st.integers(0, 255))
        def act(self, pick: int) -> None:
            self.walk.act(pick)

        @rule()
        def rest(self) -> None:
            """What happens after that finds all in step."""
            self.walk.rest()

        def teardown(self) -> None:
            if not self.walk.failed:  # what comes after that says nothing more
                self.walk.rest()

    return Walks
