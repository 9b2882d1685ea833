"""Runs blocking work in an operating system thread that the process doesn't wait for at its end."""

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any


class OwnThread(concurrent.futures.Executor):
    """For `loop.run_in_executor`: a daemon thread for each piece of work.

    asyncio's own threads are joined at exit, so that Ctrl-C would wait until a model is loaded.
    """

    def submit(
        self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> concurrent.futures.Future[Any]:
        """Begin the work. It can't be cancelled: who no longer waits leaves it running."""
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        future.set_running_or_notify_cancel()

        def work() -> None:
            try:
                result = fn(*args, **kwargs)
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        threading.Thread(target=work, daemon=True, name="treadle-local").start()
        return future
