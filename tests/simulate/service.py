"""A service outside of all processes, which can be asked what it has done."""

from contextvars import copy_context

from simulate.loop import PROCESS, SimLoop


class Service:
    """What was sent to it has its effect later, whatever happens to the process that has sent it."""

    def __init__(self, loop: SimLoop) -> None:
        self._loop = loop
        self.seen: set[str] = set()
        """The keys of what it has done."""

    def send(self, key: str, lag_s: float) -> None:
        context = copy_context()
        context.run(PROCESS.set, None)
        self._loop.call_later(lag_s, self.seen.add, key, context=context)
