"""What the pages say about the protocol is so: the names exist, and the picture is what exploration finds."""

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import attrs
import pytest

from syncfsm.check import Exploration, Moment, Property, Sometimes, SometimesStep, Steps, World
from syncfsm.events import Finalised, Received
from syncfsm.limits import Strategy
from syncfsm.outputs import Disconnect, FinalMoved
from syncfsm.peer.messages import Parting
from syncfsm.sync.messages import Blocks, Found
from syncfsm.sync.types import GREETING, State
from syncfsm_spec import worlds
from syncfsm_spec.kit.moments import link_states, links
from syncfsm_spec.peer.promises import Parts
from syncfsm_spec.promises import ALL
from syncfsm_spec.sync.worlds import ban, contradiction, finals, forks, prune_fork, race

ROOT = Path(__file__).parent.parent
ROOMS = "spec/syncfsm_spec"
PAGES = (
    f"{ROOMS}/sync/PROTOCOL.md",
    "docs/failure-modes.md",
    "docs/designing.md",
    "docs/report.md",
    f"{ROOMS}/peer/PROTOCOL.md",
    f"{ROOMS}/notes/PROTOCOL.md",
    f"{ROOMS}/routing/PROTOCOL.md",
)
PROTOCOL, FAILURES, TOUR, *_, PACKETS = PAGES
KINDS = {re.sub("-(locator|streaming)$", "", world.name) for world in worlds.STANDARD}
CLAIMS = {claim.name.split("(")[0] for world in worlds.STANDARD for claim in world.properties} | {"NeverRaises"}
Pair = tuple[str, ...]


def text_of(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def quoted(page: str) -> set[str]:
    """What stands in backticks, fenced code aside."""
    prose = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"`([^`\n]+)`", prose))


@pytest.mark.parametrize("page", PAGES)
def test_the_tests_that_a_page_names_exist(page: str) -> None:
    files = [path for folder in ("tests", "model_tests") for path in (ROOT / folder).rglob("*.py")]
    written = {name for path in files for name in re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8"))}
    assert {name for name in quoted(page) if re.fullmatch(r"test_\w+", name)} <= written


@pytest.mark.parametrize("page", PAGES)
def test_the_promises_that_a_page_names_are_checked(page: str) -> None:
    """Or else they are names of the checker's, or of the library's."""
    sources = "\n".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "syncfsm").rglob("*.py")))
    classes = set(re.findall(r"^class (\w+)", sources, re.MULTILINE))
    named = {name for name in quoted(page) if re.fullmatch(r"[A-Z][a-z]+([A-Z][a-z]+)+", name)}
    assert named <= CLAIMS | classes


def test_every_promise_of_the_worlds_is_in_the_protocol() -> None:
    assert {promise.name for promise in ALL} <= quoted(PROTOCOL) | quoted(PACKETS)


@pytest.mark.parametrize("page", [PROTOCOL, FAILURES])
def test_the_worlds_that_a_page_names_exist(page: str) -> None:
    """A world is named in a phrase like "world `liar`", or "in `forks`, `race`"."""
    names = re.findall(r"\b(?:[Ww]orlds?|in) ((?:`[a-z_]+`(?:, | and )?)+)", text_of(page))
    found = {name for phrase in names for name in re.findall(r"`([a-z_]+)`", phrase)}
    states = {str(state) for state in State} | {"left"}
    assert found - states
    assert {name.replace("_", "-") for name in found - states} <= KINDS


def test_what_the_tour_shows_is_what_it_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page, namespace = text_of(TOUR), ModuleType("page").__dict__
    for code in re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        exec(code, namespace)
    printed = capsys.readouterr().out
    shown = re.findall(r"^```text\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert len(shown) >= 5
    for text in shown:
        assert text in printed


def test_the_first_and_last_of_the_failure_modes_and_all_between_are_answered() -> None:
    rows = re.findall(r"^\| (F\d\d) \|", text_of(FAILURES), re.MULTILINE)
    assert rows == [f"F{number:02}" for number in range(1, 48)]


def test_the_failure_modes_are_answered_by_a_test_a_promise_or_a_reason() -> None:
    for row in re.findall(r"^\| F\d\d \|.*$", text_of(FAILURES), re.MULTILINE):
        answer = row.split("|")[3]
        named = set(re.findall(r"`(\w+)`", answer))
        assert named & CLAIMS or any(name.startswith("test_") for name in named), row


@pytest.mark.parametrize("strategy", worlds.BOTH)
def test_the_picture_of_two_ends_is_what_exploration_finds(strategy: Strategy) -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+) :", text_of(PROTOCOL), re.MULTILINE)
    assert {(pair(a.split("_")), pair(b.split("_"))) for a, b in drawn} == explored(f"forks-{strategy}")


def pair(states: list[str]) -> Pair:
    return tuple(sorted(states))


def explored(name: str) -> set[tuple[Pair, Pair]]:
    """How the two ends' states change, one end at a time, while both have a link."""
    world = next(world for world in worlds.STANDARD if world.name == name)
    found: dict[str, set[tuple[Pair, Pair]]] = defaultdict(set)

    def watch(here: str, there: str) -> Callable[..., bool]:
        def note(moment: Moment, others: tuple[tuple[str, State], ...]) -> bool:
            before, after = (dict(link_states(node)).get(there) for node in (moment.before, moment.after))
            other = dict(others).get(here)
            if before and after and other and before is not after:
                found[name].add((pair([before, other]), pair([after, other])))
            return True

        return note

    watching = [
        Steps(f"Watch{here}", "", (here,), watch(here, there), beside=(there,), view=link_states)
        for here, there in (("A", "B"), ("B", "A"))
    ]
    exploration = Exploration(attrs.evolve(world, properties=tuple(watching)))
    exploration.run()
    assert exploration.complete
    return found[name]


# What if? -----------------------------------------------------------------------------------------------------------


def found_while_greeting(moment: Moment) -> Found | None:
    """The answer to a hello that ends a search."""
    event = moment.stimulus
    if not isinstance(event, Received) or not isinstance(event.message, Found):
        return None
    return event.message if links(moment.before)[event.peer].state in GREETING else None


def forked_away(moment: Moment) -> bool:
    """The answer to our hello names a block that we hold, and that our best chain has left since."""
    found, chain = found_while_greeting(moment), moment.before.chain
    return found is not None and found.common.id in chain and not chain.on_best(found.common)


def found_what_is_gone(moment: Moment) -> bool:
    """The answer to our hello names a block that we have dropped since."""
    found = found_while_greeting(moment)
    return found is not None and found.common.id not in moment.before.chain


def discards(moment: Moment) -> bool:
    """A block comes and is not taken, and nothing ends."""
    event = moment.stimulus
    if not isinstance(event, Received) or not isinstance(event.message, Blocks):
        return False
    ended = any(isinstance(output, Disconnect) for output in moment.outputs)
    return event.message.headers[-1].id not in moment.after.chain and not ended


def advances(moment: Moment) -> bool:
    """A block becomes final that the peer gave us."""
    final = [output.new for output in moment.outputs if isinstance(output, FinalMoved)]
    given = [link.received.point for link in links(moment.before).values() if link.received is not None]
    return isinstance(moment.stimulus, Finalised) and final[0] in given


def both_search(a: tuple[tuple[str, State], ...], b: tuple[tuple[str, State], ...]) -> bool:
    return [state for _, state in (*a, *b)] == [State.INIT, State.INIT]


def step(holds: Callable[[Moment], bool]) -> SometimesStep:
    return SometimesStep(getattr(holds, "__name__", str(holds)), "", ("A", "B"), holds)


SEARCH_BOTH = Sometimes("both_search", "", ("A", "B"), both_search, link_states)
OUT_OF_STEP, CONTRADICTION = step(Parts(Parting.OUT_OF_STEP)), step(Parts(Parting.CONTRADICTION))
SHOWN: dict[Callable[[Strategy], World], tuple[Property, ...]] = {
    forks: (step(forked_away),),
    race: (step(forked_away),),
    finals: (step(discards), step(found_what_is_gone), OUT_OF_STEP, step(advances), SEARCH_BOTH),
    prune_fork: (step(discards), step(found_what_is_gone), OUT_OF_STEP),
    ban: (SEARCH_BOTH,),
    contradiction: (CONTRADICTION,),
}
"""The worlds that the protocol's page names, and what it says that they show."""


@pytest.mark.parametrize("strategy", worlds.BOTH)
@pytest.mark.parametrize("kind", SHOWN, ids=lambda kind: kind.__name__)
def test_what_the_worlds_are_said_to_show_happens_in_them(
    kind: Callable[[Strategy], World], strategy: Strategy
) -> None:
    scenes = SHOWN[kind]
    exploration = Exploration(attrs.evolve(kind(strategy), properties=scenes))
    while not exploration.complete and len(exploration.reached) < len(scenes):
        exploration.run(exploration.states + 20_000)
    assert set(exploration.reached) == {scene.name for scene in scenes}
