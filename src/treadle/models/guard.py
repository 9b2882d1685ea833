"""Whether real models may be asked: those that cost money or seconds, and may answer otherwise each time.

An environment variable says no: it holds in every thread and event loop, and in the processes that this one starts. The
pytest plugin sets it. A model of the user's own may ask `refuse_real` too.
"""

import os

from ..core.errors import UsageError

LOOPBACK = frozenset(("127.0.0.1", "::1", "localhost"))
"""A server on this machine is a test's own, or somebody started it."""


def refuse_real(name: str, host: str = "") -> None:
    """Raises UsageError where real models are forbidden, unless the model is behind a server on this machine."""
    said = os.environ.get("TREADLE_REAL_MODELS", "").strip().lower()
    if host not in LOOPBACK and said in ("no", "0", "false", "off"):
        raise UsageError(
            f"{name} is a real model, and TREADLE_REAL_MODELS={said} forbids asking one. In a test use a ScriptedModel"
            " or a recorded thread; or allow it: mark the test with @pytest.mark.treadle_real_models, run pytest with"
            " --treadle-real-models, or elsewhere unset TREADLE_REAL_MODELS"
        )
