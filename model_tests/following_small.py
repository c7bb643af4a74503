"""Worlds of a node that follows a layer, small enough for every edge to be replayed: the larger ones, with less that
may happen. Together they fire nearly every row that fires in those."""

from typing import Final

from model_tests.truth_small import few
from syncfsm_spec.truth.following import away, banned, beside_peers, other_final, pruned_peer, restarts, turns_back

TURNS_BACK: Final = few(turns_back(), connect=1, a1=1, goes_back_to_a2=1)
AWAY: Final = few(away(), connect=1, a1=1, is_out=1)
RESTARTS: Final = few(restarts(), a1=1, a_block=1, A_restarts=1, **{"A restarts, and": 1})
CONTRADICTS: Final = few(other_final(), a1=1, c2=1, A_makes=1, A_restarts=1)
USUAL: Final = (
    TURNS_BACK,
    AWAY,
    RESTARTS,
    CONTRADICTS,
    few(restarts(), connect=1, a1=1, A_restarts=1),
    few(banned(), connect=1, A_bans=1),
)
SMALL: Final = (
    *USUAL,
    few(turns_back(), a1=1, c2=1, goes_back=1, goes_back_to_a2=1),
    few(away(), connect=1, a1=1, a2=1, prunes=1),
    few(beside_peers(), connect=1, a1=1, B=1),
    few(beside_peers(), connect=1, a1=1, c2=1),
    few(beside_peers(), connect=2, cut=1, c2=1),
    few(banned(), connect=1, a1=1, c2=1, A_bans=1),
    few(other_final(), connect=1, c2=1, A_restarts=1),
    few(pruned_peer(), connect=2, a1=1, B_finalises=1),
)
"""``USUAL`` is for every test run, the rest for the nightly one."""
