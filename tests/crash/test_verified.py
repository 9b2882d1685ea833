"""A job of many payments, killed at every append: nothing is paid twice, and nearly nobody is asked."""

import asyncio
import itertools
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from crash import paying
from crash.verified import (
    LAG_S,
    Machine,
    Process,
    Service,
    begin,
    go_on,
    make_agent,
    make_flow,
)
from fakes import live
from treadle.runtime.log import open_log
from treadle.runtime.replay import replay
from treadle.runtime.world import World

CALLS = {make_agent: 12, make_flow: 12}
SERVICES = {
    "lags": lambda: Service(LAG_S),
    "honours keys": lambda: Service(LAG_S, honours_keys=True),
    "neither": lambda: Service(tells=False),
}


async def killed(make: Any, service: Service, at: int) -> int | None:
    """How often a person was asked, of a job killed at this append; None where it has fewer."""
    machine = Machine()
    process = Process(machine, at, written=bool(at % 2))
    if await begin(make(service, process, CALLS[make]), process) is not None:
        return None
    runner = make(service, Process(machine), CALLS[make])
    result, asked = await go_on(runner, service)
    assert result.status == "answered"
    await asyncio.sleep(LAG_S)
    if make is make_agent and at % 7 == 0:
        records = (await open_log("t", machine.rows, World())).records
        assert await replay(records, runner.run_settings) is None
    return asked


@pytest.mark.slow
@pytest.mark.parametrize("make", [make_agent, make_flow])
@pytest.mark.parametrize("kind", SERVICES)
def test_killed_at_every_append_it_pays_nothing_twice_and_asks_nobody(kind: str, make: Any) -> None:
    for at in itertools.count(1):
        service = SERVICES[kind]()
        asked = live(killed(make, service, at))
        if asked is None:
            break
        assert service.doubles == [], f"{kind}, killed at {at}"
        if kind != "neither":
            assert (asked, len(service.ledger)) == (0, CALLS[make]), f"killed at {at}"
    assert at > 3 * CALLS[make]


@pytest.mark.slow
@pytest.mark.parametrize("kills", ["before", "after"])
def test_a_process_that_is_really_killed_is_known_to_be_dead(tmp_path: Path, kills: str) -> None:
    killed_process = paying.killed(tmp_path, kills)
    assert killed_process.returncode == -signal.SIGKILL
    runner = paying.make_agent(tmp_path)
    began = time.monotonic()
    assert asyncio.run(runner.resume("t")).status == "answered"
    took_s = time.monotonic() - began
    while not paying.ledger(tmp_path) and time.monotonic() < began + 30:
        time.sleep(0.05)  # the service is a process of its own, which takes its time
    time.sleep(paying.LAG_S)
    assert len(paying.ledger(tmp_path)) == 1
    assert took_s > 1.5


@pytest.mark.slow
def test_one_that_stands_still_is_not(tmp_path: Path) -> None:
    process = paying.killed(tmp_path, "stop")
    try:
        runner = paying.make_agent(tmp_path, settle_s=0.5)
        [pending] = asyncio.run(runner.resume("t")).waiting
        assert "may be alive" in pending.reason
        assert paying.ledger(tmp_path) == []
    finally:
        process.kill()
        process.wait()
