"""A stream that never holds up who writes: lines wait for a thread of their own, and those that do not fit are lost."""

from queue import Empty, Full, Queue
from threading import Thread
from typing import Final, TextIO

WAITING: Final = 10_000
"""Most lines that wait for a reader who is slow."""
LAST: Final = 1.0
"""Seconds that the last lines have to be taken when the stream is closed."""


class Unhurried:
    """Writes whole lines to ``stream``, in order. How many were lost is said by the next that is written, through
    ``lost``. ``BrokenPipeError`` from the first write after the reader has left."""

    def __init__(self, stream: TextIO, most: int = WAITING) -> None:
        self.lost = 0
        """Lines that did not fit, since this was last set to 0."""
        self._stream = stream
        self._waiting: Queue[str | None] = Queue(most)
        self._error: OSError | None = None
        self._thread = Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def write(self, line: str) -> bool:
        """Queue a line; ``False`` if it is lost."""
        if self._error is not None:
            raise self._error
        try:
            self._waiting.put_nowait(line)
        except Full:
            self.lost += 1
            return False
        return True

    def close(self) -> None:
        """Have what waits written, for ``LAST`` seconds at most."""
        try:
            self._waiting.put(None, timeout=LAST)
        except Full:
            return
        self._thread.join(LAST)

    def _run(self) -> None:
        try:
            while (line := self._next()) is not None:
                self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError) as error:  # the reader has left, or the stream is closed
            self._error = error if isinstance(error, OSError) else BrokenPipeError(str(error))

    def _next(self) -> str | None:
        """The next line. Before it has to be waited for, what is written goes out: many lines at once go together."""
        try:
            return self._waiting.get_nowait()
        except Empty:
            self._stream.flush()
            return self._waiting.get()
