"""How long all that works for a turn has only waited for room in accounts: that is no work."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Idle:
    """The calls of one thread that run now, and those of them that only wait."""

    clock: Callable[[], float]
    leave_out: Callable[[float], None]
    """Is told since when nobody has worked, by the clock, once somebody does again."""
    above: "Idle | None" = None
    """That of the thread that this one works for."""
    _running: int = 0
    _waiting: int = 0
    _since: float | None = None
    """When the last of them began to wait; None while one works."""
    _waited_s: float = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """One more call runs, until the block is left."""
        self._change(1, 0)
        try:
            yield
        finally:
            self._change(-1, 0)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """One of the calls only waits, until the block is left."""
        self._change(0, 1)
        try:
            yield
        finally:
            self._change(0, -1)

    def waited_s(self) -> float:
        """For how long all of them have waited at the same time, in all."""
        if self._since is None:
            return self._waited_s
        return self._waited_s + self.clock() - self._since

    def _change(self, running: int, waiting: int) -> None:
        self._running += running
        self._waiting += waiting
        rests = self._running > 0 and self._waiting == self._running
        if rests and self._since is None:
            self._since = self.clock()
            if self.above:
                self.above._change(0, 1)
        elif not rests and self._since is not None:
            self._waited_s += self.clock() - self._since
            self.leave_out(self._since)
            self._since = None
            if self.above:
                self.above._change(0, -1)
