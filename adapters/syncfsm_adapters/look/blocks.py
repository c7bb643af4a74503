"""What a running node says of one block: what it is, and in which batch of the layer."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from syncfsm.blocks import Header
from syncfsm.chain import Chain
from syncfsm.errors import LocalError
from syncfsm.limits import ID_BYTES
from syncfsm.truth.stands import Batched, Stand, stand

Find = Callable[[int], Batched | None]
"""The batch that has the block at this height, if that is known: ``Truth.batch``."""
HEIGHT_DIGITS: Final = 19
SENTENCES: Final[Mapping[Stand, str]] = {
    Stand.FINAL: "It is on the best chain, and can not be taken back",
    Stand.CONFIRMED: "A batch on the data-availability layer has it, and the layer may still take that back",
    Stand.SOFT: "It is on the best chain. No batch that was read has it, so another may take its place",
    Stand.BANNED: "It is banned here, or stands on a block that is. Take that back with: syncfsm block unban",
    Stand.BRANCH: "It is held, and beside the best chain",
}
NO_LAYER: Final = "This node follows no data-availability layer"
NOT_KNOWN: Final = (
    "In which batch it is this node does not know: it has not read that batch itself, as it began above it (--mark, "
    "--da-start), or the list in STORE.da.batches was lost. A node that has read it knows"
)


def id_of(text: str) -> bytes:
    """The id of a block from its hexadecimal digits. ``LocalError`` if it is none."""
    try:
        id = bytes.fromhex(text)
    except ValueError:
        id = b""
    if not 1 <= len(id) <= ID_BYTES:
        raise LocalError(f"{text[:80]!r} is no id of a block: give all of its hexadecimal digits") from None
    return id


def show(chain: Chain, text: str, find: Find | None) -> dict[str, Any]:
    """What is known of the block that ``text`` names by its height on the best chain, or by its id, all hexadecimal
    digits of it. ``LocalError`` if there is none."""
    if text.isascii() and text.isdecimal() and len(text) <= HEIGHT_DIGITS:
        return _at(chain, int(text), find)
    id = id_of(text)
    header = chain.get(id)
    if header is None:
        raise LocalError(
            f"block {text} is not held: it never came, what is final has ruled it out, or its header is older than "
            "--retention keeps in memory. What is that old can be asked for by its height"
        )
    return _said(header, stand(chain, header), find)


def _at(chain: Chain, height: int, find: Find | None) -> dict[str, Any]:
    if height > chain.head.height:
        raise LocalError(f"there is no block at {height} yet: the head is {chain.head.point}")
    header = chain.best_at(height)
    if header is not None:
        return _said(header, stand(chain, header), find)
    old = f"Its header is older than --retention keeps in memory, which is from {chain.base.point} on"
    return {"height": height, "id": None, "parent": None, "bytes": None} | _placed(Stand.FINAL, height, find, old)


def _said(header: Header, what: Stand, find: Find | None) -> dict[str, Any]:
    known = {"height": header.height, "id": header.id.hex(), "parent": header.parent.hex(), "bytes": header.size}
    return known | _placed(what, header.height, find)


def _placed(what: Stand, height: int, find: Find | None, *more: str) -> dict[str, Any]:
    wanted = what in (Stand.FINAL, Stand.CONFIRMED) and height > 0  # genesis is in none
    batch = find(height) if wanted and find is not None else None
    sentences = [SENTENCES[what], *more]
    if find is None:
        sentences.append(NO_LAYER)
    elif wanted and batch is None:
        sentences.append(NOT_KNOWN)
    placed = {"first": batch.first, "last": batch.last, "layer": batch.layer} if batch is not None else None
    return {"stand": what.value, "batch": placed, "sentence": ". ".join(sentences)}
