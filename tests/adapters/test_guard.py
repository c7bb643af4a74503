"""The guard of a sequencer: what it keeps, what it refuses, and what damage does to it."""

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from nacl.signing import SigningKey

from syncfsm import signed
from syncfsm.blocks import Header
from syncfsm.errors import LocalError
from syncfsm_adapters.command.producer import Producer
from syncfsm_adapters.guard import Guard
from syncfsm_adapters.guard.slots import PREFIX, Folder, Slot, decode
from tests.adapters.guard_disk import Disk

CHAIN_ID = b"guarded"
KEY = SigningKey(b"guard".ljust(32))
PUBLIC = bytes(KEY.verify_key)
GENESIS = signed.genesis(CHAIN_ID)
SEAL = Producer(KEY, CHAIN_ID).seal


def blocks(count: int, parent: Header = GENESIS, word: bytes = b"body") -> list[tuple[Header, bytes]]:
    made = []
    for number in range(count):
        body = b"%b %d " % (word, number) * 20
        parent = SEAL(parent, body)
        made.append((parent, body))
    return made


BLOCKS = blocks(8)


def opened(files: Disk, *, new: bool = False, anew: str | None = None, start: Header = GENESIS) -> Guard:
    return Guard.open(Path("guard"), PUBLIC, CHAIN_ID, start, new=new, anew=anew, files=files)


def kept(disk: Disk, count: int) -> None:
    """A guard that has kept so many blocks, and was closed."""
    guard = opened(disk, new=not disk.slots)
    for header, body in BLOCKS[:count]:
        if header.height > guard.signed.header.height:
            guard.keep(header, body)
    guard.close()


def signed_last(disk: Disk) -> Header:
    guard = opened(disk)
    guard.close()
    return guard.signed.header


# What it keeps --------------------------------------------------------------------------------------------------


def test_the_last_block_is_kept_whole_over_restarts() -> None:
    disk = Disk()
    for count in range(1, 6):
        kept(disk, count)
        guard = opened(disk)
        assert (guard.signed.header, guard.signed.body) == BLOCKS[count - 1]
        assert guard.noticed == ""
        guard.close()


def test_one_sync_and_little_more_than_the_block_for_each_signature() -> None:
    disk = Disk()
    guard = opened(disk, new=True)
    for header, body in BLOCKS:
        syncs, written = disk.syncs, disk.written
        guard.keep(header, body)
        assert disk.syncs == syncs + 1
        assert disk.written - written < len(body) + 400


def test_a_second_block_at_a_height_or_below_is_refused() -> None:
    disk = Disk()
    kept(disk, 3)
    guard = opened(disk)
    for header, body in (*blocks(1, BLOCKS[1][0], b"other"), *blocks(1, word=b"other"), BLOCKS[0]):
        with pytest.raises(LocalError, match="no second one at a height"):
            guard.keep(header, body)
    guard.keep(*BLOCKS[3])


def test_the_very_same_block_may_be_kept_again_and_nothing_like_it() -> None:
    disk = Disk()
    kept(disk, 2)
    guard = opened(disk)
    writes = disk.writes
    guard.keep(*BLOCKS[1])
    assert disk.writes == writes
    with pytest.raises(LocalError, match="no second one"):
        guard.keep(BLOCKS[1][0], b"another body")


def test_who_signed_the_parent_must_be_this_process_once_it_has_signed() -> None:
    disk = Disk()
    kept(disk, 1)
    guard = opened(disk)
    guard.keep(*BLOCKS[3])  # the chain was fetched from peers
    with pytest.raises(LocalError, match="Another process signs with this key"):
        guard.keep(*blocks(1, SEAL(BLOCKS[3][0], b"foreign"))[0])
    guard.keep(*BLOCKS[4])


# Torn and damaged -----------------------------------------------------------------------------------------------


def test_a_write_torn_at_any_byte_costs_only_what_it_was_to_keep() -> None:
    disk = Disk()
    kept(disk, 4)
    before = dict(disk.slots)
    guard = opened(disk)
    claimed = dict(disk.slots)
    guard.keep(*BLOCKS[4])
    guard.close()
    (slot,) = [at for at in (0, 1) if disk.slots[at] != claimed[at]]
    new, old = disk.slots[slot], claimed[slot]
    assert before[1 - slot] != claimed[1 - slot]
    size = len(Slot(0, bytes(16), b"").encode()) + int.from_bytes(new[32:36])
    for cut in range(len(new) + 1):
        torn = Disk(slots={slot: new[:cut] + old[cut:], 1 - slot: claimed[1 - slot]})
        whole = torn.slots[slot][:size] == new[:size]
        assert signed_last(torn) == BLOCKS[4 if whole else 3][0], cut
        assert decode(torn.slots[slot]) is not None, "mended by the next write"


@pytest.mark.parametrize("slot", [0, 1])
def test_every_flipped_bit_is_noticed(slot: int) -> None:
    """In the older slot it costs nothing. In the newer one, the newest block is as if it had not been kept: nobody can
    tell that from a write that was torn."""
    disk = Disk()
    kept(disk, 4)
    content = decode(disk.slots[slot])
    assert content is not None
    numbers = [found.sequence for data in disk.slots.values() if (found := decode(data)) is not None]
    expected = BLOCKS[2 if content.sequence == max(numbers) else 3][0]
    for at in range(len(content.encode())):
        data = bytearray(disk.slots[slot])
        data[at] ^= 1 << at % 8
        damaged = Disk(slots={**disk.slots, slot: bytes(data)})
        guard = opened(damaged)
        assert guard.signed.header == expected, at
        assert f"slot-{slot} can not be read" in guard.noticed


def test_two_damaged_slots_are_refused_until_somebody_knows_better() -> None:
    disk = Disk()
    kept(disk, 4)
    for slot, data in disk.slots.items():
        disk.slots[slot] = data[:60] + bytes([data[60] ^ 1]) + data[61:]
    before = dict(disk.slots)
    with pytest.raises(LocalError, match=r"neither of its slots can be read.*--sign-anew unknown"):
        opened(disk)
    assert disk.slots == before
    assert not disk.locked
    guard = opened(disk, anew="unknown", start=BLOCKS[5][0])
    assert guard.signed.header == BLOCKS[5][0]


def test_swapped_slots_are_as_good() -> None:
    disk = Disk()
    kept(disk, 4)
    disk.slots = {0: disk.slots[1], 1: disk.slots[0]}
    assert signed_last(disk) == BLOCKS[3][0]
    kept(disk, 6)
    assert signed_last(disk) == BLOCKS[5][0]


@pytest.mark.parametrize("slot", [0, 1])
@pytest.mark.parametrize("age", [2, 3, 4])
def test_an_old_copy_of_one_slot_is_refused(slot: int, age: int) -> None:
    """Unless it is the one before: then the two are what they were a write ago, and only peers know better."""
    disk = Disk()
    kept(disk, 2)
    old = disk.slots[slot]
    kept(disk, 2 + age)
    disk.slots[slot] = old
    with pytest.raises(LocalError, match="one slot is an old copy"):
        opened(disk)
    left = decode(disk.slots[1 - slot])
    assert left is not None
    guard = opened(disk, anew="unknown")
    assert guard.signed.body is not None, "what can be read still counts"
    guard.close()
    numbers = sorted(found.sequence for data in disk.slots.values() if (found := decode(data)) is not None)
    assert numbers == [left.sequence, left.sequence + 1]
    assert signed_last(disk).height >= 2 + age - 1


def test_one_slot_copied_over_the_other_is_refused() -> None:
    disk = Disk()
    kept(disk, 3)
    disk.slots[0] = disk.slots[1]
    with pytest.raises(LocalError, match="one slot is an old copy"):
        opened(disk)


def test_a_slot_that_is_gone_is_refused() -> None:
    for slot in (0, 1):
        disk = Disk()
        kept(disk, 3)
        del disk.slots[slot]
        with pytest.raises(LocalError, match=f"the file slot-{slot} is gone"):
            opened(disk)


def test_what_another_version_wrote_is_not_overwritten() -> None:
    disk = Disk()
    kept(disk, 2)
    disk.slots[0] = Slot(100, bytes(16), b"\x93\x01\x02\x03").encode()
    disk.slots[1] = Slot(99, bytes(16), b"\x93\x01\x02\x03").encode()
    before = dict(disk.slots)
    for anew in (None, "unknown"):
        with pytest.raises(LocalError, match="start the version that wrote it"):
            opened(disk, anew=anew)
    assert disk.slots == before


# Whose it is ----------------------------------------------------------------------------------------------------


def test_a_key_that_is_not_new_needs_its_guard() -> None:
    with pytest.raises(LocalError, match=r"there is no guard.*--sign-anew unknown"):
        opened(Disk())
    guard = opened(Disk(), anew="unknown", start=BLOCKS[3][0])
    with pytest.raises(LocalError, match="no second one"):
        guard.keep(*blocks(1, BLOCKS[2][0], b"other")[0])
    guard.keep(*BLOCKS[4])


@pytest.mark.parametrize("new", [False, True])
def test_a_guard_of_another_key_or_chain_is_refused_and_left(new: bool) -> None:
    disk = Disk()
    kept(disk, 3)
    before = dict(disk.slots)
    other = bytes(SigningKey(b"other".ljust(32)).verify_key)
    for key, chain_id in ((other, CHAIN_ID), (PUBLIC, b"other chain")):
        with pytest.raises(LocalError, match=r"of another key or chain.*'guarded'"):
            Guard.open(Path("guard"), key, chain_id, GENESIS, new=new, anew="unknown", files=disk)
    assert disk.slots == before


def test_a_new_key_takes_over_a_guard_under_which_nothing_was_signed() -> None:
    """The process was killed after the guard was made, and before the key was."""
    disk = Disk()
    other = bytes(SigningKey(b"other".ljust(32)).verify_key)
    Guard.open(Path("guard"), other, CHAIN_ID, GENESIS, new=True, files=disk).close()
    guard = opened(disk, new=True)
    guard.keep(*BLOCKS[0])
    guard.close()
    assert signed_last(disk) == BLOCKS[0][0]


def test_to_sign_anew_takes_the_exact_name_of_what_is_forgotten() -> None:
    disk = Disk()
    kept(disk, 5)
    last = str(BLOCKS[4][0].point)
    for wrong in ("unknown", "5", str(BLOCKS[3][0].point), last + "00"):
        with pytest.raises(LocalError, match=f"--sign-anew names {wrong}, but .* says that {last} was signed last"):
            opened(disk, anew=wrong)
    guard = opened(disk, anew=last, start=BLOCKS[1][0])
    assert guard.signed.header == BLOCKS[1][0]
    guard.keep(*blocks(1, BLOCKS[1][0], b"again")[0])
    guard.close()
    with pytest.raises(LocalError, match="Leave the flag out"):
        opened(disk, anew=last)


# Others at work -------------------------------------------------------------------------------------------------


def test_another_process_is_noticed_where_locks_do_not_hold() -> None:
    disk = Disk()
    first = opened(disk, new=True)
    first.keep(*BLOCKS[0])
    disk.locked = False
    second = opened(disk)
    assert second.signed.header == BLOCKS[0][0]
    with pytest.raises(LocalError, match="changed by somebody else"):
        first.keep(*BLOCKS[1])
    with pytest.raises(LocalError, match="has failed before"):
        first.keep(*BLOCKS[1])
    second.keep(*BLOCKS[1])


def test_a_write_of_another_process_just_before_ours_is_noticed_after_it() -> None:
    class Late(Disk):
        """Another process writes between our look and our write."""

        def write(self, slot: int, data: bytes) -> None:
            super().write(slot, data)
            if between:
                self.slots.update(between.pop())

    between: list[dict[int, bytes]] = []
    disk = Late()
    first = opened(disk, new=True)
    first.keep(*BLOCKS[0])
    other = Disk(slots=dict(disk.slots))
    second = opened(other)
    second.keep(*blocks(1, BLOCKS[0][0], b"other")[0])
    between.append(dict(other.slots))
    with pytest.raises(LocalError, match="changed by somebody else"):
        first.keep(*BLOCKS[1])


def test_a_process_that_was_held_up_and_writes_late_hides_nothing() -> None:
    """Where locks do not hold: it looks, sleeps while another one takes over and signs, and then overwrites that."""

    class Sleepy(Disk):
        def write(self, slot: int, data: bytes) -> None:
            if meanwhile:
                meanwhile.pop()()
            super().write(slot, data)

    def take_over() -> None:
        disk.locked = False
        other = opened(disk)
        for header, body in blocks(2, BLOCKS[0][0], b"other"):
            other.keep(header, body)

    meanwhile: list[Callable[[], None]] = []
    disk = Sleepy()
    first = opened(disk, new=True)
    first.keep(*BLOCKS[0])
    meanwhile.append(take_over)
    with pytest.raises(LocalError, match="changed by somebody else"):
        first.keep(*BLOCKS[1])
    disk.locked = False
    with pytest.raises(LocalError, match="written to by two processes at once"):
        opened(disk)


def test_files_that_are_replaced_under_a_running_process_are_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    guard = Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS, new=True)
    guard.keep(*BLOCKS[0])
    old = {path: path.read_bytes() for path in folder.glob("slot-*")}
    guard.keep(*BLOCKS[1])
    for path, data in old.items():
        path.write_bytes(data)
    with pytest.raises(LocalError, match="its files were replaced"):
        guard.keep(*BLOCKS[2])
    guard.close()


def test_a_second_opening_is_kept_out(tmp_path: Path) -> None:
    """In the same process, and in another one."""
    folder = tmp_path / "deep" / "guard"
    guard = Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS, new=True)
    with pytest.raises(LocalError, match="in use by another process"):
        Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS)
    program = (
        "import sys; from pathlib import Path; from syncfsm_adapters.guard.slots import Folder\n"
        "try: Folder(Path(sys.argv[1])).lock()\nexcept BlockingIOError: print('kept out')"
    )
    command = [sys.executable, "-c", program, str(folder)]
    assert subprocess.run(command, capture_output=True, check=True).stdout == b"kept out\n"
    guard.keep(*BLOCKS[0])
    guard.close()
    guard = Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS)
    assert guard.signed.header == BLOCKS[0][0]
    guard.close()


# What the file system refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
def test_a_disk_that_refuses_is_one_error_and_nothing_is_signed(code: int) -> None:
    disk = Disk()
    kept(disk, 2)
    guard = opened(disk)
    disk.refuses = OSError(code, os.strerror(code))
    with pytest.raises(LocalError, match=f"{os.strerror(code)}. Without it nothing is signed"):
        guard.keep(*BLOCKS[2])
    disk.refuses = None
    with pytest.raises(LocalError, match="has failed before"):
        guard.keep(*BLOCKS[2])
    guard.close()
    guard = opened(disk)
    assert guard.signed.header == BLOCKS[1][0]
    guard.keep(*BLOCKS[2])
    guard.close()
    disk.refuses = OSError(code, os.strerror(code))
    with pytest.raises(LocalError, match=os.strerror(code)):
        opened(disk)
    assert not disk.locked


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_is_one_error(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS, new=True).close()
    for path in (*folder.iterdir(), folder):
        path.chmod(0o500 if path.is_dir() else 0o400)
    with pytest.raises(LocalError, match="Permission denied"):
        Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS)


def test_a_path_that_is_a_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "guard").write_text("something else")
    with pytest.raises(LocalError, match="can not be read or written: File exists"):
        Guard.open(tmp_path / "guard", PUBLIC, CHAIN_ID, GENESIS, new=True)


def test_a_folder_on_disk_holds_what_a_simulated_one_does(tmp_path: Path) -> None:
    folder = tmp_path / "guard"
    guard = Guard.open(folder, PUBLIC, CHAIN_ID, GENESIS, new=True)
    for header, body in BLOCKS:
        guard.keep(header, body)
    guard.close()
    files = Folder(folder)
    assert files.read(2) is None
    assert files.read(0, 5) == b"signe"
    disk = Disk(slots={slot: files.read(slot) or b"" for slot in (0, 1)})
    assert all(len(data) > PREFIX.size for data in disk.slots.values())
    assert signed_last(disk) == BLOCKS[-1][0]
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}
