"""How a sequencer begins: with the guard of its key, and only when its chain is where it had signed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import attrs
import trio
from nacl.signing import SigningKey

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Produced
from syncfsm.node.making import Asking, Stand, stands
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Write

LOOK_AGAIN = 0.02
"""Seconds between two looks whether it may begin."""

UNKNOWN_BLOCKS = (
    "There are blocks signed with this key of which its guard does not know: another process signs with it, or the "
    "guard was put back to what it was before. If it is another process, stop one of the two"
)


@contextmanager
def guarded(settings: Settings, key: SigningKey, head: Header, journal: Write) -> Iterator[Guard]:
    """The guard of this key, locked meanwhile; ``head`` is that of the store."""
    path = Path(settings.guard or f"{settings.key}.guard")
    guard = Guard.open(path, bytes(key.verify_key), settings.chain.encode(), head, anew=settings.sign_anew)
    with closing(guard):
        journal("guard", state="opened", signed=guard.signed.header.point, folder=str(path), noticed=guard.noticed)
        yield guard


async def resume(host: Host, guard: Guard, settings: Settings, journal: Write) -> None:
    """Return when the next block may be signed: the chain has the last one that was, and the peers know of no more.

    ``LocalError`` if the chain has it not, and there is nobody from whom it could come.
    """
    told: tuple[str, bool] | None = None
    expected = _expected(settings, guard)
    asking = Asking.start(settings.limits.ask, expected, host.node.status(), trio.current_time())
    if expected:
        journal("guard", state="asking", sentence="Before the first block, the peers are asked for their heads.")
    while True:
        _adopt(host, guard, journal)
        lack = _lack(host, guard, settings)
        status, now = host.node.status(), trio.current_time()
        asking = asking.look(status, now)
        over = asking.over(status, now)
        if lack is None and over:
            break
        if lack is not None and told != (lack.state, over):
            told = (lack.state, over)
            _tell(host, guard, settings, lack, over, journal)
        await trio.sleep(LOOK_AGAIN)
    signed = guard.signed.header.point
    if host.head.height > signed.height:
        journal("twin-sequencer", block=host.head, signed=signed, sentence=UNKNOWN_BLOCKS)
    journal("guard", state="ready", head=host.head, peers=len(status.peers))


def _expected(settings: Settings, guard: Guard) -> int:
    """How many peers are waited for. Who only listens can not know; if it has signed before, somebody will come."""
    listens = settings.listen is not None and guard.signed.header.height > 0
    return len(settings.peers) or int(listens)


def _adopt(host: Host, guard: Guard, journal: Write) -> None:
    """Add the block that was signed, if it is the next: the process was killed before the store had it."""
    header, body = guard.signed.header, guard.signed.body
    if body is not None and stands(header, host.node.chain) is Stand.NEXT:
        host.feed(Produced((header,), trio.current_time(), (body,)))
        journal("guard", state="adopted", block=header.point)


@attrs.frozen
class Lack:
    """Why no block may be made yet: a word, and a sentence for people."""

    state: str
    sentence: str


def _lack(host: Host, guard: Guard, settings: Settings) -> Lack | None:
    """What the chain lacks of what the guard, or the store, knows to have been signed."""
    header = guard.signed.header
    stand = stands(header, host.node.chain)
    if stand is not Stand.REACHED:
        return Lack(stand.value, f"Block {header.point} was signed with this key, says {guard}. {stand.sentence}")
    owed = host.store.owed
    if owed is None or settings.sign_anew is not None:
        return None
    stand = Stand.BEHIND
    return Lack(stand.value, f"The head was at height {owed} once, says {host.store}. {stand.sentence}")


def _tell(host: Host, guard: Guard, settings: Settings, lack: Lack, over: bool, journal: Write) -> None:
    """Say what is lacking, and say it again when the peers turn out to lack it too."""
    signed = guard.signed.header.point
    anew = f"If you know that nobody has them, start once with --sign-anew {signed}."
    if settings.listen is None and not settings.peers:
        raise LocalError(
            f"{lack.sentence} The head is {host.head} now, and a block made there would be a second one at its height. "
            "Give --peer or --listen: the sequencer fetches what it lacks, and goes on by itself. "
            f"{anew}"
        )
    state, sentence = lack.state, lack.sentence
    if over:
        state = "missing"
        sentence += f" No peer has them so far; it goes on when one does. Or put the store back that had them. {anew}"
    journal("guard", state=state, signed=signed, head=host.head, sentence=sentence)
