"""What the two ends say to each other."""

from typing import Annotated

import msgspec
from msgspec import Meta

Address = Annotated[str, Meta(min_length=1, max_length=64)]


class Please(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Do you know addresses of further peers?"""


class Here(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """These. Maybe none."""

    addresses: Annotated[tuple[Address, ...], Meta(max_length=255)]
