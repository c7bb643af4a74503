"""A mark as text, which one operator gives to another: where a reader begins whose layer keeps no more what was before.

It names a place of the layer and the last block that the batches up to there confirm, with its header. The header is
signed, so a mark can not name what is no block of the chain. Nothing shows that the layer confirms that block at that
place: whoever begins there trusts who gave the mark. A check sum finds damage, and no forger.
"""

from hashlib import blake2b
from typing import Final

import msgspec

from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm.truth.answers import Place
from syncfsm.truth.reader.types import Mark

VERSION: Final = 1
MOST_BYTES: Final = 16 * 1024
"""No mark is longer."""
SUM_BYTES: Final = 16
AGAIN: Final = "have it made again, with syncfsm mark, at the node that it is from"


class _Place(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    height: int
    id: str
    parent: str


class _Block(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    height: int
    id: str
    parent: str
    score: str
    bytes: int
    proof: str


class _Text(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    syncfsm_mark: int
    chain: str
    layer: _Place
    block: _Block
    sum: str = ""


class Passed(msgspec.Struct, frozen=True):
    """What a mark says: of which chain it is, the place of the layer, and the header of the block."""

    chain_id: bytes
    place: Place
    header: Header

    @property
    def mark(self) -> Mark:
        """Where a reader begins."""
        return Mark(self.place, self.header.point)


def encode(passed: Passed) -> bytes:
    """The mark as JSON, for people to pass on. ``LocalError`` if the chain's id is no text, or if nothing is confirmed
    at the mark: then there is no need for one."""
    place, header = passed.place, passed.header
    if not place.id or not header.height:
        raise LocalError("nothing that the layer can not take back was read yet, so there is no mark: try again later")
    try:
        chain = passed.chain_id.decode()
    except UnicodeDecodeError:
        raise LocalError(f"the chain's id {passed.chain_id!r} is no text, so a mark can not name it") from None
    block = _Block(
        header.height, header.id.hex(), header.parent.hex(), header.score.hex(), header.size, header.proof.hex()
    )
    text = _Text(VERSION, chain, _Place(place.height, place.id.hex(), place.parent.hex()), block)
    whole = msgspec.json.encode(msgspec.structs.replace(text, sum=_sum(text)))
    return msgspec.json.format(whole, indent=2) + b"\n"


def decode(text: bytes) -> Passed:
    """What a mark says. ``LocalError`` if it is damaged, or none."""
    if len(text) > MOST_BYTES:
        raise LocalError(f"a mark has at most {MOST_BYTES:,} bytes, and this more: it is none, or damaged; {AGAIN}")
    try:
        found = msgspec.json.decode(text, type=_Text)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise LocalError(f"this is no mark, or it is damaged ({error}); {AGAIN}") from None
    if found.syncfsm_mark != VERSION:
        raise LocalError(f"this is a mark of version {found.syncfsm_mark}, and version {VERSION} is known here")
    if found.sum != _sum(msgspec.structs.replace(found, sum="")):
        raise LocalError(f"the mark is damaged: its check sum is another; {AGAIN}")
    try:
        place = Place(found.layer.height, *map(bytes.fromhex, (found.layer.id, found.layer.parent)))
        id, parent, score, proof = map(
            bytes.fromhex, (found.block.id, found.block.parent, found.block.score, found.block.proof)
        )
    except ValueError:
        raise LocalError(f"the mark has something else than hexadecimal digits; {AGAIN}") from None
    return Passed(found.chain.encode(), place, Header(found.block.height, id, parent, score, found.block.bytes, proof))


def _sum(text: _Text) -> str:
    """Of all the rest."""
    return blake2b(msgspec.json.encode(text), digest_size=SUM_BYTES).hexdigest()
