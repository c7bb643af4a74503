"""Changed readers and posters: for each promise of the room of truth at least one that breaks it."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import attrs
from msgspec.structs import replace

from model_tests.mutants import Mutant, mutant, never, row
from syncfsm.check import World
from syncfsm.machine import ALWAYS, IGNORE, STAY
from syncfsm.truth.answers import Nothing
from syncfsm.truth.evidence import Evidence, Witness, passed_on, rival
from syncfsm.truth.poster.actions import begin, see
from syncfsm.truth.poster.protocol import TABLE as POSTER
from syncfsm.truth.poster.types import AWAITING, CATCHING, GATHERING, SUBMITTING, WAITING, Poster, Seen
from syncfsm.truth.poster.types import Event as PosterEvent
from syncfsm.truth.reader.actions import pass_by, read, step_back
from syncfsm.truth.reader.protocol import TABLE as READER
from syncfsm.truth.reader.types import READING, RESTING, TROUBLED, Confirmed, Event, Mark, Reader, TakenBack
from syncfsm.truth.types import View
from syncfsm_spec.truth import following, worlds
from syncfsm_spec.truth.witnesses import Witnesses

Result = tuple[Any, tuple[Any, ...]]


def last_wins(reader: Reader, answer: Any, view: View) -> Result:
    """The blobs of a height are read from the last to the first."""
    return read(reader, replace(answer, answer=replace(answer.answer, blobs=answer.answer.blobs[::-1])), view)


def final_at_once(reader: Reader, answer: Any, view: View) -> Result:
    """What is read is final, whatever the layer may still take back."""
    reader, outputs = read(reader, answer, view)
    return replace(reader, final=reader.mark, trail=()), outputs


def forget(reader: Reader, answer: Any, view: View) -> Result:
    """Who does not hear from the layer goes back to what is final."""
    return replace(reader, trail=(), until=view.now + 1), ()


def take_for_none(reader: Reader, answer: Any, view: View) -> Result:
    """Pruned heights are passed by, up to what there is."""
    place = replace(reader.mark.place, height=answer.answer.oldest - 1, id=b"")
    return replace(reader, final=Mark(place, reader.tip), trail=()), ()


def overlook(reader: Reader, answer: Any, view: View) -> Result:
    """Blobs are taken for none."""
    return pass_by(reader, replace(answer, answer=Nothing(answer.answer.place)), view)


def step_back_in_silence(reader: Reader, answer: Any, view: View) -> Result:
    """The node is not told what the layer takes back."""
    reader, outputs = step_back(reader, answer, view)
    return reader, tuple(output for output in outputs if not isinstance(output, TakenBack))


def read_without_blocks(reader: Reader, answer: Any, view: View) -> Result:
    """The node is told what is confirmed, and is to have the blocks from peers."""
    reader, outputs = read(reader, answer, view)
    return reader, tuple(replace(each, blocks=()) if isinstance(each, Confirmed) else each for each in outputs)


def see_no_way_back(poster: Poster, seen: Seen, view: View) -> Result:
    """What was confirmed once stays so."""
    return see(poster, replace(seen, tip=max(seen.tip, poster.tip, key=lambda point: point.height)), view)


def never_full(poster: Poster, block: Any, view: View) -> Result:
    """The producer is never held."""
    return replace(poster, blocks=(*poster.blocks, block)), ()


def begin_at_once(poster: Poster, start: Any, view: View) -> Result:
    """The producer is not held while the layer is read."""
    return replace(poster, until=view.now + view.limits.ahead), ()


def begin_held(poster: Poster, given: Any, view: View) -> Result:
    """The producer is held although it was told what there is."""
    poster, outputs = begin(poster, given, view)
    return replace(poster, held=True), outputs


def see_held(poster: Poster, seen: Seen, view: View) -> Result:
    """Who is held stays so."""
    after, outputs = see(poster, seen, view)
    return replace(after, held=poster.held or after.held), outputs


def see_without_looking(poster: Poster, message: Any, view: View) -> Result:
    """What may have landed is given again at once."""
    return replace(poster, sent=None, gathered=view.now - view.limits.period), ()


batches, reorganises, prunes = worlds.batches(), worlds.reorganises(), worlds.prunes()
halts = worlds.halts()
crashes, answers, taken_back = worlds.crashes(), worlds.answers(), worlds.taken_back()
says_that_it_broke = worlds.says_that_it_broke()
turns_back, away, banned = following.turns_back(), following.away(), following.banned()
lone_reader, lone_poster, overruled = worlds.lone_reader(), worlds.lone_poster(), worlds.overruled()

MUTANTS: Final[tuple[Mutant, ...]] = (
    mutant("the last batch wins", "TruthWins", batches, actions={"read": last_wins}, table=READER),
    mutant("that the layer broke its word is overlooked", "FinalOnlyAdvances", says_that_it_broke,
           rules=row(READING, Event.BROKE, ALWAYS, action="forget", target=STAY), table=READER),
    mutant("blobs are overlooked", "TruthWins", batches, actions={"read": overlook}, table=READER),
    mutant("no reorganisation is noticed", "TruthWins", reorganises, {"is_other": never}, table=READER),
    mutant("news is not looked at, and time neither", "TruthWins", batches,
           rules=row(RESTING, Event.TICK, "is_due", action=IGNORE, target=STAY), table=READER),
    mutant("pruned is passed by", "NoneSkipped", prunes, actions={"lose": take_for_none},
           rules=row(READING, Event.PRUNED, ALWAYS, target=RESTING), table=READER),
    mutant("what is read is final", "FinalOnlyAdvances", reorganises, actions={"read": final_at_once}, table=READER),
    mutant("trouble undoes what was confirmed", "LivesWithoutDA", reorganises,
           actions={"back_off": forget}, table=READER),
    mutant("a reader does not say that it hears nothing", "LivesWithoutDA", lone_reader,
           rules=row(TROUBLED, Event.TICK, "is_silent", action=IGNORE, target=STAY), table=READER),
    mutant("a poster does not say that nothing is confirmed", "LivesWithoutDA", lone_poster,
           rules=row(GATHERING, PosterEvent.TICK, "is_silent", action=IGNORE, target=STAY), table=POSTER),
    mutant("what is taken back is not told", "TruthWins", turns_back,
           actions={"step_back": step_back_in_silence}, table=READER),
    mutant("the layer gives no blocks", "LivesWithoutPeers", away, actions={"read": read_without_blocks}, table=READER),
    mutant("who can not follow reads on", "FinalOnlyAdvances", banned,
           rules=row(READING, Event.REFUSED, ALWAYS, action=IGNORE, target=STAY), table=READER),
    mutant("what landed in vain is waited for", "NothingLost", crashes, {"is_in_vain": never, "was_read": never},
           table=POSTER),
    mutant("what is unsure is waited for", "NothingLost", answers,
           rules=row(WAITING, PosterEvent.TICK, "is_due", action=IGNORE, target=STAY), table=POSTER),
    mutant("what was taken back counts as confirmed", "NothingLost", taken_back,
           actions={"see": see_no_way_back}, table=POSTER),
    mutant("it posts before it has read", "NeverContradicts", crashes,
           rules=row(CATCHING, PosterEvent.BEGIN, ALWAYS, target=GATHERING), table=POSTER),
    mutant("it posts against the layer", "NeverContradicts", overruled,
           rules=row(GATHERING, PosterEvent.SEEN, "is_other", target=GATHERING),
           table=POSTER),
    mutant("what is unsure is given again", "OneAtATime", answers, actions={"look_for_it": see_without_looking},
           rules=row(SUBMITTING, PosterEvent.UNSURE, ALWAYS, target=GATHERING), table=POSTER),
    mutant("blocks are made before the layer is read", "KnowsFirst", crashes,
           actions={"await_layer": begin_at_once}, table=POSTER),
    mutant("it goes on upon a layer that is broken", "KnowsFirst", halts,
           rules=row(GATHERING, PosterEvent.SEEN, "is_broken", target=GATHERING), actions={"halt": see}, table=POSTER),
    mutant("who has waited long enough is still held", "LivesWithoutDA", crashes,
           actions={"begin": begin_held, "see": see_held}, table=POSTER),
    mutant("a layer that is out is waited for", "NothingLost", crashes,
           rules=row(AWAITING, PosterEvent.TICK, "is_due", action=IGNORE, target=STAY), table=POSTER),
    mutant("the producer is never held", "Capped", crashes, actions={"add": never_full}, table=POSTER),
)  # fmt: skip


# Witnesses, which have no table ---------------------------------------------------------------------------------


def tell_nobody(witness: Witness, peers: Iterable[str]) -> tuple[Witness, tuple[tuple[str, Evidence], ...]]:
    return witness, ()


def tell_twice(witness: Witness, peers: Iterable[str]) -> tuple[Witness, tuple[tuple[str, Evidence], ...]]:
    witness, due = passed_on(witness, peers)
    return witness, (*due, *due)


WITNESSES: Final[Mapping[str, Mapping[str, Any]]] = {
    "it looks at the best chain alone": {
        "rival": lambda chain, fresh: rival(chain, fresh) if chain.on_best(fresh[0].point) else None
    },
    "it keeps the newest piece alone": {"kept": lambda witness, piece: replace(witness, kept=(piece,))},
    "it keeps a piece for each pair": {"kept": lambda witness, piece: replace(witness, kept=(*witness.kept, piece))},
    "it tells nobody": {"passed_on": tell_nobody},
    "it tells each peer twice": {"passed_on": tell_twice},
}
"""What a witness does instead of what it should."""


def with_witness(world: World, changed: Mapping[str, Any]) -> World:
    """The same, with witnesses that do this."""
    parts = [attrs.evolve(part, **changed) if isinstance(part, Witnesses) else part for part in world.components]
    return attrs.evolve(world, components=tuple(parts))
