"""What a sequencer has signed, kept apart from its blocks: so that it never signs two at one height."""

from syncfsm_adapters.guard.guard import Guard, Signed

__all__ = ["Guard", "Signed"]
