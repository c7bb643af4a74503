"""TLS at one end of a connection, between what is said and the wire.

    channel = Channel(identity, dialled)
    write(channel.take())                  # until it is empty
    channel.receive(read())                # what it says
    channel.peer                           # who is there, once it is proved
    channel.seal(words); write(channel.take())
    channel.close(); write(channel.take())

What OpenSSL says of the peer's bytes is kept in ``failed``; no call raises for them.
"""

import contextlib
import ssl
from typing import Final

from syncfsm_adapters.secure.certificate import proved_id
from syncfsm_adapters.secure.identity import APPLICATION, Identity

RECORD_BYTES: Final = 16 * 1024
"""Most bytes in one record of TLS."""
PORTION_BYTES: Final = 4 * RECORD_BYTES
"""Most bytes that are given to OpenSSL at once."""
UNASKED_BYTES: Final = 64 * 1024
"""Most bytes that wait because TLS itself has something to say. Only a peer that asks for new keys over and over, and
does not read the answers, gets there."""


class Channel:
    """One end. ``dialled`` tells which."""

    def __init__(self, identity: Identity, dialled: bool) -> None:
        context = identity.dialling if dialled else identity.accepting
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._goes, server_side=not dialled)
        self.up = False
        """Is the handshake over?"""
        self.peer: bytes | None = None
        """The id of the node at the other end, proved; ``None`` before that, and for ever if it showed a certificate
        that is no node's."""
        self.closed = False
        """Has the peer said that no more will come?"""
        self.failed = ""
        """Why there is no way on, for people; empty while there is."""
        self._shake()

    @property
    def agreed(self) -> bool:
        """Do both speak the same version of the protocol, as far as TLS has told them?"""
        return self._tls.selected_alpn_protocol() == APPLICATION

    def receive(self, data: bytes) -> bytes:
        """Bytes from the wire: what they say. ``data`` goes in by portions, as OpenSSL keeps a buffer as large as the
        largest for as long as the connection lasts."""
        said: list[bytes] = []
        view = memoryview(data)
        for at in range(0, len(data), PORTION_BYTES):
            if self.failed or self.closed:
                break
            self._came.write(view[at : at + PORTION_BYTES])
            self._open(said)
        if self.unsent > UNASKED_BYTES:
            self.failed = "the peer asks for new keys and does not read the answers"
        return b"".join(said)

    def _open(self, said: list[bytes]) -> None:
        """All that can be read of what came."""
        if not self.up:
            self._shake()
        try:
            while self.up and (words := self._tls.read(RECORD_BYTES)):
                said.append(words)
            self.closed = self.up
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
        except ssl.SSLError as error:
            self._fail(error)

    def seal(self, words: bytes) -> None:
        """Have this said, after the handshake; ``take`` gives the bytes for the wire."""
        rest = memoryview(words)
        while rest and not self.failed:
            try:
                rest = rest[self._tls.write(rest) :]
            except ssl.SSLError as error:
                self._fail(error)

    def close(self) -> None:
        """Say that no more will come from here. What the peer still says can be read."""
        if self.up and not self.failed:
            with contextlib.suppress(ssl.SSLError):  # the peer has not closed yet
                self._tls.unwrap()

    @property
    def unsent(self) -> int:
        """Bytes for the wire that wait to be taken."""
        return self._goes.pending

    def take(self) -> bytes:
        """All bytes for the wire that wait."""
        return self._goes.read()

    def _shake(self) -> None:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLError as error:
            self._fail(error)
            return
        self.up = True
        self.peer = proved_id(self._tls.getpeercert(binary_form=True) or b"")

    def _fail(self, error: ssl.SSLError) -> None:
        word = (error.reason or error.__class__.__name__).lower().replace("_", " ")
        verified = f", {error.verify_message}" if isinstance(error, ssl.SSLCertVerificationError) else ""
        self.failed = f"OpenSSL says: {word}{verified}"
