"""Virtual time."""

from syncfsm.testing.scale.agenda import Agenda


def test_calls_come_in_the_order_of_time_and_then_of_planning() -> None:
    agenda = Agenda()
    found: list[tuple[str, float]] = []

    def note(name: str) -> None:
        found.append((name, agenda.now))

    def plan() -> None:
        agenda.at(0.5, note, "late")
        agenda.at(2.0, note, "third")

    for when, name in ((2.0, "first"), (1.5, "zero"), (2.0, "second"), (9.0, "never")):
        agenda.at(when, note, name)
    agenda.at(1.0, plan)
    agenda.run(3.0)
    assert found == [("late", 1.0), ("zero", 1.5), ("first", 2.0), ("second", 2.0), ("third", 2.0)]
    assert agenda.now == 3.0
