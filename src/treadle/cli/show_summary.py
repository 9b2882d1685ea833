"""`treadle summary`: the totals of a thread and of its children."""

from dataclasses import asdict, dataclass

import msgspec

from ..core.thread_summary import ThreadSummary, ToolTotals
from ..observe.amounts import format_count, format_seconds
from ..runtime.summary import read_summary
from ..runtime.sync import run_sync
from .agents import choose_store
from .options import StoreOptions, name_thread
from .parameters import make_flag
from .tables import format_counts, format_table
from .terminal import Screen, print_as_json, print_line
from .threads import name_some, resolve_thread

MAX_UNREAD = 10
"""How many children that can't be read are named."""


@dataclass(frozen=True, kw_only=True)
class SummaryOptions(StoreOptions):
    thread: str = name_thread("[THREAD]", default="last")
    json: bool = make_flag("As a JSON object.")


def summary(settings: SummaryOptions) -> int:
    """Totals of a thread and its children: tokens by kind, cost, calls by tool, waits, seconds."""
    store = choose_store(settings)
    found = run_sync(read_summary(resolve_thread(store, settings.thread), store))
    if settings.json:
        print_as_json(_to_json(found))
    else:
        print_line(format_table(_rows(found)))
    if found.unread:
        note = (
            f"{format_count(len(found.unread), 'child thread')} can't be read or isn't of this"
            " thread; what the thread itself says of it is counted:"
            f" {name_some(found.unread, MAX_UNREAD)}"
        )
        Screen().note(note, "yellow")
    return 0


def _rows(found: ThreadSummary) -> list[tuple[str, str]]:
    usage = found.usage
    tokens = (
        f"{usage.total_tokens:,}: {usage.input_tokens:,} in ({usage.cached_tokens:,} cached),"
        f" {usage.output_tokens:,} out ({usage.reasoning_tokens:,} reasoning)"
    )
    if usage.estimated:
        tokens += ", partly estimated"
    rows = [
        ("thread", f"{found.thread_id}, of {found.agent}: {found.status}"),
        ("turns", format_counts(found.turns) or "none"),
        ("steps", f"{found.steps:,}"),
        ("model calls", _format_model_calls(found)),
        ("tokens", tokens),
        ("cost", _format_cost(found)),
    ]
    if found.lost_calls:
        rows.append(("lost", _format_lost(found)))
    if found.tools:
        every = ToolTotals(found.tool_successes, found.tool_errors, found.tool_retries)
        rows.append(("tool calls", _format_tool(every)))
    rows += [(f"tool {name}", _format_tool(tool)) for name, tool in found.tools.items()]
    if found.waits:
        rows.append(("waits", f"{found.waits:,} for people, {len(found.waiting):,} of them now"))
    rows.append(("work", format_seconds(found.seconds)))
    if found.children or found.unread:
        children = dict(found.children)
        if found.unread:
            children["unread"] = len(found.unread)
        rows.append(("children", format_counts(children)))
    return rows


def _format_model_calls(found: ThreadSummary) -> str:
    failures = format_count(found.model_failures, "failure")
    return f"{found.model_calls:,}, {found.model_retries:,} retries, {failures}"


def _format_cost(found: ThreadSummary) -> str:
    if found.cost_usd is not None:
        return f"${found.cost_usd:.6f}"
    if found.known_usd:
        return f"unknown; ${found.known_usd:.6f} of it is known"
    return "unknown"


def _format_lost(found: ThreadSummary) -> str:
    text = f"{format_count(found.lost_calls, 'model call')} got no reply and may have been billed:"
    text += f" at most {found.lost_tokens:,} tokens"
    if found.lost_usd:
        text += f", ${found.lost_usd:.6f}"
    return text


def _format_tool(tool: ToolTotals) -> str:
    errors = format_count(tool.errors, "error")
    return f"{format_count(tool.calls, 'call')}, {errors}, {tool.retries:,} retries"


def _to_json(found: ThreadSummary) -> dict[str, object]:
    values: dict[str, object] = msgspec.to_builtins(found)
    values["usage"] = msgspec.structs.asdict(found.usage)  # with the kinds that are 0
    values["tools"] = {
        name: asdict(each) | {"calls": each.calls} for name, each in found.tools.items()
    }
    for name in ("tokens", "tool_calls", "tool_successes", "tool_errors", "tool_retries"):
        values[name] = getattr(found, name)
    return values
