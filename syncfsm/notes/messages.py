"""The payload of an integrator's consensus or routing layer."""

from typing import Annotated

import msgspec
from msgspec import Meta

from syncfsm import limits
from syncfsm.blocks import Point


class Note(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A consensus or routing payload, opaque here. It is delivered only where the block ``about`` is known."""

    payload: Annotated[bytes, Meta(max_length=limits.NOTE_BYTES)]
    about: Point | None = None
