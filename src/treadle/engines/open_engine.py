"""Makes an engine of what a setting `engine=` gives: an engine, an address, or nothing."""

import os
from contextvars import ContextVar
from typing import cast

from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .engine import Engine

engine_here: ContextVar[Engine | None] = ContextVar("engine_here", default=None)
"""The engine whose job is done in this task."""

GivenEngine = Engine | str | None
"""An engine, or an address such as temporal://localhost:7233. None: a worker's own, TREADLE_ENGINE,
else none: then threads go on in the process that has begun them."""

_METHODS = ("submit", "offer", "serve", "look")


def open_engine(given: GivenEngine) -> Engine | None:
    """The engine itself, or that of the address. Connects to nothing yet. Raises UsageError."""
    if given is None:
        given = engine_here.get() or os.environ.get("TREADLE_ENGINE", "")
    if isinstance(given, str):
        return _open_address(given) if given else None
    if isinstance(given, type):
        raise UsageError(f"engine is {name_kind(given)}; give an object: {given.__name__}(...)")
    missing = [name for name in _METHODS if not callable(getattr(given, name, None))]
    if missing:
        raise UsageError(
            f"engine is {name_kind(given)}, which is no engine: it has no {', '.join(missing)}."
            ' Give an address such as "temporal://localhost:7233"'
        )
    return given


def _open_address(address: str) -> Engine:
    if not address.startswith(("temporal://", "temporals://")):
        raise UsageError(
            f"engine is {address!r}; give an address such as temporal://localhost:7233, or"
            " temporals:// for TLS"
        )
    from .temporal import TemporalEngine

    return cast(Engine, TemporalEngine(address))
