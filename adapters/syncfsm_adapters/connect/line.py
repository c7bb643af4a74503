"""The bytes of one connection: what is written to its wire and read from it, for the session behind.

    line = connector.line(dialled, expected)
    write(line.take(n))                    # at once, and again whenever something was received
    line.receive(read())                   # until line.meeting() is not None
    ...
    write(line.end())                      # before the wire is closed for writing

A ``Line`` is plain; a ``SecureLine`` speaks TLS, and its ``meeting`` is a ``Met`` only if the peer has proved the id
with which it greets. Each finds out if the other end is of the other kind, and says so.
"""

from collections.abc import Collection
from typing import Final

from syncfsm.wire.frames import FrameKind
from syncfsm.wire.handshake import Refusal, RefusalReason, first_frame
from syncfsm.wire.session import Met, NoLink, Session
from syncfsm_adapters.secure import APPLICATION, Channel, Identity

TLS_FIRST: Final = (0x15, 0x16)
"""With what TLS begins: an alert, or its handshake. No frame of ours does."""
_CHOOSE: Final = "use --plain on both sides or on none; it is safe only where nobody hostile is on the way"
PLAIN_PEER: Final = f"this node speaks TLS, its peer does not: {_CHOOSE}"
PLAIN_HERE: Final = f"this node does not speak TLS, its peer does: {_CHOOSE}"


class Line:
    """A session without TLS: whoever is on the way can read all and change it, and nobody proves who they are."""

    proved = False
    """Does the peer prove that it is the node that it says?"""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.failed = ""
        """What was wrong with the peer's bytes, so that there is no way on; for people."""
        self._outcome: NoLink | None = None
        self._fresh = True

    @property
    def over(self) -> bool:
        """Will nothing come any more that can be used?"""
        return bool(self.failed)

    @property
    def unsent(self) -> bool:
        """Does something wait to be written of which the session does not know?"""
        return False

    def receive(self, data: bytes) -> None:
        """Bytes from the wire."""
        if self._fresh and data[0] in TLS_FIRST:
            self._outcome = NoLink(str(RefusalReason.TRANSPORT), PLAIN_HERE)
        self._fresh = False
        self.session.receive(data)

    def take(self, most: int) -> bytes:
        """The next bytes to write, about ``most``; empty if nothing waits."""
        return self.session.take(most)

    def meeting(self) -> Met | NoLink | None:
        """What came of the greetings; ``None`` while more must be received. After ``NoLink``, write what ``take`` still
        gives, and close."""
        return self._outcome or self.session.meeting()

    def end(self) -> bytes:
        """The last bytes to write, after all that ``take`` gave."""
        return b""

    def cut(self) -> None:
        """The wire has ended."""


class SecureLine(Line):
    """A session under TLS. ``expected`` is who must be there, if that is known; ``allowed`` are those who may be, if
    not everybody."""

    proved = True

    def __init__(
        self,
        session: Session,
        identity: Identity,
        *,
        dialled: bool,
        expected: bytes | None = None,
        allowed: Collection[bytes] | None = None,
    ) -> None:
        super().__init__(session)
        self._channel = Channel(identity, dialled)
        self._expected, self._allowed = expected, allowed
        self._answer = b""
        self._seen = False

    @property
    def over(self) -> bool:
        return bool(self.failed) or self._channel.closed

    @property
    def unsent(self) -> bool:
        return self._channel.unsent > 0

    def receive(self, data: bytes) -> None:
        if self._fresh and data[0] not in TLS_FIRST:
            self._meet_plain(data[0])
        self._fresh = False
        if self._outcome is not None:
            return
        said = self._channel.receive(data)
        if self._channel.up and not self._seen:
            self._look()
        if said and self._outcome is None:
            self.session.receive(said)
        self.failed = self._channel.failed

    def take(self, most: int) -> bytes:
        if self._answer:
            answer, self._answer = self._answer, b""
            return answer
        if self._channel.up and self._outcome is None:
            self._channel.seal(self.session.take(most))
        return self._channel.take()

    def meeting(self) -> Met | NoLink | None:
        if self._outcome is None and self._channel.up:
            met = self.session.meeting()
            if isinstance(met, Met) and met.theirs.node_id != self._channel.peer:
                refusal = Refusal(RefusalReason.IDENTITY, "the id in the greeting is not the one that was proved")
                met = self.session.refuse(refusal)
            if met is not None:
                return met
        if self._outcome is None and self.failed:
            self._outcome = NoLink("tls", f"no TLS 1.3 with this peer; {self.failed}")
        elif self._outcome is None and self._channel.closed:
            self._outcome = NoLink("closed", "the peer closed the connection before it had greeted")
        return self._outcome

    def end(self) -> bytes:
        self._channel.close()
        return self._channel.take()

    def cut(self) -> None:
        if not self.over:
            self.failed = "the wire ended before the peer had closed TLS: it was killed, or somebody cut the connection"

    def _meet_plain(self, first: int) -> None:
        if first in (FrameKind.GREETING, FrameKind.REFUSAL):
            self._outcome = NoLink(str(RefusalReason.TRANSPORT), PLAIN_PEER)
            self._answer = first_frame(Refusal(RefusalReason.TRANSPORT, PLAIN_PEER))
        else:
            self._outcome = NoLink("no-tls", "what the peer sent is no TLS, and no greeting without it")

    def _look(self) -> None:
        """The handshake is over: is it somebody whom we want to talk to?"""
        self._seen = True
        peer = self._channel.peer
        if peer is None:
            self._refuse(RefusalReason.IDENTITY, "the certificate shown is not the one that follows from a node's key")
        elif not self._channel.agreed:
            self._refuse(RefusalReason.VERSION, f"one end speaks {APPLICATION}, the other does not: update the older")
        elif self._expected is not None and peer != self._expected:
            self._refuse(
                RefusalReason.IDENTITY,
                f"you are not the node that was dialled: you are {peer.hex()}",
                f"{self._expected.hex()} was expected at this address, and {peer.hex()} is there: correct the id in "
                "--peer, or find out who listens there",
            )
        elif self._allowed is not None and peer not in self._allowed:
            self._refuse(
                RefusalReason.NOT_ALLOWED,
                f"this node takes only peers that it knows: have {peer.hex()} added to its --allow",
                f"{peer.hex()} is not on the list: start with --allow and this id if it may come in",
            )

    def _refuse(self, reason: RefusalReason, told: str, noted: str = "") -> None:
        self._outcome = NoLink(str(reason), noted or told)
        self._channel.seal(first_frame(Refusal(reason, told)))
