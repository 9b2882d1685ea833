"""Keeps numpy's products on one core.

The matrices are small, and on a busy machine several cores were ten times slower, because each
waits for the slowest.
"""

import functools
import importlib.util
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def use_one_core() -> AbstractContextManager[Any]:
    """While this is open, products use one core; without threadpoolctl it does nothing."""
    if importlib.util.find_spec("threadpoolctl") is None:
        return nullcontext()
    limited: AbstractContextManager[Any] = _find_blas().limit(limits=1, user_api="blas")
    return limited


@functools.cache
def _find_blas() -> Any:
    import threadpoolctl

    return threadpoolctl.ThreadpoolController()  # searches the loaded libraries: 1 ms
