"""What a data-availability (DA) layer answers: to a question for a height, and to a blob that it is given.

They are values and never exceptions, as each is something that happens, and none is a bug. To take two of them for one
loses data: who takes *future* for *none* skips a height for ever.
"""

from typing import TypeAlias

import msgspec


class Place(msgspec.Struct, frozen=True):
    """A block of the layer: its height, its id, and its parent's id. By the ids a reader notices a reorganisation."""

    height: int
    id: bytes
    parent: bytes


# What is there at a height? -------------------------------------------------------------------------------------


class Blobs(msgspec.Struct, frozen=True):
    """The blobs of our namespace at this place, in the layer's order; never empty. Their bytes are anybody's."""

    place: Place
    blobs: tuple[bytes, ...]


class Nothing(msgspec.Struct, frozen=True):
    """There is such a block, and it holds nothing of ours."""

    place: Place


class Future(msgspec.Struct, frozen=True):
    """The layer is not there yet. ``head`` is where it is."""

    head: int


class Pruned(msgspec.Struct, frozen=True):
    """The layer has been there, and does not keep it any more. ``oldest`` is the oldest height that it has; 0 if that
    is not known."""

    oldest: int


class Trouble(msgspec.Struct, frozen=True):
    """Nothing is known: the layer can not be reached, or what it says makes no sense. ``detail`` is for people."""

    detail: str


class Broken(msgspec.Struct, frozen=True):
    """The layer has taken back what it had called final, and says so itself: nothing that it says counts any more.
    ``detail`` is for people."""

    detail: str


Answer: TypeAlias = Blobs | Nothing | Future | Pruned | Trouble | Broken

# What became of a blob? -----------------------------------------------------------------------------------------


class Posted(msgspec.Struct, frozen=True):
    """It is in the layer's block of this height."""

    height: int


class Unsure(msgspec.Struct, frozen=True):
    """It may be in the layer, now or later: look before it is given again."""

    detail: str


class TooBig(msgspec.Struct, frozen=True):
    """It is not in the layer, and never will be: it has more bytes than the layer takes. ``most`` is how many it takes;
    0 if that is not known."""

    most: int
    detail: str


class Refused(msgspec.Struct, frozen=True):
    """It is not in the layer; to give it again is of no use before somebody has mended something: a token, funds."""

    detail: str


Outcome: TypeAlias = Posted | Unsure | TooBig | Refused | Trouble
"""With ``Trouble`` it is not in the layer: give it again, later."""


class Head(msgspec.Struct, frozen=True):
    """The newest height that the layer can be asked for."""

    height: int
