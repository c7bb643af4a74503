"""Connections that fail and come back: nodes killed, edges cut and healed, and who dials when.

It goes as with TCP, and as the adapters have it. If a process dies, its peers hear so one latency later. If an edge is
cut, nothing arrives and nobody is told: the nodes notice the silence by themselves. If it heals before they have, TCP
carries on at its next attempt, and nothing is lost. Whoever dialled dials again when a connection has ended, soon at
first, then ever more rarely; while the way is cut, an attempt hangs.
"""

from collections.abc import Iterable
from typing import Final

from syncfsm.testing.scale.members import DIALS, TAKES, Connection, Edge, End
from syncfsm.testing.scale.network import FIRST_PAUSE, LargeNetwork

LONGEST_PAUSE: Final = 2.0
"""Seconds from the start of one attempt to the start of the next: doubled from ``FIRST_PAUSE`` up to this."""
HANDSHAKE: Final = 5.0
"""Seconds after which an attempt is given up."""
KNOCKS: Final = (0.0, 1.0, 3.0)
"""Seconds from the start of an attempt at which TCP sends its first packet, until it is answered."""
RETRY: Final = 0.2
"""Seconds after which TCP sends again what was not acknowledged; the pause doubles each time."""


class Dialling:
    """The connections of a network whose ends fail and dial again."""

    def __init__(self, network: LargeNetwork) -> None:
        self.network, self._agenda, self._luck = network, network.agenda, network.luck
        network.closed = self._closed

    # Failures -----------------------------------------------------------------------------------------------------

    def kill(self, indices: Iterable[int]) -> None:
        """These processes die, for good. What they had written still arrives."""
        network = self.network
        for index in indices:
            member = network.members[index]
            ends = list(member.ends.values())
            member.kill()
            for end in ends:
                end.open = False
                self._agenda.at(network.now + end.connection.edge.latency, network.ended, end.other)

    def cut(self, edges: Iterable[Edge]) -> None:
        """From now on nothing passes these edges."""
        for edge in edges:
            if edge.up:
                edge.up, edge.cut_at = False, self.network.now
                for connection in _connections(edge):
                    if connection.stalled is None:
                        connection.stalled = []

    def heal(self, edges: Iterable[Edge]) -> None:
        """They carry again."""
        for edge in edges:
            if not edge.up:
                edge.up = True
                for connection in _connections(edge):
                    self._agenda.at(self._next_retry(edge), self._resume, connection)

    def _resume(self, connection: Connection) -> None:
        if connection.edge.up:
            self.network.resume(connection)

    def _next_retry(self, edge: Edge) -> float:
        pause, due = RETRY, edge.cut_at
        while due < self.network.now:
            due, pause = due + pause, 2 * pause
        return due

    # Dialling -----------------------------------------------------------------------------------------------------

    def _closed(self, end: End) -> None:
        edge = end.connection.edge
        if end.side == DIALS and edge.ends[DIALS] is end:
            self._dial_later(edge)

    def dial_all(self, within: float) -> None:
        """All who dial begin to, at random times of the next ``within`` seconds."""
        for edge in self.network.edges:
            edge.dialling = True
            self._agenda.at(self.network.now + self._luck.share() * within, self._dial, edge)

    def _dial_later(self, edge: Edge) -> None:
        if edge.dialling:
            return
        edge.dialling, now = True, self.network.now
        if now - edge.started >= LONGEST_PAUSE:
            edge.pause = FIRST_PAUSE
        due = edge.started + edge.pause * (1 + self._luck.share()) / 2
        edge.pause = min(2 * edge.pause, LONGEST_PAUSE)
        self._agenda.at(max(due, now), self._dial, edge)

    def _dial(self, edge: Edge) -> None:
        """An attempt begins."""
        if edge.members[DIALS].alive:
            edge.started = self.network.now
            self._knock(edge, 0)

    def _knock(self, edge: Edge, knock: int) -> None:
        now, started = self.network.now, edge.started
        if not edge.up:
            if knock + 1 < len(KNOCKS):
                self._agenda.at(started + KNOCKS[knock + 1], self._knock, edge, knock + 1)
            else:
                self._agenda.at(started + HANDSHAKE, self._fail, edge)
        elif edge.members[TAKES].alive:
            self._agenda.at(now + 3 * edge.latency, self._meet, edge)  # SYN, its answer, our greeting
        else:
            self._agenda.at(now + 2 * edge.latency, self._fail, edge)

    def _meet(self, edge: Edge) -> None:
        """The greeting of who dials is at the other end, which takes the connection, and greets back."""
        if not edge.up or not edge.members[TAKES].alive:
            self._agenda.at(edge.started + HANDSHAKE, self._fail, edge)
            return
        connection = edge.connection()
        self.network.enter(connection.ends[TAKES])
        self._agenda.at(self.network.now + edge.latency, self._met, connection)

    def _met(self, connection: Connection) -> None:
        edge = connection.edge
        if not edge.up:
            self._agenda.at(edge.started + HANDSHAKE, self._fail, edge)
            return
        edge.dialling = False
        self.network.enter(connection.ends[DIALS])

    def _fail(self, edge: Edge) -> None:
        edge.dialling = False
        self._dial_later(edge)


def _connections(edge: Edge) -> list[Connection]:
    """The newest connections of either side; mostly they are one."""
    found = [end.connection for end in edge.ends if end is not None]
    return found[:1] if len(found) == 2 and found[0] is found[1] else found
