"""What the contract suites have in common: each of their tests has a new subject of its own.

A suite is a class of tests. Whoever writes a store, a model or an embedder subclasses it, says how
one is made, and pytest runs the rest. No plugin for async tests is needed.
"""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest


class Contract:
    """What a contract suite is made of."""

    folder: Path
    """An empty folder of this test."""

    @pytest.fixture(autouse=True)
    def _give_folder(self, tmp_path: Path) -> None:
        self.folder = tmp_path

    async def close(self, made: Any) -> None:
        """Close what `make` has made: by its `close` or `aclose`, if it has one."""
        for name in ("aclose", "close"):
            closing = getattr(made, name, None)
            if closing is None:
                continue
            closed = closing()
            if inspect.isawaitable(closed):
                await closed
            return


Check = Callable[[Any, Any], Coroutine[Any, Any, None]]


def against(*given: Any) -> Callable[[Check], Callable[[Any], None]]:
    """Make a test of an async method, which gets what `make(*given)` makes.

    Making, checking and closing are done in one event loop.
    """

    def decorate(check: Check) -> Callable[[Any], None]:
        async def run(self: Any) -> None:
            made = self.make(*given)
            if inspect.isawaitable(made):
                made = await made
            try:
                await check(self, made)
            finally:
                await self.close(made)

        def test(self: Any) -> None:
            asyncio.run(run(self))

        # Not functools.wraps: pytest would look for fixtures of the check's parameters.
        test.__name__, test.__doc__ = check.__name__, check.__doc__
        return test

    return decorate


def require(made: Any, protocol: Any) -> None:
    """Skip the test for what doesn't offer this."""
    if not isinstance(made, protocol):
        pytest.skip(f"it isn't {protocol.__name__}")
