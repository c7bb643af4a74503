"""What a data-availability (DA) layer is to a node: four questions. Whatever answers them can be the source of truth.

A new layer is a class with these methods; ``tests/adapters/da_suite.py`` says whether it is one.
"""

from typing import Protocol

from syncfsm.truth.answers import Answer, Head, Outcome, Trouble


class Layer(Protocol):
    """One namespace of a DA layer.

    No method raises for what a layer may do; all are bounded in time and in memory, and can be cancelled at any moment.
    ``LocalError`` is for a mistake of the caller: an empty blob, a height below 1.
    """

    async def submit(self, blob: bytes) -> Outcome:
        """Give the layer a blob, and wait until it is in a block. To be cancelled is to be ``Unsure``."""
        ...

    async def blobs(self, height: int) -> Answer:
        """What is at this height. Never waits for the future."""
        ...

    async def head(self) -> Head | Trouble:
        """Where the layer is now."""
        ...

    async def wait(self, height: int, seconds: float) -> Head | Trouble:
        """Wait until the layer is at ``height`` or beyond, and for so many seconds at most; then say where it is. This
        is all that a subscription is for; who does not want to wait asks for the head now and then."""
        ...

    def close(self) -> None:
        """Give up what is held between two questions. It can be asked again."""
        ...
