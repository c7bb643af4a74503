"""What may happen in a world, for its environment to choose."""

from collections.abc import Sequence

import attrs

from syncfsm.blocks import Header
from syncfsm.check import Moment, Move, Property, SometimesStep, Wait, channel, happen
from syncfsm.check.nodes import CALM, Put
from syncfsm.events import Confirmed, Finalised, Produced, Verdict
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say
from syncfsm.outputs import Misbehaviour
from syncfsm.protocol import Message
from syncfsm.sync.types import Switch


def makes(name: str, *headers: Header) -> list[Move]:
    """The node may make each of these blocks, once, when it holds the parent."""
    return [happen(name, f"makes {header.id.decode()}", Produced((header,), 0.0)) for header in headers]


def finalises(name: str, *headers: Header) -> list[Move]:
    """The node's source of truth may confirm each of these blocks, when the node holds it."""
    return [happen(name, f"finalises {header.id.decode()}", Finalised(header.point, 0.0)) for header in headers]


def confirms(name: str, *runs: Sequence[Header]) -> list[Move]:
    """The node's source of truth may tell of each of these runs that it has it; the blocks come with it."""
    return [happen(name, f"confirms {run[-1].id.decode()}", Confirmed(run[-1].point, 0.0, tuple(run))) for run in runs]


def bans(name: str, *headers: Header) -> list[Move]:
    """The node's operator may ban each of these blocks."""
    return [happen(name, f"bans {header.id.decode()}", Verdict(header.id, False, 0.0)) for header in headers]


def switches(name: str, off: bool, times: int = 1, of: str = "") -> Move:
    """The node's operator turns blocks to all its peers off, or on again; or to the one peer ``of`` this name."""
    words = f"turns blocks{f' to {of}' if of else ''} {'off' if off else 'on'}"
    return happen(name, words, Switch(off, 0.0, (of,) if of else None), times)


def says(name: str, about: Header | None, times: int = 1) -> Move:
    """The node has a payload for all its peers, about this block."""
    note = Note(b"", about.point if about else None)
    return happen(name, f"has a note on {about.id.decode() if about else 'nothing'}", Say(note, 0.0), times)


def lies(name: str, peer: str, label: str, message: Message, times: int = 1) -> Move:
    """Something that is no node of ours says this to its peer."""
    return Move(f"{name} {label}", ((channel(name, peer), CALM), (channel(name, peer), Put((message,)))), times)


def blames(name: str, *rules: str) -> list[Property]:
    """This node tells each of these faults of its peers."""
    sentence = "A peer's mistake is an output, with its evidence."
    return [SometimesStep(f"Blames({rule})", sentence, (name,), _Blames(rule)) for rule in rules]


@attrs.frozen
class _Blames:
    rule: str

    def __call__(self, moment: Moment) -> bool:
        return any(isinstance(output, Misbehaviour) and output.fault.rule == self.rule for output in moment.outputs)


def time_passes(seconds: float, *names: str, times: int = 1) -> Move:
    """Time passes at these nodes."""
    return Move(f"{seconds:g} s pass", tuple((name, Wait(seconds)) for name in names), times)
