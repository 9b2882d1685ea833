import asyncio
import subprocess
import sys
import threading

import pytest

from treadle.models.local.own_thread import OwnThread


def run(work):
    async def main():
        return await asyncio.get_running_loop().run_in_executor(OwnThread(), work)

    return asyncio.run(main())


def test_work_gives_its_result_or_raises():
    assert run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        run(lambda: 1 / 0)


def test_who_no_longer_waits_leaves_the_work_running():
    begun, go, done = threading.Event(), threading.Event(), threading.Event()

    def work():
        begun.set()
        go.wait()
        done.set()

    async def main():
        task = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(OwnThread(), work))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    go.set()
    assert done.wait(10)


def test_a_process_ends_without_work_that_never_does():
    code = (
        "import threading\n"
        "from treadle.models.local.own_thread import OwnThread\n"
        "OwnThread().submit(threading.Event().wait)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
