"""Changed tables of the connection and of notes: for each promise at least one rule, guard or action that breaks it."""

from typing import Final

from model_tests.mutants import always, mutant, never, row
from syncfsm.machine import ALWAYS, IGNORE
from syncfsm.notes.protocol import TABLE as NOTES
from syncfsm.notes.types import OPEN
from syncfsm.notes.types import Event as NotesEvent
from syncfsm.outputs import Disconnect, Output, Send
from syncfsm.peer.messages import Bye, Parting
from syncfsm.peer.protocol import TABLE as PEER
from syncfsm.peer.types import CLOSED, Peer
from syncfsm.peer.types import Event as PeerEvent
from syncfsm.protocol import View
from syncfsm_spec.notes.worlds import talk
from syncfsm_spec.peer.worlds import by_itself as lone_peer
from syncfsm_spec.peer.worlds import clock
from syncfsm_spec.settings import LOCATOR
from syncfsm_spec.sync.worlds import contradiction, forks

PeerResult = tuple[Peer, tuple[Output, ...]]


def send_for_nothing(peer: Peer, cost: int, view: View) -> PeerResult:
    """It hands out what it does not pay for."""
    return peer, ()


def last_word(peer: Peer, bye: Bye, view: View) -> PeerResult:
    peer, outputs = PEER.actions["take_leave"](peer, bye, view)
    return peer, (*outputs, Send(peer.peer, Bye(Parting.PEER_LEFT)))


def slip_away(peer: Peer, bye: Bye, view: View) -> PeerResult:
    """It leaves a peer that leaves, and does not say so to its caller."""
    peer, outputs = PEER.actions["take_leave"](peer, bye, view)
    return peer, tuple(output for output in outputs if not isinstance(output, Disconnect))


def pretend_to_ask(peer: Peer, message: None, view: View) -> PeerResult:
    """It notes a ping, and says none."""
    return PEER.actions["ping"](peer, message, view)[0], ()


PEER_MUTANTS: Final = (
    mutant("last-word", "OneDisconnect", contradiction(LOCATOR), actions={"take_leave": last_word}, table=PEER),
    mutant("slip-away", "OneDisconnect", contradiction(LOCATOR), actions={"take_leave": slip_away}, table=PEER),
    mutant(
        "late-word", "OneDisconnect", lone_peer(), rules=row(CLOSED, PeerEvent.BYE, ALWAYS, action="lose"), table=PEER
    ),
    mutant("send-for-nothing", "Bounded", forks(LOCATOR), actions={"spend": send_for_nothing}, table=PEER),
    mutant("hasty", "Payloads", talk(LOCATOR), guards={"subject_held": always}, table=NOTES),
    mutant("blurt", "Payloads", talk(LOCATOR), guards={"peer_has_subject": always}, table=NOTES),
    mutant("mute", "Payloads", talk(LOCATOR), rules=row(OPEN, NotesEvent.SAY, ALWAYS, action=IGNORE), table=NOTES),
    mutant("patient", "SignsOfLife", clock(LOCATOR), guards={"silent": never}, table=PEER),
    mutant("pretend-to-ask", "SignsOfLife", clock(LOCATOR), actions={"ping": pretend_to_ask}, table=PEER),
)
"""One at least for each promise of the connection and of notes."""
