"""Runs a graph as the code of a flow, with a task for each node that runs. All it does are steps.

1. A node runs as soon as what it waits for has come, not when all others of its round are done. The
   log keeps the order of the results, so a resumed run goes the same way.
2. The state has one writer at a time: a node's result is merged when it comes, in the log's order.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..core import events as e
from ..core.errors import ModelError, StepFailed, TurnFailed
from ..flows.flow_end import FlowLimitReached
from ..runtime.serialize import to_json
from .joins import Joins
from .net import choice_place
from .node_work import choose_way, do_work, read_fields, read_items
from .nodes import END, START, Choice, Each, Edge, Join, sources
from .state import EMPTY, merge

if TYPE_CHECKING:
    from .graph import Graph

_FAILURES = (StepFailed, TurnFailed, ModelError)
"""What a join that needs only some branches can do without."""


@dataclass(frozen=True)
class _Run:
    """One run of a node."""

    name: str
    number: int
    """The first, the second, and so on."""
    items: Mapping[str, Any]
    """Read in place of fields."""
    slots: asyncio.Semaphore
    """Of the runs that go on side by side."""


class GraphRun:
    """One run of a graph."""

    def __init__(self, graph: "Graph", state: Mapping[str, Any]) -> None:
        self.state = dict(state)
        self._graph = graph
        self._net = graph.net
        self._joins = Joins(graph.net)
        self._runs: Counter[str] = Counter()
        self._rounds: Counter[str] = Counter()
        """The same, but copies side by side count once."""
        self._tokens: dict[asyncio.Task[None], str] = {}
        """The place of each task."""
        self._errors: list[Exception] = []

    async def run(self) -> dict[str, Any]:
        """The final state.

        Raises FlowLimitReached, and the error of the first node whose failure no join can do
        without.
        """
        self._follow(START)
        try:
            while self._tokens and not self._errors:
                await asyncio.wait(self._tokens, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in self._tokens:
                task.cancel()
        if self._errors:
            raise self._errors[0]
        return self.state

    def _start(
        self, name: str, sides: Sequence[Mapping[str, Any]] = ({},), at_once: int = 1
    ) -> None:
        """Run a node, or several copies side by side, each with items in place of fields."""
        if name == END:
            return
        node = self._graph.node[name]
        self._rounds[name] += 1
        if self._rounds[name] > node.most:
            reached = e.LimitReached(f"runs of {name}", self._rounds[name], node.most)
            raise FlowLimitReached(reached, to_json(self.state))
        slots = asyncio.Semaphore(at_once)
        for items in sides:
            self._runs[name] += 1
            run = _Run(name, self._runs[name], items, slots)
            task = asyncio.create_task(self._run_node(run))
            self._tokens[task] = name
            task.add_done_callback(lambda done: self._tokens.pop(done, None))

    async def _run_node(self, run: _Run) -> None:
        task = asyncio.current_task()
        assert task
        place = run.name
        try:
            async with run.slots:
                value = await do_work(self._graph, self.state, run.name, run.number, run.items)
            node = self._graph.node[run.name]
            self.state = merge(self.state, node, value, self._graph.fields)
            choice = self._graph.choices.get(run.name)
            if choice is None:
                del self._tokens[task]
                self._follow(run.name)
                return
            place = self._tokens[task] = choice_place(run.name)
            self._follow(run.name)
            target = await choose_way(self._graph, self.state, choice, run.number)
            del self._tokens[task]
            self._start(target)
            self._settle()
        except _FAILURES as error:
            self._tokens.pop(task, None)
            self._fail(place, error)
        except Exception as error:
            self._errors.append(error)

    def _follow(self, name: str) -> None:
        """Take all edges of a node that is done, but for its choice."""
        for number, edge in enumerate(self._graph.edges):
            if name not in sources(edge):
                continue
            match edge:
                case Edge(target=target):
                    self._start(target)
                case Each(target=target, over=over, item=item, at_once=at_once):
                    given = read_fields(self.state, name, {over: EMPTY}, {})
                    found = read_items(name, over, given[over])
                    if not found:
                        self._skip(target)
                    self._start(target, [{item: each} for each in found], at_once)
                case Join():
                    self._joins.come(number, name)
                case Choice():
                    pass
        self._settle()

    def _skip(self, name: str) -> None:
        """There was no item for this node: those who wait for it need not."""
        for number, join in self._net.joins.items():
            if name in join.sources:
                self._joins.come(number, name, 0)

    def _settle(self) -> None:
        """Go on after each join to which enough has come, and stop what it needs no more."""
        while True:
            number = self._joins.next(Counter(self._tokens.values()))
            if number is None:
                return
            self._joins.go_on(number)
            join = self._net.joins[number]
            if join.need != "all":
                before = self._net.before(number)
                self._stop([task for task, place in self._tokens.items() if place in before])
            self._start(join.target)

    def _fail(self, place: str, error: Exception) -> None:
        """A branch has failed: the next join does without it, or else the graph has failed."""
        ahead = self._net.ahead(place)
        if ahead is None:
            self._errors.append(error)
            return
        self._joins.fail(ahead, error)
        self._stop([task for task, at in self._tokens.items() if self._joins.is_in_vain(at)])
        try:
            self._settle()
        except Exception as too_few:
            self._errors.append(too_few)

    def _stop(self, tasks: Sequence["asyncio.Task[None]"]) -> None:
        for task in tasks:
            del self._tokens[task]
            task.cancel()
