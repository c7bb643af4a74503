"""The model checker: worlds of deterministic components, explored exhaustively. Needs the extra ``check``."""

from syncfsm.check.explore import Exploration
from syncfsm.check.found import Progress, Violation
from syncfsm.check.nodes import Channel, NodeComponent, Wait, channel, connect, cut, happen, network, with_rules
from syncfsm.check.properties import Always, Ends, Property, Settles, Sometimes, SometimesStep, Steps
from syncfsm.check.world import Choice, Component, Environment, Moment, Move, Step, World

__all__ = [
    "Always",
    "Channel",
    "Choice",
    "Component",
    "Ends",
    "Environment",
    "Exploration",
    "Moment",
    "Move",
    "NodeComponent",
    "Progress",
    "Property",
    "Settles",
    "Sometimes",
    "SometimesStep",
    "Step",
    "Steps",
    "Violation",
    "Wait",
    "World",
    "channel",
    "connect",
    "cut",
    "happen",
    "network",
    "with_rules",
]
