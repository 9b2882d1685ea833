"""A process of its own, which pays at a service that keeps its ledger in a file, and is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from treadle import Agent, Context, DidNotRun, Ran, ScriptedModel, SQLiteStore, run_sync, tool
from treadle.models.scripted import calls, says

LAG_S = 0.6


def ledger(folder: Path) -> list[str]:
    path = folder / "ledger"
    return path.read_text().split() if path.exists() else []


def make_agent(folder: Path, *, kills: str = "", settle_s: float = 1.5) -> Agent:
    """`kills`: how the process ends: `before` it has sent its payment, which arrives later, or
    `after`; or it stands still before."""

    def was_paid(context: Context) -> Ran | DidNotRun:
        return Ran("paid") if context.idempotency_key in ledger(folder) else DidNotRun()

    @tool(verify=was_paid, settle_s=settle_s)
    def pay(context: Context) -> str:
        late = f"sleep {LAG_S}; echo {context.idempotency_key} >> '{folder}/ledger'"
        if kills not in ("before", "stop"):
            subprocess.run(["/bin/sh", "-c", f"({late}) &"], check=True)
        if kills:
            os.kill(os.getpid(), signal.SIGSTOP if kills == "stop" else signal.SIGKILL)
        return "paid"

    script: list[Any] = [says("Paid.")] if not kills else [calls("pay"), says("Paid.")]
    return Agent(tools=[pay], model=ScriptedModel(script), store=SQLiteStore(folder / "threads.db"))


def killed(folder: Path, kills: str) -> "subprocess.Popen[bytes]":
    """The process, once it is dead or stands still."""
    path = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder), kills], env={**os.environ, "PYTHONPATH": path}
    )
    if kills != "stop":
        process.wait(30)
    while kills == "stop" and not _stands_still(process.pid):
        time.sleep(0.02)
    return process


def _stands_still(pid: int) -> bool:
    return os.waitpid(pid, os.WUNTRACED | os.WNOHANG)[0] == pid


if __name__ == "__main__":
    run_sync(make_agent(Path(sys.argv[1]), kills=sys.argv[2]).run("Pay.", thread="t"))
