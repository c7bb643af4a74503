"""Keys and certificates of nodes."""

import os
import ssl
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.signing import SigningKey

from syncfsm.errors import LocalError
from syncfsm_adapters.secure import Identity, parse_id
from syncfsm_adapters.secure import identity as module
from syncfsm_adapters.secure.certificate import certificate, proved_id

SEED = bytes(range(32))
ID = bytes(SigningKey(SEED).verify_key)
SHOWN = certificate(ID)
NOBODY = bytes((1,)) + bytes(31)
"""A point of small order: everybody can sign for it."""


def test_a_certificate_follows_from_the_id_for_ever() -> None:
    """Nodes of other releases compute it too, so not a byte may change."""
    assert len(SHOWN) == 237
    assert certificate.__wrapped__(ID) == SHOWN
    assert SHOWN.hex() == (
        "3081ea30819da003020102020101300506032b657030253123302106035504030c1a73796e6366736d3a206365727469"
        "66696573206e6f7468696e673020170d3530303130313030303030305a180f39393939313233313233353935395a3017"
        "3115301306035504030c0c73796e6366736d206e6f6465302a300506032b657003210003a107bff3ce10be1d70dd18e7"
        "4bc09967e4d6309ba50d5f1ddc8664125531b8300506032b6570034100303f4d55d52ae4ed3bc87e35d55f1168b0d82c"
        "90dea74fbe691d37b0af3622d2293400a84e45c3e1071631f403639f135132a5807b9d4357e813efccbac3f00c"
    )
    assert certificate(bytes(32)) != SHOWN


@given(st.binary(min_size=32, max_size=32))
def test_the_id_is_in_the_certificate(seed: bytes) -> None:
    node_id = bytes(SigningKey(seed).verify_key)
    assert proved_id(certificate(node_id)) == node_id


@given(st.integers(0, len(SHOWN) - 1), st.integers(1, 255))
def test_a_byte_that_differs_makes_it_nobodys(at: int, by: int) -> None:
    changed = bytearray(SHOWN)
    changed[at] ^= by
    assert proved_id(bytes(changed)) is None


@given(st.integers(0, len(SHOWN) - 1))
def test_a_part_of_a_certificate_is_nobodys(length: int) -> None:
    assert proved_id(SHOWN[:length]) is None
    assert proved_id(SHOWN + SHOWN[:length] + b"\0") is None


def test_a_key_that_everybody_has_is_nobodys() -> None:
    assert proved_id(certificate(NOBODY)) is None
    with pytest.raises(LocalError, match="is no node id"):
        parse_id(NOBODY.hex())


@pytest.mark.parametrize("digits", ["", "xyz", ID.hex()[:-2], ID.hex() + "00", "é" * 64])
def test_what_is_no_id_is_refused(digits: str) -> None:
    with pytest.raises(LocalError, match="give the 64 hexadecimal digits"):
        parse_id(digits)


def test_an_identity_knows_its_id_and_does_not_tell_its_key() -> None:
    who = Identity(SEED)
    assert who.id == ID == parse_id(ID.hex())
    assert SEED.hex() not in repr(who) + repr(vars(who))
    with pytest.raises(LocalError, match="has 32 bytes, not 64"):
        Identity(SEED * 2)


def test_only_tls_of_version_3_is_spoken_and_all_are_asked_who_they_are() -> None:
    who = Identity(SEED)
    for made in (who.accepting, who.dialling):
        assert made.minimum_version == made.maximum_version == ssl.TLSVersion.TLSv1_3
        assert made.verify_mode == ssl.CERT_REQUIRED
    assert who.accepting.num_tickets == 0


def test_the_key_does_not_touch_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    if not hasattr(os, "memfd_create"):
        pytest.skip("this system has no files in memory")

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a file was made on the disk")

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    before = os.listdir("/proc/self/fd")
    assert Identity(SEED).id == ID
    assert os.listdir("/proc/self/fd") == before


def test_where_there_are_no_files_in_memory_the_key_is_on_disk_for_its_owner_and_not_for_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    modes: list[int] = []
    made = module._context

    def look(protocol: int, path: str) -> ssl.SSLContext:
        modes.append(stat.S_IMODE(os.stat(path).st_mode))
        assert Path(path).parent == tmp_path
        return made(protocol, path)

    monkeypatch.setattr(module, "_context", look)
    assert Identity(SEED).id == ID
    assert modes == [0o600, 0o600]
    assert list(tmp_path.iterdir()) == []

    def fail(protocol: int, path: str) -> ssl.SSLContext:
        raise OSError("no")

    monkeypatch.setattr(module, "_context", fail)
    with pytest.raises(OSError, match="no"):
        Identity(SEED)
    assert list(tmp_path.iterdir()) == []
