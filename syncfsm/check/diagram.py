"""A story as a sequence diagram: in the terminal, and as Mermaid.

A component with ``source`` and ``target`` is a line between two others and is drawn as an arrow; the environment is
what happens to whom; everything else has a column of its own.
"""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from syncfsm.check.found import UNREACHED
from syncfsm.check.story import Scene, Story
from syncfsm.check.world import Environment, Moment, World
from syncfsm.events import Received, Room
from syncfsm.node.registry import STANDARD
from syncfsm.notes.types import Deliver
from syncfsm.outputs import Disconnect, Ended, Misbehaviour, Own, Send, SendBlocks
from syncfsm.registry import Registry

WIDTH: Final = 46
"""Characters of a column, where there is room."""
NARROWEST: Final = 24
MARGIN: Final = 5


Words = Callable[[Any], str]


def _registry(world: World) -> Registry:
    """The protocols of a world's nodes."""
    found = (component.registry for component in world.components if hasattr(component, "registry"))
    registry: Registry = next(found, STANDARD)
    return registry


def _words(world: World) -> Words:
    """How the messages of a world read."""
    return _registry(world).words


def columns(world: World) -> list[str]:
    """The components that have a column."""
    found = [c.name for c in world.components if not hasattr(c, "source") and not isinstance(c, Environment)]
    return found or list(world.names)


def heading(story: Story) -> list[str]:
    """What is violated, and the sentence it comes from."""
    violation, world, steps = story.violation, story.world.name, len(story.scenes)
    if violation.detail == UNREACHED:
        lines = [f"{violation.name} does not hold in world {world}: there is no such state in it, and no such step."]
    else:
        away = f"{steps} action{'' if steps == 1 else 's'} from the start"
        lines = [f"{violation.name} does not hold in world {world}, {away}."]
    lines += textwrap.wrap(f"“{violation.sentence}”", 100, initial_indent="  ", subsequent_indent="  ")
    return lines + ([f"  {violation.detail}"] if violation.detail not in ("", UNREACHED) else [])


def terminal(story: Story, across: int | None = None) -> str:
    """The story as text: a column for each node, an arrow for each message, what each rule did below.

    ``across`` is how many characters there are in a line; columns get narrower to fit, down to a bound.
    """
    names, world, words = columns(story.world), story.world, _words(story.world)
    width = WIDTH if across is None else max(NARROWEST, min(WIDTH, (across - MARGIN) // len(names)))
    lines = [*heading(story), ""]
    lines.append(" " * MARGIN + "".join(name.ljust(width) for name in names).rstrip())
    starts = dict(zip(world.names, world.start, strict=True))
    lines += _cells(names, {name: [f"({world.show(name, starts[name])})"] for name in names}, width)
    for at, scene in enumerate(story.scenes, 1):
        if story.violation.loop == at - 1:
            lines.append("---- from here the run repeats itself ----")
        lines.append(f"{at:>3}  {_action(names, scene, width, words)}".rstrip())
        lines += _cells(names, {name: list(_deeds(world, scene, name)) for name in names}, width)
        last = scene.moments[-1]
        if last.raised and last.component not in names:
            lines.append(f"{' ' * MARGIN}! {last.component}: {last.raised}")
    if story.stopped:
        lines.append(f"Here the run stops: {story.stopped}.")
    return "\n".join(lines) + "\n"


def _action(names: list[str], scene: Scene, width: int, words: Words) -> str:
    arrow = _arrow(names, scene, words)
    if arrow is None:
        return f"* {scene.component}: {scene.label}"
    source, target, text = arrow
    here, there = names.index(source) * width, names.index(target) * width
    left, right = min(here, there), max(here, there)
    body = f" {text} ".center(right - left - 2, "─")
    return " " * left + (f"├{body}▶" if here < there else f"◀{body}┤")


def _arrow(names: list[str], scene: Scene, words: Words) -> tuple[str, str, str] | None:
    """From whom, to whom, what; ``None`` if the action is no delivery between two columns."""
    for moment in scene.moments[1:]:
        if getattr(moment.stimulus, "peer", None) not in names or moment.component not in names:
            continue
        if isinstance(moment.stimulus, Received) and scene.label in ("deliver", "overtake"):
            return moment.stimulus.peer, moment.component, words(moment.stimulus.message)
        if isinstance(moment.stimulus, Room):
            return moment.stimulus.peer, moment.component, f"room {moment.stimulus.freed}"
    return None


def _deeds(world: World, scene: Scene, name: str) -> Iterator[str]:
    """What one component did in this action."""
    for moment in scene.moments:
        if moment.component == name:
            before, after = world.show(name, moment.before), world.show(name, moment.after)
            yield f"{before}  ⇒  {after}" if before != after else f"({after})"
            if moment.raised:
                yield f"  ! {moment.raised}"
            yield from (f"  {text}" for rule in moment.rules if (text := _row(rule, _registry(world))))
            yield from (f"  {text}" for text in _said(moment, _words(world)))


def _row(rule: Any, registry: Registry) -> str:
    """The row that fired, after the name of its table; nothing for one that says nothing. Changed tables have rows that
    no registry knows."""
    guard, action = getattr(rule, "guard", ""), getattr(rule, "action", str(rule))
    name = registry.names.get(rule, "")
    if not name and any(rule in table.rules for table in registry.tables.values()):
        return ""
    events = "/".join(rule.event) if len(getattr(rule, "event", ())) == 1 else ""
    return f"{name} {events} [{guard}] {action}".strip()


def _said(moment: Moment, words: Words) -> Iterator[str]:
    for output in moment.outputs:
        match output:
            case Send(peer, message):
                yield f"→ {peer}: {words(message)}"
            case SendBlocks(peer, headers):
                yield f"→ {peer}: blocks {' '.join(header.id.decode(errors='replace') for header in headers)}"
            case Misbehaviour(peer, fault):
                yield f"! {peer} misbehaves: {fault.rule}"
            case Disconnect(peer, reason):
                yield f"× {peer}: {reason!s}"
            case Deliver(peer, note):
                yield f"delivers {words(note)} of {peer}"
            case Ended(peer, protocol, reason):
                yield f"× {peer}: {protocol} ends ({reason})"
            case Own():
                yield f"→ {output}"
            case _:
                pass


def _cells(names: list[str], texts: Mapping[str, Sequence[str]], width: int) -> list[str]:
    """Texts side by side, each wrapped to its column."""
    cells = [[part for line in texts[name] for part in _wrap(line, width)] for name in names]
    rows = max(map(len, cells), default=0)
    filled = [[*cell, *[""] * (rows - len(cell))] for cell in cells]
    return [(" " * MARGIN + "".join(part.ljust(width) for part in row)).rstrip() for row in zip(*filled, strict=True)]


def _wrap(line: str, width: int) -> list[str]:
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width - 2, subsequent_indent=indent, drop_whitespace=True) or [""]


def mermaid(story: Story) -> str:
    """The story as a Mermaid sequence diagram."""
    names, world, words = columns(story.world), story.world, _words(story.world)
    lines = ["sequenceDiagram", *(f"    participant {name}" for name in names)]
    everybody = names[0] if len(names) == 1 else f"{names[0]},{names[-1]}"
    for at, scene in enumerate(story.scenes, 1):
        if story.violation.loop == at - 1:
            lines.append("    loop for ever")
        arrow = _arrow(names, scene, words)
        if arrow is None:
            lines.append(f"    Note over {everybody}: {at}. {_safe(f'{scene.component}: {scene.label}')}")
        else:
            lines.append(f"    {arrow[0]}->>{arrow[1]}: {at}. {_safe(arrow[2])}")
        for name in names:
            deeds = [_safe(deed.strip()) for deed in _deeds(world, scene, name)]
            if deeds:
                lines.append(f"    Note over {name}: {'<br/>'.join(deeds)}")
    if story.violation.loop is not None:
        lines.append("    end")
    lines.append(f"    Note over {everybody}: {_safe(story.violation.name)} does not hold")
    return "\n".join(lines) + "\n"


def _safe(text: str) -> str:
    return text.replace(";", ",").replace("#", "no. ").replace("<", "‹").replace(">", "›")
