"""The first two frames of each side, and what two nodes conclude from them.

Both sides greet at once, without waiting, and announce the protocols they speak. Whoever finds that the two do not fit
together answers with a refusal that says what to do, and closes. If only one of the two finds so, the other may have
begun already, and then takes the refusal for a bye. The layout of a greeting and of a refusal never changes: a later
version may change all that comes after, and can still be refused politely by this one.

From version 2 on, what is new needs no new version: a protocol that only one side announces is left alone, a message
that the other's version of a protocol does not have is not sent, and what an announcement has beyond what is known is
ignored.
"""

import enum
from typing import Annotated, Final, NamedTuple, TypeAlias

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Point
from syncfsm.errors import Fault, LocalError
from syncfsm.peer.messages import Reason
from syncfsm.registry import Registry
from syncfsm.wire import codec
from syncfsm.wire.frames import HEADER_BYTES, KINDS, PAYLOAD_BYTES, WORD, FrameKind, bad_word, fault, frame

VERSION: Final = 2
"""The version of the wire format that this release speaks."""
NAMES_CHARACTERS: Final = 160
"""Most characters of protocols' names in a refusal, so that its text is within ``limits.REASON_BYTES``."""


class Greeting(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True, tag="syncfsm"):
    """Who is calling. On the wire it starts with the word ``syncfsm``, so a stranger is recognised at once.

    ``node_id`` is an Ed25519 public key in form (``limits.NODE_ID_BYTES``); the handshake does not prove it. ``stamp``
    is when the sender began this connection, in any unit of its own that grows, over restarts too; it is compared only
    with stamps of the same node.
    """

    version: Annotated[int, Meta(ge=0, le=2**16 - 1)]
    chain_id: Annotated[bytes, Meta(max_length=limits.CHAIN_ID_BYTES)]
    node_id: Annotated[bytes, Meta(min_length=1, max_length=limits.OLD_NODE_ID_BYTES)]
    genesis: Point
    stamp: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0


class RefusalReason(enum.StrEnum):
    """Why a connection is refused. The text goes over the wire and into logs, so it is stable."""

    VERSION = "version"
    """The nodes speak different versions of the protocol."""
    CHAIN_ID = "chain-id"
    """The nodes follow different chains."""
    KEY = "key"
    """The nodes check the blocks of one chain with different keys."""
    PROTOCOLS = "protocols"
    """One of the nodes lacks a protocol that the other cannot do without."""
    NODE_ID = "node-id"
    """A node id is no public key in form."""
    GENESIS = "genesis"
    """The chains have one name but do not start from the same block."""
    SELF = "self-connection"
    """The peer has our own node id."""
    FULL = "full"
    """The node has as many links as its limits allow."""
    DUPLICATE = "duplicate"
    """The two nodes are connected already, and that connection stays."""
    BANNED = "banned"
    """The node does not want to talk to this peer."""
    TRANSPORT = "transport"
    """One of the two speaks TLS, the other does not."""
    IDENTITY = "identity"
    """The peer did not prove to be the node that it says, or is not the one that was dialled."""
    NOT_ALLOWED = "not-allowed"
    """The node takes only peers that it knows."""
    TWIN = "twin"
    """The peer has our own node id, and is another process."""


class Refusal(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Why there will be no link. ``reason`` is a ``RefusalReason``, or a word of another release, passed on as it came;
    ``text`` says what to do: printable, at most ``limits.REASON_BYTES`` of UTF-8."""

    reason: Reason
    text: Annotated[str, Meta(max_length=limits.REASON_BYTES)]


class Announcement(msgspec.Struct, frozen=True, array_like=True):
    """The protocols that the sender speaks: number and version of each; and the public key that its chain's blocks are
    checked with, if that is one for all of them. What a later release adds is ignored."""

    protocols: Annotated[
        tuple[tuple[Annotated[int, Meta(ge=1, le=255)], Annotated[int, Meta(ge=1, le=2**16 - 1)]], ...],
        Meta(max_length=limits.PROTOCOLS),
    ]
    key: Annotated[bytes, Meta(max_length=limits.CHAIN_KEY_BYTES)] = b""


First: TypeAlias = Greeting | Refusal
Second: TypeAlias = Announcement | Refusal

_GREETING: Final = msgspec.msgpack.Decoder(Greeting)
_REFUSAL: Final = msgspec.msgpack.Decoder(Refusal)
_ANNOUNCEMENT: Final = msgspec.msgpack.Decoder(Announcement)


def first_frame(message: First) -> bytes:
    """The frame to send. ``LocalError`` if a peer would take ``message`` for a fault, as when a field is too long."""
    kind = FrameKind.GREETING if isinstance(message, Greeting) else FrameKind.REFUSAL
    encoded = frame(kind, msgspec.msgpack.encode(message))
    outcome = read_first(encoded)
    if isinstance(outcome, Fault):
        raise LocalError(f"a peer would refuse this {kind.name.lower()} as {outcome.rule}: {outcome.detail}")
    return encoded


def second_frame(announcement: Announcement) -> bytes:
    """The frame to send after a greeting. ``LocalError`` if a peer would take it for a fault."""
    encoded = frame(FrameKind.ANNOUNCEMENT, msgspec.msgpack.encode(announcement))
    outcome = read_second(encoded)
    if isinstance(outcome, Fault):
        raise LocalError(f"a peer would refuse this announcement as {outcome.rule}: {outcome.detail}")
    return encoded


def announce(registry: Registry, key: bytes = b"") -> Announcement:
    """What a node with these protocols, whose chain has this key, announces."""
    return Announcement(tuple((int(protocol.number), protocol.version) for protocol in registry.protocols), key)


def read_first(received: bytes) -> tuple[First, bytes] | Fault | None:
    """The peer's first message and the bytes after it, or ``None`` until ``received``, all so far, holds it whole.

    The bytes after it are the start of what ``read_second`` reads. A caller that asks whenever bytes arrive, until the
    answer is not ``None``, holds at most ``limits.GREETING_BYTES`` and what arrived last.
    """
    found = _whole(received, (FrameKind.GREETING, FrameKind.REFUSAL), limits.GREETING_BYTES, "greeting")
    if not isinstance(found, tuple):
        return found
    kind, payload, rest = found
    if kind is FrameKind.GREETING:
        greeting = codec.decode(_GREETING, payload, "greeting")
        return greeting if isinstance(greeting, Fault) else (greeting, rest)
    refusal = read_refusal(payload)
    return refusal if isinstance(refusal, Fault) else (refusal, rest)


def read_second(received: bytes) -> tuple[Second, bytes] | Fault | None:
    """The same for the second frame: what the peer announces, or why it wants no link."""
    found = _whole(received, (FrameKind.ANNOUNCEMENT, FrameKind.REFUSAL), limits.ANNOUNCEMENT_BYTES, "announcement")
    if not isinstance(found, tuple):
        return found
    kind, payload, rest = found
    if kind is FrameKind.REFUSAL:
        refusal = read_refusal(payload)
        return refusal if isinstance(refusal, Fault) else (refusal, rest)
    try:
        announced = _ANNOUNCEMENT.decode(payload)
    except codec.BAD_INPUT as error:
        return fault("malformed-announcement", f"these bytes are no announcement: {str(error)[:100]!a}", payload)
    if len(dict(announced.protocols)) < len(announced.protocols):
        return fault("malformed-announcement", "a protocol is announced twice", payload)
    return announced, rest


def _whole(
    received: bytes, kinds: tuple[FrameKind, ...], longest: int, what: str
) -> tuple[FrameKind, bytes, bytes] | Fault | None:
    """The kind and payload of the frame with which ``received`` begins, and the rest; ``None`` until it is there."""
    if len(received) < HEADER_BYTES:
        return None
    (word,) = WORD.unpack_from(received)
    kind, length = KINDS.get(word >> 24), word & 0xFFFFFF
    if kind is None or length > PAYLOAD_BYTES:
        return bad_word(word)
    stop = HEADER_BYTES + length
    if kind not in kinds:
        return fault(f"no-{what}", f"a {what} was to come, not {kind.name}", received[:HEADER_BYTES])
    if stop > longest:
        return fault(f"{what}-too-long", f"{stop} bytes announced, {longest} allowed", received[:stop])
    if len(received) < stop:
        return None
    return kind, received[HEADER_BYTES:stop], received[stop:]


def read_refusal(payload: bytes) -> Refusal | Fault:
    """The refusal in a REFUSAL frame."""
    refusal = codec.decode(_REFUSAL, payload, "refusal")
    if isinstance(refusal, Fault):
        return refusal
    if len(refusal.text.encode()) > limits.REASON_BYTES:
        return fault("malformed-refusal", f"the text exceeds {limits.REASON_BYTES} bytes", payload)
    if not refusal.text.isprintable():  # it goes into logs as it is
        return fault("malformed-refusal", "the text is not printable", payload)
    return refusal


def judge(mine: Greeting, theirs: Greeting) -> Refusal | None:
    """Why the two nodes cannot have a link, as far as greetings show; both ends come to the same reason."""
    if mine.version != theirs.version:
        return Refusal(
            RefusalReason.VERSION,
            f"this node speaks protocol version {mine.version}, yours {theirs.version}: run releases that share one",
        )
    if mine.chain_id != theirs.chain_id:
        return Refusal(
            RefusalReason.CHAIN_ID,
            f"this node follows chain {_short(mine.chain_id)}, yours {_short(theirs.chain_id)}: "
            "correct the chain id, or the address dialled",
        )
    if mine.genesis != theirs.genesis:
        return Refusal(
            RefusalReason.GENESIS,
            f"this node's chain starts from {mine.genesis}, yours from {theirs.genesis}: "
            "start both from the same genesis file",
        )
    for whose, greeting in (("this node's", mine), ("your", theirs)):
        if len(greeting.node_id) != limits.NODE_ID_BYTES:
            return Refusal(
                RefusalReason.NODE_ID,
                f"{whose} node id has {len(greeting.node_id)} bytes: an id is an Ed25519 public key, "
                f"{limits.NODE_ID_BYTES} bytes",
            )
    if mine.node_id == theirs.node_id:
        return Refusal(
            RefusalReason.SELF,
            f"both ends have node id {_short(mine.node_id)}: a node dialled itself, or two nodes share an id; "
            "give each its own",
        )
    return None


def agree(registry: Registry, theirs: Announcement, key: bytes = b"") -> dict[int, int] | Refusal:
    """The protocols that both speak, and the version of each; or why that is not enough."""
    if key and theirs.key and key != theirs.key:
        return Refusal(
            RefusalReason.KEY,
            f"this node's blocks are signed with key {key.hex()[:16]}, yours with {theirs.key.hex()[:16]}: correct "
            "the public key at the one that has it wrong",
        )
    known = dict(theirs.protocols)
    lacking = [p for p in registry.protocols if p.essential and p.number not in known]
    if lacking:
        names = ", ".join(f"{p.name} (number {int(p.number)})" for p in lacking)
        return Refusal(
            RefusalReason.PROTOCOLS,
            f"this node needs {_cut(names)}, yours does not speak it: run a release that does",
        )
    mine = {int(p.number): p.version for p in registry.protocols}
    return {number: min(version, mine[number]) for number, version in known.items() if number in mine}


def _cut(names: str) -> str:
    """As much as leaves room for the rest of a refusal's text, in characters of a byte each."""
    plain = ascii(names)[1:-1]
    return plain if len(plain) <= NAMES_CHARACTERS else f"{plain[:NAMES_CHARACTERS]}..."


def _short(name: bytes) -> str:
    return repr(name[:16])[1:] if name.isascii() and name.decode().isprintable() else name[:8].hex()


class Dial(NamedTuple):
    """Who made a connection, and when: ``stamp`` is the one in the greeting of the side that dialled."""

    by_me: bool
    stamp: int


def compete(mine: bytes, theirs: bytes, proved: bool, old: Dial, new: Dial) -> bool:
    """Is only one of these two connections to one node to stay, the one that ``survives``?

    Where ids are mere claims, what came in may be somebody else's, and ends nothing that was dialled. If two dial each
    other then, the one with the smaller id ends what came in, as its own dial survives; and its peer, who can not know
    whether it was that one who came, has both until then.
    """
    return proved or mine < theirs or old.by_me == new.by_me


def survives(mine: bytes, theirs: bytes, old: Dial, new: Dial) -> bool:
    """Whether the new connection between two nodes replaces the old one; otherwise the new one is closed.

    ``mine`` and ``theirs`` are the node ids, which differ (``judge`` has seen to it).

    Exactly one connection survives. If the two dialled each other at the same time, it is the one that the node with
    the smaller id dialled. If one node dialled both, it is the one that it dialled later: a node does not dial a peer
    that it is connected to, so it has given up the other, even if that one's greeting comes through last, as it may
    after a path was dead for a while. Both ends know the ids, who dialled and the dialler's stamps, so both pick the
    same connection, whichever of the two each saw first.
    """
    if old.by_me == new.by_me:
        return new.stamp >= old.stamp
    return new.by_me == (mine < theirs)
