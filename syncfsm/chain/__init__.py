"""The block tree of a node, as a persistent value.

``chain.py`` says which chain of the tree is best, what is final and what is banned. ``tree.py`` keeps the headers and
finds ancestors. It does so in ``runs.py``: blocks that follow one another, compact, as a node may hold a million.
"""

from syncfsm.chain.chain import Ancestry, Chain, Outcome

__all__ = ["Ancestry", "Chain", "Outcome"]
