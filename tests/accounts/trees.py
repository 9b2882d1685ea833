"""Trees of agents and flows that are paid from one account: what they are, and their whole lives."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, TypedDict

from msgspec.structs import replace

from accounts.ledger import Life, Watched
from fakes import Died, JumpingLoop, world
from treadle import Agent, Flow, Limits, TreadleError, Usage, step, tool
from treadle.core import events as e
from treadle.core.errors import ModelRejected, ModelUnavailable
from treadle.core.model import Reply, Request
from treadle.graphs.graph import Graph
from treadle.graphs.nodes import END, START, Edge, append
from treadle.graphs.nodes import Node as GraphNode
from treadle.models.scripted import calls

PROMPT_USD, REPLY_USD = 0.00001, 0.00004


@dataclass(frozen=True)
class Node:
    """An agent that gives work to others in rounds, or a flow whose steps are agents and flows."""

    kind: str = "agent"
    rounds: "tuple[tuple[Node, ...], ...]" = ()
    tokens: int | None = None
    usd: float | None = None
    last_word: bool = True
    output: int = 20
    """The tokens of each of its replies."""
    wants: int = 200
    """The most that it asks for."""
    delay_s: float = 0.0
    """Before it begins, in a flow; also what its model takes."""
    asks: bool = False
    """A person must allow what it does first."""
    fails: str = ""
    """"once": its provider is busy at first; "ever": it is refused."""

    @property
    def limits(self) -> Limits:
        return Limits(
            steps=None,
            tool_calls=None,
            tokens=self.tokens,
            cost_usd=self.usd,
            last_word=self.last_word,
        )


def walk(node: Node, path: str = "n") -> Iterator[tuple[str, Node]]:
    """By name, the node and all below it."""
    yield path, node
    below = [child for each in node.rounds for child in each]
    for index, child in enumerate(below):
        yield from walk(child, f"{path}_{index}")


class TreeModel:
    """Answers by what it is shown; counts what was billed."""

    context_tokens = 100_000

    def __init__(self, tree: "Tree", name: str, node: Node, rounds: list[Reply]) -> None:
        self.name = f"model-of-{name}"
        self.max_output_tokens = node.wants
        self._tree, self._of, self._node, self._rounds = tree, name, node, rounds

    def cost_usd(self, usage: Usage) -> float:
        return usage.input_tokens * PROMPT_USD + usage.output_tokens * REPLY_USD

    async def reply(self, request: Request, emit: Any) -> Reply:
        node, tree = self._node, self._tree
        if node.fails == "ever":
            raise ModelRejected("400")
        if node.fails == "once" and self._of not in tree.failed:
            tree.failed.add(self._of)
            raise ModelUnavailable("503")
        usage = Usage(request.tokens, min(node.output, request.max_output_tokens))
        tree.billed.append((self._of, usage.total_tokens, self.cost_usd(usage)))
        tree.running += 1
        tree.most_running = max(tree.most_running, tree.running)
        try:
            await asyncio.sleep(node.delay_s)
        finally:
            tree.running -= 1
        done = sum(message.role == "assistant" for message in request.messages)
        if request.tool_choice == "auto" and done < len(self._rounds):
            return replace(self._rounds[done], usage=usage)
        return Reply(f"{self._of} is done", usage)


async def wait(seconds: float) -> float:
    await asyncio.sleep(seconds)
    return seconds


@tool(needs_approval=True, idempotent=True)
async def sign(what: str) -> str:
    """Sign."""
    return "signed"


@dataclass
class Tree:
    """A tree, the store of its threads, and all that happens to it."""

    root: Node
    kills: tuple[tuple[int, bool], ...] = ()
    """Of each life but the last, at which append it dies, and whether that is written."""
    raises: tuple[int, ...] = (200, 2000, 100_000)
    """By how many tokens people raise the limits that are waited for, one after the other."""
    allows: bool = True
    cancels_at_s: float | None = None
    failed: set[str] = field(default_factory=set)
    billed: list[tuple[str, int, float]] = field(default_factory=list)
    died: int = 0
    running: int = 0
    most_running: int = 0

    def __post_init__(self) -> None:
        self.nodes = dict(walk(self.root))
        self.store = Watched(self._find_limits)
        self.world = world()

    def _find_limits(self, thread: str) -> Limits:
        start = self.store.ledger.logs[thread][0].event
        assert isinstance(start, e.ThreadStarted)
        return self.nodes[start.agent].limits

    def make(self, store: Any) -> dict[str, Any]:
        """By name, what one process runs."""
        made: dict[str, Any] = {}
        self._make("n", self.root, store, made)
        return made

    def _make(self, name: str, node: Node, store: Any, made: dict[str, Any]) -> None:
        below = [child for each in node.rounds for child in each]
        for index, child in enumerate(below):
            self._make(f"{name}_{index}", child, store, made)
        members = [made[f"{name}_{index}"] for index in range(len(below))]
        own = {"name": name, "limits": node.limits, "store": store, "world": self.world}
        if node.kind == "flow":
            made[name] = Flow(_code_of(name, node, members), **own)
            return
        if node.kind == "graph":
            made[name] = _graph_of(members, own)
            return
        rounds: list[Reply] = []
        if node.asks:
            rounds.append(calls(("sign", {"what": name})))
        index = 0
        for each in node.rounds:
            asked: list[Any] = []
            for child in each:
                told: dict[str, Any] = {} if child.kind == "flow" else {"task": "do it"}
                asked.append((f"{name}_{index}", told))
                index += 1
            rounds.append(calls(*asked))
        tools = [member.as_tool() for member in members]
        if node.asks:
            tools.append(sign)
        made[name] = Agent(model=TreeModel(self, name, node, rounds), tools=tools, **own)

    def live(self) -> Any:
        """The whole life of the tree: the result of its root."""
        with asyncio.Runner(loop_factory=JumpingLoop) as runner:
            for number, (appends, after) in enumerate(self.kills):
                life = Life(self.store, appends, after)
                result = runner.run(self._life(life, is_first=number == 0))
                if not life.is_dead:
                    break
                self.died += 1
            else:
                result = runner.run(self._life(Life(self.store), is_first=not self.kills))
            runner.run(self._check_the_end())
            return result

    async def _life(self, life: Life, is_first: bool) -> Any:
        runners = self.make(life)
        top = runners["n"]
        before = asyncio.all_tasks()
        try:
            async with asyncio.timeout(36_000):
                return await self._work(top, runners)
        except Died:
            return None
        finally:
            left = asyncio.all_tasks() - before
            for task in left:
                task.cancel()
            await asyncio.gather(*left, return_exceptions=True)

    async def _work(self, top: Any, runners: dict[str, Any]) -> Any:
        if self.store.ledger.logs.get("t"):
            work = top.resume("t")
        elif self.root.kind != "agent":
            work = top.options(thread="t").run()
        else:
            work = top.run("go", thread="t")
        result = await self._try(work)
        raises = list(self.raises)
        while result is not None and result.status == "waiting":
            for each in result.waiting:
                if each.status != "limit":
                    said = e.ApprovalGiven(each.id, self.allows, "ann")
                    await top.post(each.thread_id, said)
            for thread in sorted({each.thread_id for each in result.waiting if not each.id}):
                if not raises:
                    await top.post("t", e.TurnEnded("cancelled", "enough"))
                    break
                more = raises.pop(0)
                await top.raise_limit(thread, "ann", tokens=more, cost_usd=more * 1e-4)
            result = await self._try(top.resume("t"))
        return result

    async def _try(self, work: Any) -> Any:
        task = asyncio.ensure_future(work)
        if self.cancels_at_s is not None:
            asyncio.get_running_loop().call_later(self.cancels_at_s, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return None
        except TreadleError as error:
            return getattr(error, "result", None)

    async def _check_the_end(self) -> None:
        ledger = self.store.ledger
        assert not ledger.held, f"left reserved: {ledger.held}"
        with self.store._accounts as db:
            assert not db.execute("select * from account_queue").fetchall()
        ledger.check_anew()
        runners = self.make(self.store)
        for thread, records in ledger.logs.items():
            state = ledger.states[thread]
            assert state.turn
            assert state.turn.ended, f"{thread} never ended: {state.turn}"
            start = records[0].event
            assert isinstance(start, e.ThreadStarted)
            diverged = await runners[start.agent].replay(thread)
            assert diverged is None, f"{thread}: {diverged}"
        for name, node in self.nodes.items():
            self._check_billed(name, node)

    def _check_billed(self, name: str, node: Node) -> None:
        """What the providers have really charged for a node and all below it."""
        ledger = self.store.ledger
        mine = [each for each in self.billed if each[0] == name or each[0].startswith(f"{name}_")]
        turns = 0
        raised_tokens, raised_usd = 0, 0.0
        for thread, records in ledger.logs.items():
            start = records[0].event
            if isinstance(start, e.ThreadStarted) and start.agent == name:
                turns += 1
                for account, (tokens, usd) in ledger.raised.items():
                    if account.startswith(f"turn:{thread}#"):
                        raised_tokens, raised_usd = raised_tokens + tokens, raised_usd + usd
        if node.tokens is not None:
            most = turns * node.tokens + raised_tokens
            assert sum(each[1] for each in mine) <= most, f"{name} was billed more than {most}"
        if node.usd is not None:
            most_usd = turns * node.usd + raised_usd + 1e-7
            assert sum(each[2] for each in mine) <= most_usd, f"{name} was billed more"


class Done(TypedDict):
    ran: Annotated[list[str], append]


def _graph_of(members: list[Any], own: dict[str, Any]) -> Graph:
    """All members side by side."""
    nodes = [GraphNode(member, "ran", said="do it") for member in members]
    edges = [Edge(START, member.name) for member in members]
    edges += [Edge(member.name, END) for member in members]
    return Graph(Done, nodes, edges, **own)


def _code_of(name: str, node: Node, members: list[Any]) -> Any:
    async def code() -> str:
        index = 0
        for number, each in enumerate(node.rounds):
            work = []
            for child in each:
                work.append(one(index, child.delay_s))
                index += 1
            told = await asyncio.gather(*work)
            await step.options(id=f"end-{number}", idempotent=True)(wait, 0.0)
            if len(told) != len(each):
                raise AssertionError
        return f"{name} is done"

    async def one(index: int, delay_s: float) -> str:
        if delay_s:
            await step.options(id=f"wait-{index}", idempotent=True)(wait, delay_s)
        member = members[index]
        try:
            if isinstance(member, Flow):
                return (await member.run()).status
            return (await member.run("do it")).status
        except TreadleError as error:
            return type(error).__name__

    return code
