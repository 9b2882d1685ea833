"""Forbids calls of real models: those that cost money or time and may answer differently each time.

The switch is an environment variable, TREADLE_REAL_MODELS. It holds in every thread and event loop,
and in the processes that this one starts. The pytest plugin sets it. Your own model classes may
call `refuse_real` too.
"""

import os

from ..core.errors import UsageError

LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
"""Hosts that are always allowed: a server on this machine is a test's, or somebody started it."""


def refuse_real(name: str, host: str = "") -> None:
    """Raises UsageError if real models are forbidden and `host` isn't this machine."""
    if host in LOOPBACK:
        return
    setting = os.environ.get("TREADLE_REAL_MODELS", "").strip().lower()
    if setting in ("no", "0", "false", "off"):
        raise UsageError(
            f"{name} is a real model, and TREADLE_REAL_MODELS={setting} forbids asking one. In a"
            " test use a ScriptedModel or a recorded thread; or allow it: mark the test with"
            " @pytest.mark.treadle_real_models, run pytest with --treadle-real-models, or elsewhere"
            " unset TREADLE_REAL_MODELS"
        )
