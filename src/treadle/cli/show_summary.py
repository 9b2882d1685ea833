"""`treadle summary`: the totals of a thread and of its children."""

from dataclasses import asdict, dataclass, fields

import msgspec

from ..core.thread_summary import ThreadSummary, ToolTotals
from ..core.visible import visible_line
from ..observe.amounts import format_count, format_seconds
from ..runtime.summary import read_summary
from ..runtime.sync import run_sync
from .agents import choose_store
from .options import StoreOptions, name_thread
from .parameters import make_flag
from .tables import format_table
from .terminal import Screen, print_json, print_line
from .threads import resolve_thread

MAX_NAMED = 10
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
        print_json(msgspec.json.encode(_to_json(found)))
    else:
        print_line(format_table(_rows(found)))
    if found.unread:
        named = ", ".join(visible_line(name, 100) for name in found.unread[:MAX_NAMED])
        if len(found.unread) > MAX_NAMED:
            named += f" and {len(found.unread) - MAX_NAMED:,} more"
        note = (
            f"{format_count(len(found.unread), 'child thread')} can't be read or isn't of this"
            f" thread; what the thread itself says of it is counted: {named}"
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
        ("turns", _format_counts(found.turns)),
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
        rows.append(("children", _format_counts(children)))
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


def _format_counts(counts: dict[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda each: -each[1])
    return ", ".join(f"{count:,} {name}" for name, count in ordered) or "none"


def _to_json(found: ThreadSummary) -> dict[str, object]:
    values: dict[str, object] = {each.name: getattr(found, each.name) for each in fields(found)}
    values["tools"] = {
        name: asdict(tool) | {"calls": tool.calls} for name, tool in found.tools.items()
    }
    values["usage"] = {name: getattr(found.usage, name) for name in found.usage.__struct_fields__}
    for name in ("tokens", "tool_calls", "tool_successes", "tool_errors", "tool_retries"):
        values[name] = getattr(found, name)
    return values
