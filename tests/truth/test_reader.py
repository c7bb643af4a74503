"""What a reader does with answers and with time, on a signed chain."""

from syncfsm.truth.answers import Answer, Blobs, Future, Head, Nothing, Place, Pruned, Trouble
from syncfsm.truth.messages import encode
from syncfsm.truth.reader import protocol as reading
from syncfsm.truth.reader.types import (
    BROKEN,
    LOST,
    RESTING,
    TROUBLED,
    At,
    Broke,
    Confirmed,
    Fetch,
    Keep,
    Kept,
    Mark,
    Reader,
    Settled,
    Skipped,
    TakenBack,
    Turn,
    Unheard,
    Unreadable,
)
from tests.truth.chain import BLOCKS, START, point, sealed, view

BEGIN = Kept(Mark(Place(0, b"", b""), START))


def place(height: int, fork: str = "") -> Place:
    """A block of the layer; ``fork`` tells those of another branch, which begins above height 1."""
    id, parent = (f"{at}{fork if at > 1 else ''}".encode() if at else b"" for at in (height, height - 1))
    return Place(height, id, parent)


def blobs(height: int, *ranges: tuple[int, int], fork: str = "") -> Blobs:
    """Batches of the blocks from and to these heights, at a height of the layer."""
    return Blobs(place(height, fork), tuple(encode(sealed(BLOCKS[first - 1 : last])) for first, last in ranges))


def fed(
    *given: Kept | At | Answer | Head | None, reader: Reader | None = None, now: float = 0.0, **limits: int | float
) -> tuple[Reader, list[object]]:
    """The reader after all this, and what it said."""
    reader, said = reader or Reader(), list[object]()
    for each in given:
        if isinstance(each, Answer):
            each = At(each.place.height if isinstance(each, Blobs | Nothing) else reader.next, each)
        reader, outputs, _ = reading.step(reader, each, view(now, **{"window": 1, **limits}))
        said += outputs
    return reader, said


def test_batches_are_confirmed_as_they_are_read() -> None:
    reader, said = fed(BEGIN, blobs(1, (1, 3)), Nothing(place(2)), blobs(3, (4, 6), (7, 7)), Future(3))
    assert [output.cover.end for output in said if isinstance(output, Confirmed)] == [point(3), point(6), point(7)]
    assert [output.height for output in said if isinstance(output, Fetch)] == [1, 2, 3, 4]
    assert [output.tip for output in said if isinstance(output, Settled)] == [point(3), point(7)]
    bodies = [entry.body for output in said if isinstance(output, Confirmed) for entry in output.blocks]
    assert bodies == [entry.body for entry in BLOCKS[:7]]
    assert (reader.state, reader.tip, reader.next) == (RESTING, point(7), 4)


def test_the_first_valid_batch_wins_and_the_others_are_skipped_with_the_reason() -> None:
    junk = Blobs(place(1), (b"junk", *blobs(1, (2, 3), (1, 2), (1, 4), (2, 3), (3, 4)).blobs))
    reader, said = fed(BEGIN, junk)
    rules = [(output.index, output.fault.rule) for output in said if isinstance(output, Skipped)]
    assert rules == [(0, "no-batch"), (1, "missing-batch"), (3, "repeated-batch"), (4, "repeated-batch")]
    assert reader.tip == point(4)


def test_a_reorganisation_takes_back_what_was_in_it_and_no_more() -> None:
    reader, _ = fed(BEGIN, blobs(1, (1, 2)), blobs(2, (3, 4)), blobs(3, (5, 6)), finality=2)
    reader, said = fed(Nothing(place(4, "b")), reader=reader, finality=2)
    assert said == [TakenBack(point(4)), Keep(reader.kept), Fetch(3)]
    reader, said = fed(blobs(3, (5, 5), fork="b"), reader=reader, finality=2)
    assert said == [TakenBack(point(2)), Keep(reader.kept), Fetch(2)]
    reader, said = fed(blobs(2, (3, 5), fork="b"), Nothing(place(3, "b")), Future(3), reader=reader, finality=2)
    assert [output.cover.end for output in said if isinstance(output, Confirmed)] == [point(5)]
    assert (reader.tip, reader.final.tip) == (point(5), point(2))


def test_a_layer_that_takes_back_what_was_final_is_not_followed() -> None:
    reader, _ = fed(BEGIN, blobs(1, (1, 2)), Nothing(place(2)))
    reader, said = fed(Nothing(place(3, "b")), reader=reader)
    assert said == [Broke(place(2), place(3, "b"))]
    assert reader.state is BROKEN
    assert fed(blobs(3, (3, 4)), None, Head(9), BEGIN, reader=reader) == (reader, [])
    assert reading.deadline(reader, view().limits) is None


def test_a_new_reader_goes_on_at_what_was_kept() -> None:
    answers = (blobs(1, (1, 2)), Nothing(place(2)), blobs(3, (3, 4)), blobs(4, (5, 6)))
    reader, said = fed(BEGIN, *answers, Nothing(place(5)), finality=2)
    kept = [output.kept for output in said if isinstance(output, Keep)]
    assert [each.tip for each in kept] == [point(2), point(4), point(6), point(6)]
    assert kept[2] == Kept(Mark(place(2), point(2)), (Mark(place(3), point(4)), Mark(place(4), point(6))))
    again, said = fed(kept[2], finality=2)
    assert (again.tip, said) == (point(6), [Fetch(5)]), "nothing is read anew"
    assert fed(Nothing(place(5)), reader=again, finality=2)[0] == reader
    assert fed(Nothing(place(5, "b")), reader=again, finality=2)[1][0] == TakenBack(point(4))


def test_a_new_reader_that_takes_less_back_has_more_that_is_final() -> None:
    kept = Kept(Mark(place(2), point(2)), (Mark(place(3), point(4)), Mark(place(4), point(6))))
    for finality, final, trail in ((0, 6, 0), (1, 4, 1), (2, 2, 2), (9, 2, 2)):
        reader, _ = fed(kept, finality=finality)
        assert (reader.final.tip, len(reader.trail), reader.tip) == (point(final), trail, point(6))


def test_trouble_is_asked_again_later_and_later_and_the_height_stays() -> None:
    reader, _ = fed(BEGIN)
    pauses = []
    for _ in range(9):
        reader, said = fed(Trouble("no"), reader=reader, overdue=1e9)
        assert (reader.state, said) == (TROUBLED, [])
        pauses.append(reading.deadline(reader, view(overdue=1e9).limits))
        reader, said = fed(None, reader=reader, now=reader.until, overdue=1e9)
        assert said == [Fetch(1)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    reader, _ = fed(Nothing(place(1)), reader=reader)
    assert reader.tries == 0


def test_silence_is_said_once_until_the_layer_answers() -> None:
    reader, _ = fed(BEGIN, blobs(1, (1, 2)), Trouble("no"))
    reader, said = fed(None, reader=reader, now=119.0)
    assert said == [Fetch(2)]
    reader, said = fed(None, Trouble("no"), None, reader=reader, now=121.0)
    assert said == [Unheard(0.0, "no")]
    assert reader.tip == point(2)
    reader, _ = fed(None, reader=reader, now=200.0)
    reader, _ = fed(Future(1), reader=reader, now=200.0)
    _, said = fed(None, reader=reader, now=321.0)
    assert said[0] == Unheard(200.0, "")


def test_at_the_end_it_looks_again_in_time_or_when_it_hears_of_more() -> None:
    reader, _ = fed(BEGIN, Nothing(place(1)), Future(1), now=10.0)
    assert reading.deadline(reader, view().limits) == 13.0
    assert fed(None, reader=reader, now=12.9) == (reader, [])
    assert fed(Head(1), reader=reader, now=11.0) == (reader, [])
    assert fed(Head(2), reader=reader, now=11.0)[1] == [Fetch(2)]
    assert fed(None, reader=reader, now=13.0)[1] == [Fetch(2)]


def test_what_is_pruned_is_said_and_a_mark_helps() -> None:
    reader, said = fed(BEGIN, Pruned(5))
    assert (reader.state, said) == (LOST, [Fetch(1), Unreadable(1, 5)])
    reader, said = fed(Kept(Mark(place(5), point(4))), blobs(6, (5, 6)), reader=reader)
    assert said[0] == Fetch(6)
    assert reader.tip == point(6)


def test_an_answer_that_was_not_asked_for_changes_nothing() -> None:
    reader, _ = fed(BEGIN, Nothing(place(1)))
    assert fed(blobs(1, (1, 2)), blobs(3, (1, 2)), reader=reader) == (reader, [])
    reader, _ = fed(Future(1), reader=reader)
    assert fed(Nothing(place(2)), Trouble("late"), Pruned(9), Future(4), reader=reader) == (reader, [])


def test_answers_come_in_any_order_and_are_judged_in_theirs() -> None:
    reader, said = fed(BEGIN, Nothing(place(1)), Nothing(place(2)), window=3)
    assert [output.height for output in said if isinstance(output, Fetch)] == [1, 2, 3, 4, 5]
    end, third, fourth = At(5, Future(4)), At(3, blobs(3, (1, 2))), At(4, blobs(4, (3, 4)))
    early, said = fed(end, fourth, reader=reader, window=3)
    assert (early.tip, early.early, said) == (START, (fourth, end), [])
    reader, said = fed(third, reader=early, window=3)
    assert said[-1] == Turn(fourth)
    reader, said = fed(fourth, reader=reader, window=3)
    assert said[-1] == Turn(end)
    reader, _ = fed(end, reader=reader, window=3)
    assert (reader.state, reader.tip, reader.early, reader.width) == (RESTING, point(4), (), 1)
