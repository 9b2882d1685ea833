"""Who takes part in a simulation: callers, workers, people who decide, and whoever breaks things.

An actor is an async function of the simulation that ends by itself when `simulation.is_calm`. To bring
another one, write it and add it to ACTORS.
"""

import asyncio
import json
import random
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from simulate.cast import FLOW_KINDS
from simulate.operations import arguments_number
from simulate.process import Process
from treadle.core import events as e
from treadle.core.call import CallState, decision_digest

if TYPE_CHECKING:
    from simulate.simulation import Simulation

Actor = Callable[["Simulation"], Coroutine[Any, Any, None]]


async def call(simulation: "Simulation") -> None:
    """People start threads, say more in them, click twice, and go away."""
    chance, plan = simulation.chance, simulation.plan
    for number, kind in enumerate(plan.kinds):
        thread = f"{kind}-{number}"
        for _ in range(chance.choice((1, 1, 1, 2))):  # a double click, maybe at another process
            process = await simulation.any_process()
            streams = kind not in (*FLOW_KINDS, "order") and chance.random() < 0.2
            operation = simulation.operations.say(process, thread, streams=streams)
            if chance.random() < plan.leaving:
                simulation.later(
                    chance.uniform(0.0, 4.0), lambda it=operation: leave(simulation, it)
                )
        await asyncio.sleep(chance.choice((0.0, 0.0, 0.5, 2.0)))
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(1.0, 6.0))
        thread = chance.choice(sorted(simulation.tops) or [""])
        if thread.startswith(("alone", "desk", "lead", "user", "shop")):
            simulation.operations.say(await simulation.any_process(), thread)


def leave(simulation: "Simulation", operation: Any) -> None:
    simulation.operations.leave(operation)


async def work(simulation: "Simulation") -> None:
    """Each process, at its start and then again and again, resumes what is unfinished."""
    chance = simulation.chance
    while not simulation.workers and not simulation.is_calm:
        for process in simulation.living():
            busy = {
                each.thread for each in simulation.operations.running if each.process is process
            }
            for thread in simulation.find_unfinished():
                if thread not in busy and chance.random() < 0.6:
                    takes = chance.random() < simulation.plan.taking
                    simulation.operations.resume(process, thread, takes=takes)
        await asyncio.sleep(chance.uniform(0.3, 2.0))


async def leave_to_workers(simulation: "Simulation") -> None:
    """People leave messages to the workers, to new threads and to those that are at work; some click twice."""
    plays = random.Random(f"submits {simulation.seed}")
    while simulation.workers and not simulation.is_calm:
        kind = plays.choice(simulation.plan.kinds)
        thread = f"{kind}-{plays.choice((0, 1, 7, 8, 9))}"
        key = str(simulation.count())
        for _ in range(plays.choice((1, 1, 2))):
            simulation.operations.submit(await simulation.any_process(), thread, key)
        await asyncio.sleep(plays.uniform(0.2, 4.0))


async def decide(simulation: "Simulation") -> None:
    """A person looks at what waits, thinks, and decides; so does another one, at the same time."""
    chance = simulation.chance
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(0.1, 2.5))
        waiting = simulation.find_decisions()
        if waiting:
            thread, decision = chance.choice(waiting)
            await asyncio.sleep(chance.choice((0.0, 0.0, 0.3, 2.0)))
            post_decision(simulation, await simulation.any_process(), thread, decision)


def post_decision(
    simulation: "Simulation", process: Process, thread: str, decision: e.PendingDecision
) -> Any:
    """Post what this person says to one decision, or what became of work elsewhere."""
    if decision.status == "pending":
        return simulation.operations.settle(process, thread, json.loads(decision.handle)["job"])
    event = draw_decision(simulation, thread, decision)
    if simulation.plays.random() < simulation.plan.double_clicks:
        delay_s = simulation.plays.choice((0.0, 0.2, 1.0, 3.0))
        if isinstance(event, e.ApprovalGiven) and delay_s == 1.0:
            post_at_work(simulation, thread, event)
        else:
            simulation.later(delay_s, lambda: post_again(simulation, thread, event))
    return simulation.operations.post(process, thread, event)


def post_again(simulation: "Simulation", thread: str, event: Any) -> None:
    """The same post once more, maybe at another process; by now the call may have gone on."""
    if found := simulation.living():
        simulation.operations.post(simulation.plays.choice(found), thread, event)


def post_at_work(
    simulation: "Simulation", thread: str, event: e.ApprovalGiven, looks: int = 100
) -> None:
    """The same approval once more as soon as its call is at work, as from a page that still shows it."""
    if simulation.check.threads[thread].attempts.get(event.call_id):
        post_again(simulation, thread, event)
    elif looks:
        simulation.later(0.1, lambda: post_at_work(simulation, thread, event, looks - 1))


def draw_decision(
    simulation: "Simulation", thread: str, decision: e.PendingDecision
) -> e.ApprovalGiven | e.OutcomeDecided | e.UserSaid | e.LimitRaised:
    chance = simulation.chance
    match decision.status:
        case "limit":
            more = 50_000 if simulation.is_calm else chance.choice((0, 200, 3000))
            return e.LimitRaised("ann", tokens=more)
        case "question":
            return e.UserSaid(f"that one {simulation.count()}", answers=decision.id)
        case "unknown":
            return draw_outcome(simulation, thread, decision)
        case "parked":
            return e.ApprovalGiven("", True, "ann")
    if chance.random() < 0.25:
        return e.ApprovalGiven(decision.id, False, "ann", "not that one")
    digest = decision.digest if chance.random() < 0.5 else ""
    edited = always = None
    drawn = chance.random()
    if drawn < 0.2 and decision.name == "wire" and ".clerk" not in thread:
        edited = f'{{"n": {simulation.count()}}}'
    elif drawn < 0.3:
        always = e.Always({}, "turn")
    return e.ApprovalGiven(decision.id, True, "ann", "", edited, always, digest)


def draw_outcome(
    simulation: "Simulation", thread: str, decision: e.PendingDecision
) -> e.OutcomeDecided:
    """A person who can see whether there was an effect, and who knows which processes are gone."""
    attempts = simulation.check.threads[thread].attempts.get(decision.id, [])
    happened = any(each.effects for each in attempts)
    last = attempts[-1].operation if attempts else None
    is_gone = last is not None and last.process.dead
    if happened and simulation.chance.random() < 0.8:
        number = arguments_number(decision.final_arguments)
        return e.OutcomeDecided(decision.id, "ran", "ann", f"{decision.name} {number} is done")
    if not happened and is_gone and simulation.chance.random() < 0.8:
        return e.OutcomeDecided(decision.id, "not_run", "ann", digest=decision.digest)
    return e.OutcomeDecided(decision.id, "tell", "ann")


async def judge(simulation: "Simulation") -> None:
    """A person looks at calls that run, and says of one that seems to hang what became of it."""
    plays, plan = simulation.plays, simulation.plan
    while not simulation.is_calm:
        await asyncio.sleep(plays.uniform(0.3, 1.5))
        running = simulation.find_calls("started")
        if running and plays.random() < plan.judging:
            thread, call = plays.choice(running)
            event = draw_outcome(simulation, thread, as_decision(thread, call))
            simulation.operations.post(await simulation.any_process(), thread, event)


async def settle(simulation: "Simulation") -> None:
    """A person in a hurry says at once what became of a call that was cut off, while its thread may
    still run and its driver goes on with others."""
    plays = random.Random(f"settles {simulation.seed}")
    while not simulation.is_calm and simulation.is_hasty:
        await asyncio.sleep(plays.uniform(0.05, 1.0))
        cut_off = simulation.find_calls("unknown")
        if cut_off and simulation.living() and plays.random() < 0.5:
            thread, call = plays.choice(cut_off)
            process = plays.choice(simulation.living())
            event = draw_outcome(simulation, thread, as_decision(thread, call))
            simulation.operations.post(process, thread, event)


async def retry(simulation: "Simulation") -> None:
    """Somebody has a flow that has failed go on."""
    plays = random.Random(f"retries {simulation.seed}")
    while not simulation.is_calm:
        await asyncio.sleep(plays.uniform(0.3, 2.0))
        failed = simulation.find_failed_flows()
        if failed and simulation.living() and plays.random() < 0.7:
            process = plays.choice(simulation.living())
            simulation.operations.resume(process, plays.choice(failed), again=True)


def as_decision(thread: str, call: CallState) -> e.PendingDecision:
    """What a person sees of a call of unknown outcome, or of one that seems to hang."""
    shown = (thread, call.id, call.name, call.final_arguments, "unknown", "")
    return e.PendingDecision(*shown, digest=decision_digest(call))


async def cancel(simulation: "Simulation") -> None:
    """Somebody cancels a turn, now and then."""
    chance = simulation.chance
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(2.0, 9.0))
        if chance.random() < simulation.plan.cancelling and (found := simulation.find_open()):
            event = e.TurnEnded("cancelled", "not needed")
            process = await simulation.any_process()
            simulation.operations.post(process, chance.choice(found), event)


async def break_things(simulation: "Simulation") -> None:
    """Processes start late, are paused and woken, and their wall clocks jump."""
    chance, plan = simulation.chance, simulation.plan
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(0.5, 3.0))
        for process in [each for each in simulation.processes if each.paused]:
            if chance.random() < 0.4:
                process.wake()
        if len(simulation.living()) < plan.processes and chance.random() < 0.7:
            simulation.start_process()
        if chance.random() < plan.clock_jumps and simulation.living():
            process = chance.choice(simulation.living())
            process.turn_clock(chance.choice((-3600.0, 3600.0, -5.0, 86_400.0)))
            simulation.note(process, f"its clock is off by {process.skew_s:g} s")


async def finish_jobs(simulation: "Simulation") -> None:
    """The services that work elsewhere post what came of it, some of it twice, or before anybody waits."""
    chance = simulation.chance
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(0.1, 1.0))
        for number in simulation.jobs.ended():
            for _ in range(chance.choice((0, 1, 1, 2))):
                simulation.operations.settle(await simulation.any_process(), "", number)


async def talk(simulation: "Simulation") -> None:
    """People talk into threads, whatever these are at: at work, waiting, a child's, over."""
    chance = simulation.chance
    while not simulation.is_calm:
        await asyncio.sleep(chance.uniform(0.5, 4.0))
        threads = sorted(simulation.check.threads)
        if threads and chance.random() < 0.6:
            simulation.operations.steer(await simulation.any_process(), chance.choice(threads))


ACTORS: tuple[Actor, ...] = (
    *(call, work, decide, decide, cancel, break_things, finish_jobs, talk, judge, settle),
    retry,
    leave_to_workers,
)
