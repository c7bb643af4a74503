"""The reference chain: one signature vouches for a run, and no byte of any header in it can be changed."""

import subprocess
import sys
from hashlib import blake2b
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.bindings import crypto_sign, crypto_sign_seed_keypair

from syncfsm import signed
from syncfsm.blocks import Header, HeaderCheck
from syncfsm.chain import Chain
from syncfsm.errors import Fault, LocalError
from syncfsm.signed import SignedChain

KEY, SECRET = crypto_sign_seed_keypair(b"sequencer".ljust(32))
_, STRANGER = crypto_sign_seed_keypair(b"stranger".ljust(32))
CHAIN: HeaderCheck = SignedChain(b"chain", KEY)


def child(parent: Header, body: bytes, secret: bytes = SECRET, chain_id: bytes = b"chain") -> Header:
    message = signed.unsigned(chain_id, parent, body)
    return signed.seal(parent, body, message, crypto_sign(message, secret)[: signed.SIGNATURE_BYTES])


def grow(length: int, secret: bytes = SECRET, chain_id: bytes = b"chain") -> list[Header]:
    headers = [signed.genesis(chain_id)]
    for number in range(length):
        headers.append(child(headers[-1], b"body %d" % number, secret, chain_id))
    return headers[1:]


RUN = grow(5)
PAST = Chain.start(signed.genesis(b"chain")).past(signed.genesis(b"chain").id)
"""It says nothing to this check: ids commit to parents."""


def rule(outcome: Fault | None) -> str | None:
    return outcome.rule if outcome else None


def test_genesis_follows_from_the_chain_id_and_differs_between_chains() -> None:
    first = signed.genesis(b"chain")
    assert first == signed.genesis(b"chain")
    assert (first.height, first.parent, first.score, first.size, first.proof) == (0, b"", bytes(8), 0, b"")
    assert len({signed.genesis(b"chain").id, signed.genesis(b"chai").id, signed.genesis(b"").id}) == 3


def test_sealed_blocks_pass_alone_and_as_runs_of_any_length() -> None:
    for start in range(len(RUN)):
        for stop in range(start + 1, len(RUN) + 1):
            assert CHAIN.run(RUN[start:stop], PAST) is None
    scores = [header.score for header in RUN]
    assert scores == sorted(set(scores))
    assert CHAIN.body(RUN[3], b"body 3") is None


def test_a_body_other_than_the_promised_one_is_refused() -> None:
    for body in (b"", b"body 2", b"body 3 and more"):
        assert rule(CHAIN.body(RUN[3], body)) == "wrong-body"
    assert rule(CHAIN.body(signed.genesis(b"chain"), b"")) == "wrong-body"


@given(
    st.integers(0, len(RUN) - 1), st.sampled_from(["id", "parent", "score", "proof"]), st.integers(0), st.integers(0, 7)
)
def test_a_flipped_bit_anywhere_in_a_run_is_noticed(index: int, field: str, place: int, bit: int) -> None:
    original: bytes = getattr(RUN[index], field)
    flipped = bytearray(original)
    flipped[place % len(flipped)] ^= 1 << bit
    changed = msgspec.structs.replace(RUN[index], **{field: bytes(flipped)})
    outcome = CHAIN.run([*RUN[:index], changed, *RUN[index + 1 :]], PAST)
    assert rule(outcome) == ("bad-score" if field == "score" else "bad-id")


def test_a_signature_swapped_inside_a_run_does_not_pass_with_an_id_that_fits_it() -> None:
    """The attack for which ids commit to signatures: the swapped block gets another id, so its child no longer fits."""
    parent = signed.genesis(b"chain")
    message = signed.unsigned(b"chain", parent, b"body 0")
    swapped = signed.seal(parent, b"body 0", message, bytes(signed.SIGNATURE_BYTES))
    assert swapped.id != RUN[0].id
    assert RUN[1].parent == RUN[0].id
    assert rule(CHAIN.run([swapped], PAST)) == "bad-signature"


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        (grow(3, secret=STRANGER), "bad-signature"),
        (grow(3, chain_id=b"another"), "bad-id"),
        ([msgspec.structs.replace(RUN[0], height=2)], "bad-id"),
        ([msgspec.structs.replace(RUN[0], proof=b"")], "bad-proof"),
        ([msgspec.structs.replace(RUN[0], proof=RUN[0].proof + b"x")], "bad-proof"),
        ([msgspec.structs.replace(RUN[0], parent=b"")], "bad-id"),
        ([signed.genesis(b"chain")], "bad-proof"),
    ],
)
def test_rejected(headers: list[Header], expected: str) -> None:
    assert rule(CHAIN.run(headers, PAST)) == expected


@given(
    st.builds(
        Header,
        st.integers(0, 2**48 - 1),
        st.binary(min_size=1, max_size=64),
        st.binary(max_size=64),
        st.binary(max_size=64),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=96) | st.binary(min_size=96, max_size=96),
    ),
    st.binary(max_size=40),
)
def test_any_header_has_a_typed_outcome(header: Header, body: bytes) -> None:
    assert isinstance(CHAIN.run([header], PAST), Fault)
    assert isinstance(CHAIN.body(header, body), Fault)


def test_what_is_signed_and_hashed_is_fixed_for_ever() -> None:
    """Both ids carry their length, so that no byte can move from one to the other."""
    parent = Header(6, b"parent", b"", b"", 0, b"")
    message = signed.unsigned(b"chain", parent, b"body")
    body_hash = blake2b(b"body", digest_size=32).digest()
    assert message == b"syncfsm block 1" + b"\x05chain" + (7).to_bytes(8) + b"\x06parent" + body_hash

    signature = b"s" * 64
    expected = blake2b(message + signature, digest_size=32).digest()
    sealed = Header(7, expected, b"parent", (7).to_bytes(8), 4, body_hash + signature)
    assert signed.seal(parent, b"body", message, signature) == sealed


def test_wrong_lengths_are_local_errors() -> None:
    with pytest.raises(LocalError, match="32 bytes, not 31"):
        SignedChain(b"chain", KEY[:-1])
    with pytest.raises(LocalError, match="at most 64 bytes, not 65"):
        SignedChain(b"c" * 65, KEY)
    with pytest.raises(LocalError, match="64 bytes, not 3"):
        signed.seal(RUN[0], b"", b"m" * 32, b"sig")


WITHOUT = """
import sys
from importlib import import_module
from pathlib import Path
sys.modules["nacl"] = None
for path in sorted(Path("syncfsm").glob("**/[!_]*.py")):
    name = ".".join(path.with_suffix("").parts)
    if not name.endswith(".signed"):
        import_module(name)
try:
    import syncfsm.signed
except ImportError as error:
    print(error)
"""


def test_only_signatures_need_pynacl_and_say_so() -> None:
    root = Path(signed.__file__).parent.parent
    found = subprocess.run((sys.executable, "-c", WITHOUT), cwd=root, capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == [
        "syncfsm.signed verifies Ed25519 signatures with PyNaCl, which is not installed; "
        "run pip install 'syncfsm[signed]', or give Config a HeaderCheck of your own"
    ]
