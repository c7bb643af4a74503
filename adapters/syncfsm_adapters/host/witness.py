"""Keeps evidence that the chain's key has signed two blocks at one height, and tells each peer of each piece once."""

from pathlib import Path

import msgspec

from syncfsm.errors import LocalError
from syncfsm.notes.messages import Note
from syncfsm.notes.types import Deliver, Say
from syncfsm.outputs import Accepted, Output
from syncfsm.truth import evidence
from syncfsm.truth.evidence import Evidence
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write
from syncfsm_adapters.host.whole import write_whole

SENTENCE = "The chain's key has signed two blocks at one height: two sequencers run with it, or somebody has stolen it"


class Witness:
    """What one host has seen, in the file ``path``; ``check`` says of a block why it is not one of the chain.

    ``LocalError`` if the file can not be read or written. Call ``pass_on`` now and then, outside a step of the host.
    """

    def __init__(self, host: Host, check: evidence.Check, path: Path, journal: Write) -> None:
        self._host, self._check, self._path, self._journal = host, check, path, journal
        self._value = evidence.Witness(_load(path))
        host.watch(self._watch)

    @property
    def kept(self) -> tuple[Evidence, ...]:
        """All that is kept, oldest first."""
        return self._value.kept

    def pass_on(self, now: float) -> None:
        """Tell the peers of what they were not told of."""
        self._value, due = evidence.passed_on(self._value, self._host.node.links)
        for peer, piece in due:
            if peer not in self._host.node.links:
                continue  # the piece before was too much for it
            self._host.feed(Say(Note(evidence.encode(piece)), now, (peer,)))

    def _watch(self, output: Output, now: float) -> None:
        match output:
            case Accepted(headers):
                found = evidence.rival(self._host.node.chain, headers)
                source = ""
            case Deliver(peer, note):
                found, source = evidence.decode(note.payload, self._check), peer
            case _:
                return
        if found is None:
            return
        after = evidence.kept(self._value, found)
        if after is not self._value:
            self._value = after
            _keep(self._path, after.kept)
            one, other = found.one, found.other
            self._journal(
                "equivocation", height=one.height, one=one.id, other=other.id, told_by=source, sentence=SENTENCE
            )


def _load(path: Path) -> tuple[Evidence, ...]:
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=tuple[Evidence, ...])
    except FileNotFoundError:
        return ()
    except (OSError, msgspec.MsgspecError) as error:
        raise LocalError(
            f"the evidence in {path} can not be read ({error}); move the file away, and keep it"
        ) from error


def _keep(path: Path, kept: tuple[Evidence, ...]) -> None:
    """A crash leaves the old file or the new one."""
    try:
        write_whole(path, msgspec.msgpack.encode(kept))
    except OSError as error:
        raise LocalError(f"the evidence in {path} can not be kept ({error}); make room there") from error
