"""How a sequencer begins: with the guard of its key, and only when its chain is where it had signed."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import trio
from nacl.signing import SigningKey

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.events import Produced
from syncfsm.node.making import Asking, Stand, stands
from syncfsm_adapters.command import keys
from syncfsm_adapters.command.settings import Settings
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.host.host import Host
from syncfsm_adapters.host.journal import Journal

LOOK_AGAIN = 0.02
"""Seconds between two looks whether it may begin."""


def sequencer_key(path: Path) -> tuple[SigningKey, bool]:
    """The key in this file, and whether it is new. A new one is not written yet: its guard comes first."""
    key = keys.load(path)
    return (SigningKey.generate(), True) if key is None else (key, False)


@contextmanager
def guarded(settings: Settings, key: SigningKey, new: bool, head: Header, journal: Journal) -> Iterator[Guard]:
    """The guard of this key, locked meanwhile; ``head`` is that of the store. The key is written if it is new."""
    path = Path(settings.guard or f"{settings.key}.guard")
    public = bytes(key.verify_key)
    guard = Guard.open(path, public, settings.chain.encode(), head, new=new, anew=settings.sign_anew)
    with closing(guard):
        if new:
            keys.write(Path(settings.key or ""), key)
        journal("guard", state="opened", signed=guard.signed.header.point, folder=str(path), noticed=guard.noticed)
        yield guard


async def resume(host: Host, guard: Guard, settings: Settings, journal: Journal) -> None:
    """Return when the next block may be signed: the chain has the last one that was, and the peers know of no more.

    ``LocalError`` if the chain has it not, and there is nobody from whom it could come.
    """
    told: tuple[Stand, bool] | None = None
    expected = _expected(settings, guard)
    asking = Asking.start(settings.limits.ask, expected, host.node.status(), trio.current_time())
    if expected:
        journal("guard", state="asking", sentence="Before the first block, the peers are asked for their heads.")
    while True:
        stand = stands(guard.signed.header, host.node.chain)
        if stand is Stand.NEXT and guard.signed.body is not None:
            _adopt(host, guard, journal)
            continue
        status, now = host.node.status(), trio.current_time()
        asking = asking.look(status, now)
        over = asking.over(status, now)
        if stand is Stand.REACHED and over:
            break
        if stand is not Stand.REACHED and told != (stand, over):
            told = (stand, over)
            _tell(host, guard, settings, stand, over, journal)
        await trio.sleep(LOOK_AGAIN)
    journal("guard", state="ready", head=host.head, peers=len(status.peers))


def _expected(settings: Settings, guard: Guard) -> int:
    """How many peers are waited for. Who only listens can not know; if it has signed before, somebody will come."""
    listens = settings.listen is not None and guard.signed.header.height > 0
    return len(settings.peers) or int(listens)


def _adopt(host: Host, guard: Guard, journal: Journal) -> None:
    """The process was killed when the block had been signed, and was not in the store yet."""
    header, body = guard.signed.header, guard.signed.body
    assert body is not None
    host.feed(Produced((header,), trio.current_time(), (body,)))
    journal("guard", state="adopted", block=header.point)


def _tell(host: Host, guard: Guard, settings: Settings, stand: Stand, over: bool, journal: Journal) -> None:
    """The chain lacks what was signed last: say so, and say it again when the peers turn out to lack it too."""
    signed = guard.signed.header.point
    anew = f"If you know that nobody has that block, start once with --sign-anew {signed}"
    if settings.listen is None and not settings.peers:
        raise LocalError(
            f"block {signed} was signed with this key, says {guard}, but {host.store} ends at {host.head} and lacks "
            "it: a block made there would be a second one at its height. Give --peer or --listen: the sequencer "
            f"fetches what it lacks, and goes on by itself. {anew}"
        )
    state, sentence = stand.value, stand.sentence
    if over:
        state = "missing"
        sentence += f" No peer has them so far; it goes on when one does. Or put the store back that had them. {anew}"
    journal("guard", state=state, signed=signed, head=host.head, sentence=sentence)
