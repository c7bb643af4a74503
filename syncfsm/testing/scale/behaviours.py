"""Nodes that lie: what a real node says goes through one of these before it is carried (``LargeNetwork.misbehave``)."""

from syncfsm.outputs import Output, SendBlocks


def withholds(output: Output) -> bool:
    """Tells of blocks, and gives none."""
    return not isinstance(output, SendBlocks)
