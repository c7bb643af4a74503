"""How much is written at a time: a frame where the line is slow, more where it is not."""

from syncfsm import limits
from syncfsm_adapters.connect.pace import MOST_BYTES, WAIT, Pace


def after_writes(rate: float, count: int = 20, pace: Pace | None = None) -> Pace:
    """A pace after so many writes, of as much as it takes, to a line of ``rate`` bytes a second."""
    pace = pace or Pace()
    for _ in range(count):
        pace.wrote(pace.bytes, pace.bytes / rate)
    return pace


def test_a_slow_line_gets_a_frame_at_a_time() -> None:
    assert after_writes(1e6).bytes == limits.FRAME_BYTES


def test_a_line_gets_what_it_carries_while_a_small_message_may_wait() -> None:
    for rate in (5e6, 1e7):
        taken = after_writes(rate).bytes
        assert 0.9 * WAIT <= taken / rate <= WAIT


def test_a_fast_line_gets_more_step_by_step_and_never_more_than_the_most() -> None:
    pace, sizes = Pace(), []
    for _ in range(6):
        sizes.append(pace.bytes)
        pace.wrote(pace.bytes, 0.0)
    assert sizes == [limits.FRAME_BYTES * 2**at for at in range(2)] + [MOST_BYTES] * 4
    assert after_writes(1e12).bytes == MOST_BYTES


def test_whole_frames_that_are_a_little_less_than_it_allows_let_it_grow() -> None:
    pace = Pace()
    pace.wrote(pace.bytes - 1000, 1e-5)
    assert pace.bytes == 2 * limits.FRAME_BYTES


def test_a_line_that_slows_down_gets_less_after_one_write() -> None:
    assert after_writes(1e6, 1, after_writes(1e12)).bytes == limits.FRAME_BYTES


def test_a_small_write_says_nothing_of_what_more_would_fit() -> None:
    pace = Pace()
    for _ in range(20):
        pace.wrote(100, 1e-9)
    assert pace.bytes == limits.FRAME_BYTES


def test_a_small_write_that_takes_long_says_that_little_fits() -> None:
    pace = after_writes(1e12)
    pace.wrote(100, 1.0)
    assert pace.bytes == limits.FRAME_BYTES
