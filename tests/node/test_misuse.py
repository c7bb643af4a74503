"""What a caller gets wrong is raised, changes nothing, and says what happened, where, and what to do instead."""

from collections.abc import Sequence
from typing import Any

import attrs
import msgspec
import pytest

from syncfsm.blocks import Header, Past, Unchecked
from syncfsm.errors import Fault, LocalError
from syncfsm.events import Connected, Finalised, Leave, Lost, Produced, Received, Request, Room, Tick
from syncfsm.limits import NOTE_BYTES
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Say
from syncfsm.sync.messages import Blocks
from syncfsm.testing import GENESIS, branch, child
from tests.building import connected, hear, hello_of, node

TRUNK = branch(GENESIS, 3, "trunk")
NEXT = child(TRUNK[-1])


@attrs.frozen
class Plea(Request):
    now: float = 5.0


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ("x", "'x' is no event of a node; see syncfsm.events, and the requests of its protocols"),
        (None, "None is no event of a node"),
        (NEXT, "is no event of a node"),
        (Tick("5"), r"Tick\(now='5'\) is no event of a node"),  # type: ignore[arg-type]
        (Plea(), "is no event of this node; it takes Confirmed, Connected, .*, Say, "),
        (
            Tick(4.9),
            "time ran backwards: Tick happened at 4.9, and the event before it at 5.0; take now from a clock that",
        ),
        (Tick(float("nan")), "time ran backwards: Tick happened at nan"),
        (Room("p", -5, 5.0), "connection 'p': -5 bytes cannot come free; give what the outbox has written"),
        (Leave("p", 3, 5.0), "Leave: no peer would take 3 as a reason: Expected `str`, got `int`; give a Parting"),  # type: ignore[arg-type]
        (Leave("p", "Bad", 5.0), "no peer would take 'Bad' as a reason: Expected `str` matching"),  # type: ignore[arg-type]
        (Leave("gone", "fault\n", 5.0), r"no peer would take 'fault\\n' as a reason"),  # type: ignore[arg-type]
        (Connected("p", 5.0), "connection 'p' is open already; give every connection a name of its own"),
        (
            Say(Note(b"x"), 5.0, ("p", "q")),
            "Say: there is no connection 'q'; there are p, and peers=None stands for all",
        ),
        (Received("p", "hi", 5.0), "str is a message of none of this node's protocols"),  # type: ignore[arg-type]
        (Produced(NEXT, 5.0), r"not Header; write Produced\(\(header,\), now\)"),  # type: ignore[arg-type]
        (Produced([NEXT], 5.0), "Produced takes a tuple of headers, not list"),  # type: ignore[arg-type]
        (
            Produced((msgspec.structs.replace(NEXT, id="in hex"),), 5.0),
            r"no peer would take block 0 of these: Expected `bytes`, got `str`.*; see .*\. It begins Header.*'in hex'",
        ),
        (Produced((NEXT.id,), 5.0), "no peer would take block 0 of these: Expected `array`"),  # type: ignore[arg-type]
        (
            Produced((msgspec.structs.replace(NEXT, score=bytes(99)),), 5.0),
            "no peer would take .*: Expected `bytes` of length <= 64",
        ),
        (Finalised(NEXT.point, 5.0), "can not finalise 4:.*; feed the block first"),
    ],
    ids=lambda value: "" if isinstance(value, str) else type(value).__name__,
)
def test_it_is_told_and_changes_nothing(event: Any, said: str) -> None:
    made, _ = connected(node(TRUNK), "p", now=5.0)
    before = hash(made)
    with pytest.raises(LocalError, match=said):
        made.step(event)
    assert hash(made) == before
    after, _ = made.step(Produced((NEXT,), 5.0))
    assert (after.chain.head, after.now) == (NEXT, 5.0)


def test_a_payload_that_is_too_long_is_no_request_at_all() -> None:
    with pytest.raises(LocalError, match=f"a payload of {NOTE_BYTES + 1} bytes is over {NOTE_BYTES}; send it in parts"):
        Say(Note(bytes(NOTE_BYTES + 1)), 0.0)


def test_the_time_of_a_node_is_that_of_its_last_event() -> None:
    made, _ = connected(node(TRUNK), "p", now=2.0)
    made, _ = made.step(Lost("p", 3.0))
    made, _ = made.step(Tick(3.0))
    assert made.now == 3.0


class Says(Unchecked):
    """A check that answers as somebody may write it who thinks of it as a question."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def run(self, headers: Sequence[Header], past: Past) -> Fault | None:
        found: Fault | None = self.answer
        return found


@pytest.mark.parametrize("answer", [True, False, "bad", 0])
def test_a_check_answers_with_a_fault_or_nothing(answer: Any) -> None:
    made, _ = hear(connected(node(check=Says(answer)), "p")[0], "p", hello_of(GENESIS))
    block = (child(GENESIS),)
    for event in (Produced(block, 0.0), Received("p", Blocks(block), 0.0)):
        with pytest.raises(LocalError, match=f"HeaderCheck.run returned {answer!r}; it returns a Fault, or None"):
            made.step(event)
