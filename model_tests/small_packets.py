"""Worlds of packets small enough for every edge to be replayed. Together they fire every row that is specified."""

from typing import Final

from syncfsm.check import World, cut
from syncfsm.routing.messages import Reach
from syncfsm_spec.kit.begun import begun
from syncfsm_spec.kit.moves import makes
from syncfsm_spec.kit.trees import a1, b1
from syncfsm_spec.routing.worlds import (
    A_B,
    A_C,
    B_C,
    broadcast,
    in_step,
    mesh,
    packet,
    publishes,
    reaching,
    verdicts,
)
from syncfsm_spec.sync.relay import A_D, C_D

TO_A: Final = packet("C", reach=Reach.ONE, to=b"A")


def on_the_way() -> World:
    moves = [
        *makes("A", a1), publishes("C", TO_A), publishes("B", packet("B", reach=Reach.PRODUCERS)), cut(*A_B)
    ]  # fmt: skip
    doc = "Packets to a producer and to producers, in a line, while its block comes."
    return in_step("on-the-way", "ABC", [A_B, B_C], moves, reaching(*"ABC"), doc)


def another_way() -> World:
    moves = [*makes("A", a1), publishes("C", TO_A), publishes("B", packet("B", reach=Reach.ONE, to=b"A")), cut(*A_B)]
    doc = "The way to a producer is cut, and there is another."
    world = in_step("another-way", "ABC", [A_B, B_C, A_C], moves, reaching(*"ABC"), doc)
    return begun(world, ["A makes a1"])


def by_nobody() -> World:
    moves = [*makes("A", b1), publishes("C", TO_A), cut(*B_C)]
    doc = "It is not known who makes the block, so there is no way."
    return in_step("by-nobody", "ABC", [A_B, B_C], moves, reaching(*"ABC"), doc)


def forgotten() -> World:
    moves = [publishes("A", packet("A")), publishes("C", packet("C"))]
    doc = "Nodes keep a single packet."
    return in_step("forgotten", "ABC", [A_B, B_C, A_C], moves, [], doc, limits={"kept": 1})


def square() -> World:
    moves = [*makes("A", a1), publishes("A", packet("A")), publishes("D", packet("D", reach=Reach.ONE, to=b"A"))]
    doc = "Packets both ways in a square, a side of which is cut."
    pairs = [A_B, B_C, C_D, A_D]
    world = in_step("square", "ABCD", pairs, [*moves, cut(*C_D)], reaching(*"ABCD"), doc)
    return begun(world, ["A makes a1"])


USUAL: Final = (on_the_way(), another_way(), by_nobody(), broadcast(), verdicts())
SMALL: Final = (*USUAL, forgotten(), mesh())
"""``USUAL`` are for every test run, the others for the night."""
