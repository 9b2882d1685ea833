"""What the simulated processes run: agents, teams, hand-overs, flows and a graph, with tools of all kinds.

They are made once. What they do is drawn from the chance of the simulation whose process runs them.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypedDict

from simulate.database import LAST_CALLED
from simulate.process import current_process
from treadle import (
    Agent,
    Budget,
    CannotTell,
    Context,
    DidNotRun,
    Flow,
    Limits,
    Pending,
    Ran,
    StepFailed,
    ToolError,
    ToolRetry,
    Usage,
    approve,
    ask,
    flow,
    sleep,
    step,
    tool,
)
from treadle.core.errors import ContextOverflow, ModelRejected, ModelUnavailable
from treadle.core.events import Call, Text
from treadle.core.model import Reply, Request
from treadle.core.model_settings import NO_SETTINGS, SETTING_NAMES
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Edge, Join, Node, append
from treadle.models.request_rules import find_faults
from treadle.runtime.elsewhere import elsewhere
from treadle.runtime.world import World
from treadle.stores.store import Store
from treadle.tools.ask import ask_user

LIMITS = Limits(steps=6, tool_calls=12, tokens=60_000, seconds=40.0, model_tries=3)


def _chance() -> Any:
    return current_process().simulation.chance


async def _take_time() -> None:
    """What a tool or a model takes: nothing, a moment, or seconds. Its process may stand still."""
    process = current_process()
    simulation = process.simulation
    may_stand = simulation.plan.stands and not simulation.is_calm
    if may_stand and simulation.plays.random() < simulation.plan.stands:
        process.pause()
        await asyncio.sleep(0)  # until it wakes
    drawn = _chance().random()
    if drawn < 0.4:
        return
    if drawn < 0.6:
        await asyncio.sleep(0)
    elif drawn < 0.95:
        await asyncio.sleep(_chance().choice((0.01, 0.1, 0.3, 1.0)))
    else:
        await asyncio.sleep(_chance().choice((3.0, 5.0, 9.0)))


def _act(context: Context, name: str, n: int) -> str:
    """The effect of a tool, at the service that it is for."""
    current_process().simulation.check.effect(context, name, n)
    return f"{name} {n} is done"


async def _act_in_time(context: Context, name: str, n: int) -> str:
    await _take_time()
    done = _act(context, name, n)
    await _take_time()
    return done


@tool(read_only=True)
def look(n: int) -> str:
    """Looks."""
    return f"{n} is well"


@tool(idempotent=True)
async def put(n: int, context: Context) -> str:
    """Puts."""
    return await _act_in_time(context, "put", n)


@tool(idempotent=True, retries=2)
def put_now(n: int, context: Context) -> str:
    """Puts, in a thread; sometimes it can't be reached."""
    if _chance().random() < 0.2:
        raise ConnectionError("refused")
    return _act(context, "put_now", n)


@tool
async def pay(n: int, context: Context) -> str:
    """Pays."""
    return await _act_in_time(context, "pay", n)


@tool
def pay_now(n: int, context: Context) -> str:
    """Pays, in a thread."""
    return _act(context, "pay_now", n)


@tool(parallel=True)
async def pay_beside(n: int, context: Context) -> str:
    """Pays beside others; first it may say that it is too early."""
    if _chance().random() < 0.3:
        raise ToolRetry("too early", retry_after_s=_chance().choice((0.0, 0.5)))
    return await _act_in_time(context, "pay_beside", n)


@tool(needs_approval=True)
async def wire(n: int, context: Context) -> str:
    """Wires."""
    return await _act_in_time(context, "wire", n)


@tool
async def break_down(n: int, context: Context) -> str:
    """Has its effect and breaks."""
    await _act_in_time(context, "break_down", n)
    raise ValueError("it broke")


@tool(background=True)
async def file(n: int, context: Context) -> str:
    """Files, while the model goes on."""
    done = await _act_in_time(context, "file", n)
    await _take_time()
    return done


@tool(timeout_s=1.5)
async def dawdle(n: int, context: Context) -> str:
    """Often takes too long."""
    done = await _act_in_time(context, "dawdle", n)
    await asyncio.sleep(_chance().choice((0.0, 1.0, 5.0)))
    return done


@tool(timeout_s=0.5)
def dawdle_now(n: int, context: Context) -> str:
    """Runs in a thread, which may begin to act only after its time is up."""
    return _act(context, "dawdle_now", n)


LAG_S = 2.0
"""How long a request may be on its way to the services that can be asked."""


async def _send(context: Context, name: str, n: int) -> str:
    """Send a request, which has its effect later; until then nobody sees it."""
    await _take_time()
    done = _act(context, name, n)
    current_process().simulation.service.send(context.idempotency_key, LAG_S)
    await _take_time()
    return done


async def was_sent(n: int, context: Context) -> Ran | DidNotRun | CannotTell:
    """Ask the service, which may be slow, and down at times."""
    await _take_time()
    if _chance().random() < 0.1:
        raise ConnectionError("down")
    if context.idempotency_key in current_process().simulation.service.seen:
        return Ran(f"{n} is done")
    return DidNotRun()


def never_tells() -> CannotTell:
    return CannotTell("it keeps no list")


@tool(verify=was_sent, settle_s=LAG_S + 0.5, timeout_s=5.0)
async def ship(n: int, context: Context) -> str:
    """Ships, by a service that is slow."""
    return await _send(context, "ship", n)


@tool(verify=was_sent, settle_s=LAG_S + 0.5, parallel=True)
def ship_now(n: int, context: Context) -> str:
    """Ships, in a thread."""
    current_process().simulation.service.send(context.idempotency_key, LAG_S)
    return _act(context, "ship_now", n)


@tool(verify=was_sent, honours_key=True, timeout_s=2.0)
async def ship_once(n: int, context: Context) -> str:
    """Ships, by a service that honours keys."""
    return await _send(context, "ship_once", n)


@tool(verify=never_tells, settle_s=LAG_S + 0.5)
async def ship_blind(n: int, context: Context) -> str:
    """Ships, by a service that can't be asked."""
    return await _send(context, "ship_blind", n)


VERIFIED = [ship, ship_now, ship_once, ship_blind]


async def _begin_job(context: Context, name: str, n: int) -> Any:
    """Begin work elsewhere, noted before it begins, after it or only at the end."""
    handle = {"job": n}
    when = _chance().choice(("before", "after", "at the end"))
    if when == "before":
        await context.note(handle)
    await _take_time()
    _act(context, name, n)
    current_process().simulation.jobs.begin(n)
    if when == "after":
        await context.note(handle)
    await _take_time()
    return handle


async def _ask_job(handle: Any, context: Context) -> str:
    await _take_time()
    if _chance().random() < 0.2:
        raise ConnectionError("refused")
    result = current_process().simulation.jobs.result_of(handle["job"])
    if result is None:
        raise Pending(handle, due=_chance().choice((None, 0.5, 3.0)))
    if isinstance(result, ToolError):
        raise result
    return result


@tool
async def build(n: int, context: Context) -> str:
    """Builds elsewhere; whoever does it posts the result."""
    handle = await _begin_job(context, "build", n)
    raise Pending(handle, due=_chance().choice((None, None, 60.0)))


@tool(poll=_ask_job)
async def freight(n: int, context: Context) -> str:
    """Ships elsewhere, and can be asked."""
    handle = await _begin_job(context, "freight", n)
    raise Pending(handle, due=_chance().choice((0.5, 2.0, 9.0)))


EFFECTS = frozenset(
    (
        *("ship", "ship_now", "ship_once", "ship_blind"),
        *("put", "put_now", "pay", "pay_now", "pay_beside", "wire", "break_down", "dawdle"),
        *("dawdle_now", "build", "freight", "file"),
        *("pay_step", "pay_step_now", "put_step", "wire_step", "break_step", "first", "second"),
    )
)
"""The names of the tools and steps that have effects."""
IDEMPOTENT = frozenset(("put", "put_now", "put_step", "ship_once"))
"""Those whose effects may come again, under the same key."""
NEEDS_APPROVAL = frozenset(("wire", "wire_step"))
OWN_TOOLS = [look, put, put_now, pay, pay_now, pay_beside, wire, break_down, dawdle, ask_user]
OWN_TOOLS += [build, freight, file]


class SimModel:
    """A model that asks for whatever chance says, fails in every way, and obeys its limits."""

    context_tokens = 128_000
    max_output_tokens = 400
    settings = NO_SETTINGS
    carried_settings = SETTING_NAMES

    def __init__(self, name: str) -> None:
        self.name = name

    def cost_usd(self, usage: Usage) -> float:
        return usage.input_tokens * 1e-6 + usage.output_tokens * 4e-6

    async def reply(self, request: Request, emit: Callable[[str], None]) -> Reply:
        simulation = current_process().simulation
        if faults := find_faults(request):
            simulation.violate("prompts are legal", "; ".join(faults))
        simulation.check.asked_model(LAST_CALLED.get(), request)
        await _take_time()
        if simulation.chance.random() < simulation.plan.hanging_models:
            emit("half an ")
            await asyncio.sleep(1e6)
        made = self._draw(request)
        emit("a piece")
        await _take_time()
        return replace_usage(made, request)

    def _draw(self, request: Request) -> Reply:
        simulation = current_process().simulation
        chance = simulation.chance
        drawn = chance.random()
        if drawn < simulation.plan.failing_models:
            errors = (ModelUnavailable("503"), ModelUnavailable("429", retry_after_s=0.5))
            raise chance.choice((*errors, ContextOverflow("too long"), ModelRejected("400")))
        names = [each.name for each in request.tools if request.tool_choice == "auto"]
        if drawn < 0.45 or not names:
            return Reply(f"an answer {simulation.count()}")
        if drawn < 0.48:
            return Reply(" ")
        if drawn < 0.50:
            return Reply("cut", finish_reason="length")
        if drawn < 0.51:
            return Reply("", refusal="no")
        wanted = chance.choices(names, k=chance.choice((1, 1, 1, 2, 2, 3)))
        asked = [Call(f"x{index}", name, _arguments(name)) for index, name in enumerate(wanted)]
        if len(asked) > 1 and chance.random() < 0.1:
            asked[1] = Call("x1", asked[0].name, asked[0].arguments)
        return Reply((Text("so far"), *asked), finish_reason="tool_calls")


def _arguments(name: str) -> str:
    number = current_process().simulation.count()
    if name == "ask_user":
        return f'{{"question": "which of {number}?"}}'
    if name in ("clerk", "payer", "office"):
        return f'{{"task": "do {number}"}}'
    if name.startswith("hand_to_"):
        return "{}"
    if name == "job":
        return f'{{"work": ["pay:{number}", "pair:{number}"]}}'
    return f'{{"n": {number}}}'


def replace_usage(reply: Reply, request: Request) -> Reply:
    usage = Usage(request.tokens, min(request.max_output_tokens, 20))
    return Reply(reply.content, usage, reply.finish_reason, reply.refusal)


MODEL, OTHER_MODEL = SimModel("sim"), SimModel("other")


async def pay_step(n: int, context: Context) -> str:
    return await _act_in_time(context, "pay_step", n)


def pay_step_now(n: int, context: Context) -> str:
    return _act(context, "pay_step_now", n)


async def put_step(n: int, context: Context) -> str:
    return await _act_in_time(context, "put_step", n)


async def wire_step(n: int, context: Context) -> str:
    return await _act_in_time(context, "wire_step", n)


async def break_step(n: int, context: Context) -> str:
    done = await _act_in_time(context, "break_step", n)
    if _chance().random() < 0.6:
        raise ValueError("it broke")
    return done


async def _do(what: str, n: int) -> str:
    """One piece of a flow's work."""
    match what:
        case "pay":
            return await step(pay_step, n)
        case "pay_now":
            return await step(pay_step_now, n)
        case "put":
            return await step.options(idempotent=True)(put_step, n)
        case "wire":
            return await step.options(needs_approval=True)(wire_step, n)
        case "pair":
            both = (step(pay_step, n), step.options(idempotent=True)(put_step, n))
            return "; ".join(await asyncio.gather(*both))
        case "approve":
            return str(bool(await approve("go on?", n=n)))
        case "ask":
            return await ask(f"which of {n}?")
        case "sleep":
            await sleep(n % 7)
        case "agent":
            return (await CLERK.run(f"do {n}")).answer
        case "agents":
            done = await asyncio.gather(CLERK.run(f"do {n}"), step(pay_step, n))
            return str(len(done))
        case "race":
            return await _first(n)
        case "break" | "build" | "freight":
            plain = {"break": break_step, "build": build, "freight": freight}
            return await step(plain[what], n)
        case "break_all":
            several = (step(break_step, n), step(pay_step, n), CLERK.run(f"do {n}"), pieces.run(n))
            return str(len(await asyncio.gather(*several)))
    return ""


async def _first(n: int) -> str:
    """Whichever ends first; the other one is given up."""
    runners = (step.options(idempotent=True)(put_step, n), step(pay_step, n))
    racing = [asyncio.create_task(each) for each in runners]
    done, left = await asyncio.wait(racing, return_when=asyncio.FIRST_COMPLETED)
    for task in left:
        task.cancel()
    return sorted(task.result() for task in done)[0]


PIECES = (
    *("pay", "pay_now", "put", "wire", "pair", "approve", "ask", "sleep", "agent", "agents"),
    *("race", "break", "break_all", "build", "freight"),
)


@flow
async def pieces(n: int) -> str:
    return await _do("pay", n) + await _do("put", n) + await _do("break", n)


@flow
async def job(work: list[str]) -> str:
    done = []
    for each in work:
        what, n = each.split(":")
        done.append(await _do(what, int(n)))
    return "; ".join(done)


class Ordered(TypedDict):
    n: int
    paid: Annotated[list[str], append]
    told: str


async def first(n: int, context: Context) -> str:
    return await _act_in_time(context, "first", n)


async def second(n: int, context: Context) -> str:
    return await _act_in_time(context, "second", n)


def third(paid: list[str]) -> str:
    return f"{len(paid)} paid"


GRAPH = Graph(
    Ordered,
    [Node(first, "paid"), Node(second, "paid", approve="before"), Node(third, "told")],
    [
        *(Edge(START, "first"), Edge(START, "second")),
        *(Join(["first", "second"], "third"), Edge("third", END)),
    ],
    name="order",
)

CLERK = Agent(
    "You file.", name="clerk", tools=[put, pay, wire, ask_user, freight], model=MODEL, limits=LIMITS
)
PAYER = Agent(
    "You pay.", name="payer", tools=[pay_now, pay_beside, put], model=MODEL, limits=LIMITS
)
OFFICE = Agent(
    "You share out.", name="office", tools=[CLERK.as_tool(), pay], model=MODEL, limits=LIMITS
)
ALONE = Agent("You do.", name="alone", tools=OWN_TOOLS, model=(MODEL, OTHER_MODEL), limits=LIMITS)
LEAD = Agent(
    "You lead.",
    name="lead",
    tools=[CLERK.as_tool(), PAYER.as_tool(), OFFICE.as_tool(), put],
    model=MODEL,
    limits=LIMITS,
)
BOSS = Agent("You decide.", name="boss", tools=[pay, put], model=OTHER_MODEL, limits=LIMITS)
DESK = Agent(
    "You hand over.", name="desk", tools=[put, pay], handoffs=[BOSS], model=MODEL, limits=LIMITS
)
USER = Agent("You run jobs.", name="user", tools=[job.as_tool(), pay], model=MODEL, limits=LIMITS)
HASTY = Agent(
    "You are in a hurry.",
    name="hasty",
    tools=[replace(CLERK.as_tool(), timeout_s=3.0), dawdle, dawdle_now, put],
    model=MODEL,
    limits=LIMITS,
)
CHIEF = Agent(
    "You lead others, elsewhere.",
    name="chief",
    tools=[elsewhere(CLERK), elsewhere(OFFICE), put],
    model=MODEL,
    limits=LIMITS,
)
SHOP = Agent("You ship.", name="shop", tools=[*VERIFIED, put], model=MODEL, limits=LIMITS)


@flow
async def parcels(work: list[str]) -> str:
    """Steps whose tools can be asked what they did, one after the other and side by side."""
    for each in work:
        n = int(each.partition(":")[2])
        first, second = VERIFIED[n % 4], VERIFIED[(n + 1) % 4]
        await step(first, n)
        await asyncio.gather(step(second, n), step.options(idempotent=True)(put_step, n))
    return "shipped"


@flow
async def errands(work: list[str]) -> str:
    """Steps whose time is often up, and an agent that is given little."""
    for each in work:
        n = int(each.partition(":")[2])
        await step.options(timeout_s=1.5)(pay_step, n)
        await asyncio.gather(step(dawdle_now, n), step.options(timeout_s=0.5)(pay_step_now, n))
        with suppress(StepFailed):
            await CLERK.run(f"do {n}", within=2.0)
    return "run"


KINDS = ("alone", "lead", "desk", "user", "job", "order")
VERIFIED_KINDS = ("shop", "parcels")
HASTY_KINDS = ("hasty", "errands")
"""Those whose calls are often cut off."""
WORKED_KINDS = ("chief",)
"""Those whose children are other workers'."""
FLOW_KINDS = ("job", "parcels", "errands")


@dataclass(frozen=True)
class Settings:
    """What is drawn once for all agents of a simulation."""

    limits: Limits = LIMITS
    unknown: Any = "ask"
    parallel: bool = False
    budgets: tuple[Budget, ...] = ()


_AGENTS = {each.name: each for each in (ALONE, LEAD, DESK, USER, SHOP, HASTY, CHIEF)}
_FLOWS = {each.name: each for each in (job, parcels, errands)}


def make_runner(kind: str, settings: Settings, store: Store, world: World) -> Any:
    """Who drives threads of this kind in one process."""
    if kind == "order":
        return replace(GRAPH, store=store, world=world)
    if kind in _FLOWS:
        each = _FLOWS[kind]
        return Flow(
            each.function,
            name=each.name,
            limits=limits_of(kind, settings),
            unknown=settings.unknown,
            budgets=settings.budgets,
            store=store,
            world=world,
        )
    return replace(
        _AGENTS[kind],
        unknown=settings.unknown,
        limits=settings.limits,
        parallel=settings.parallel,
        budgets=settings.budgets,
        store=store,
        world=world,
    )


def limits_of(kind: str, settings: Settings) -> Limits:
    """The limits of a person's own thread of this kind."""
    if kind in FLOW_KINDS:
        return replace(job.limits, tokens=settings.limits.tokens)
    if kind == "order":
        return GRAPH.limits
    return settings.limits
