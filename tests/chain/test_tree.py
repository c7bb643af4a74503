"""Blocks are packed, which nobody can see: what a run gives back, what is packed, and what if two ids have one key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncfsm.blocks import Header
from syncfsm.chain import Chain, tree
from syncfsm.chain.runs import NEVER, Loose
from syncfsm.limits import ID_BYTES, MAX_HEIGHT, PROOF_BYTES, SCORE_BYTES, Limits
from tests.chains import branch, grown, root

FIELDS = st.tuples(
    st.binary(min_size=1, max_size=ID_BYTES),
    st.binary(max_size=SCORE_BYTES),
    st.integers(0, 2**32 - 1),
    st.binary(max_size=PROOF_BYTES),
)


@given(
    st.lists(FIELDS, min_size=1, max_size=20), st.integers(0, MAX_HEIGHT - 20), st.binary(max_size=ID_BYTES), st.data()
)
def test_a_packed_run_gives_back_what_was_put_in(
    fields: list[tuple[bytes, bytes, int, bytes]], low: int, parent: bytes, data: st.DataObject
) -> None:
    headers: list[Header] = []
    for height, (id, score, size, proof) in enumerate(fields, low):
        headers.append(Header(height, id, headers[-1].id if headers else parent, score, size, proof))
    top = headers[-1].height
    loose = Loose(low, top, parent, -1, b"", NEVER, tuple(headers))
    start = data.draw(st.integers(low, top))
    end = data.draw(st.integers(start, top))
    part = headers[start - low : end - low + 1]
    for run in loose, loose.packed():
        assert [run.at(height) for height in range(low, top + 1)] == headers
        assert [run.id_at(height) for height in range(low, top + 1)] == [header.id for header in headers]
        assert list(run.between(start, end)) == part
        assert run.ids(start, end) == [header.id for header in part]
        assert run.size(start, end) == sum(header.size for header in part)
        cut = run.part(start, end)
        assert (cut.low, cut.top, cut.parent) == (start, end, part[0].parent)
        assert list(cut.between(start, end)) == part


def test_all_that_is_below_the_newest_span_is_packed_where_branches_part_too() -> None:
    trunk = branch(root(), 2000)
    sides = [header for at in range(0, 2000, 50) for header in branch(trunk[at], 3, "side")]
    chain = grown([*(header for at in range(0, 2000, 50) for header in trunk[at : at + 50]), *sides])
    assert len(chain.blocks.recent) <= tree.SPAN + len(sides)
    # A branch that wins is packed as far as it goes, and so are the parts of others on which it stands.
    forked = Chain.start(root())
    tips = [root()]
    for at in range(0, 2000, 50):
        worse, better = branch(tips[-1], 52, f"worse {at}"), branch(tips[-1], 50, f"better {at}")
        forked, _ = forked.extend([*worse, *better])
        tips.append(better[-1])
    forked, _ = forked.finalise(tips[-1].point).pruned()
    assert len(forked.blocks) == 2001
    assert len(forked.blocks.recent) <= tree.SPAN


@pytest.mark.parametrize("keys", [0, 0xF, 0xFFF])
def test_ids_that_have_one_key_are_told_apart(keys: int, monkeypatch: pytest.MonkeyPatch) -> None:
    headers, side = branch(root(), 300), branch(root(), 40, "side")
    limits = Limits(retention=20)
    plain = grown([*headers, *side], limits=limits, span=1000)  # nothing is packed
    monkeypatch.setattr(tree, "KEY", keys)
    chain = grown([*headers, *side], limits=limits, span=4)
    assert len(chain.blocks.index) <= keys + 1
    for _ in range(2):
        assert chain == plain
        assert len(chain.blocks) == len(plain.blocks)
        for header in (*headers, *side):
            assert chain.get(header.id) == plain.get(header.id)
            assert (header.id in chain) == (header.id in plain)
        chain, dropped = chain.finalise(headers[200].point).pruned()
        plain, same = plain.finalise(headers[200].point).pruned()
        assert dropped == same
