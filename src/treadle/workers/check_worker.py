"""Checks, when a worker is made, that its settings are of the right kinds."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.check_settings import check_kind, check_number, check_whole_number
from ..core.errors import UsageError
from ..core.name_kind import name_kind
from ..engines import open_engine
from ..runtime.check_kinds import check_list
from ..runtime.world import World
from ..stores.open_store import check_store
from .timetable import Scheduled

if TYPE_CHECKING:
    from .worker import Worker


def check_worker(worker: "Worker") -> None:
    """Raise UsageError, which says what to give instead, for a setting that can't be right."""
    check_list("Worker(runners)", worker.runners, "[agent, flow]")
    if not worker.runners:
        raise UsageError("a worker has nothing to resume; give it agents, flows or graphs")
    for runner in worker.runners:
        if isinstance(runner, type) or not callable(getattr(runner, "due", None)):
            raise UsageError(
                f"Worker(runners): {name_kind(runner)} can't be resumed; give agents, flows or"
                " graphs"
            )
    names = [runner.name for runner in worker.runners]
    _refuse_twice("those to resume", names)
    if worker.engine is None or isinstance(worker.engine, str):
        raise UsageError(
            f"Worker(engine=) is {name_kind(worker.engine)}; give LocalEngine(), or what"
            " open_engine(address) makes"
        )
    open_engine(worker.engine)
    check_list("Worker(stores=)", worker.stores, "[store]")
    for store in worker.stores:
        check_store("Worker(stores=)", store)
    for name, function in (("deps", worker.deps), ("told", worker.told), ("listen", worker.listen)):
        _check_function(f"Worker({name}=)", function)
    check_number("Worker(every_s", worker.every_s)
    check_kind("Worker(world=)", worker.world, World, "World(...)")
    check_kind("Worker(at_once=)", worker.at_once, Mapping, '{"shop": 20}')
    for agent, most in worker.at_once.items():
        check_whole_number(f"the limit of {agent!r}, at_once", most, 1)
    check_list("Worker(timetable=)", worker.timetable, "[Scheduled(...)]")
    for line in worker.timetable:
        check_kind("Worker(timetable=)", line, Scheduled, "lines, such as Scheduled(...)")
    _refuse_twice("the timetable's lines", [line.name for line in worker.timetable])
    for agent in [*worker.at_once, *(line.agent for line in worker.timetable)]:
        if agent not in names:
            raise UsageError(
                f"{agent!r} has a limit or a timetable, and isn't served;"
                f" there are: {', '.join(names)}"
            )
    for line in worker.timetable:
        _check_fits(line, worker.runners[names.index(line.agent)])


def _check_fits(line: Scheduled, runner: Any) -> None:
    turns = getattr(runner, "flow", runner).runs.turns  # a graph's are those of its flow
    for budget in runner.budgets:
        if budget.per == "user" and not line.by.strip():
            raise UsageError(
                f"the line {line.name!r}: each user of {line.agent!r} has a budget,"
                f" {budget.name!r}; say with `by` whose pays for it"
            )
    if turns.kind == "agent" and line.arguments is not None:
        raise UsageError(
            f"the line {line.name!r}: {line.agent!r} is an agent, which takes no `arguments`; give"
            " what is `said`"
        )
    if turns.kind == "agent":
        return
    if line.arguments is None:
        raise UsageError(
            f"the line {line.name!r}: {line.agent!r} is a {turns.kind}, to which nothing is said;"
            " give its `arguments`, {} where it takes none"
        )
    try:
        turns.encode_arguments((), dict(line.arguments))
    except UsageError as error:
        raise UsageError(f"the line {line.name!r}: {error}") from None


def _check_function(setting: str, given: Callable[..., Any] | None) -> None:
    if given is not None and not callable(given):
        raise UsageError(f"{setting} is {name_kind(given)}; give a function, or None")


def _refuse_twice(what: str, names: list[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two of {what} are named {name!r}; rename one")
