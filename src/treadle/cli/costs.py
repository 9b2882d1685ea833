"""`treadle costs`: the cost of threads, grouped by any key."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from ..core.errors import UsageError
from ..observe.amounts import format_count
from ..observe.cost import KEYS, Key, Total, cost_entries, group_costs, sum_costs
from .agents import choose_database
from .event_query import COST_EVENTS, ONE_THREAD, SINCE, parse_since, read_events
from .options import StoreOptions, name_thread
from .parameters import make_flag, make_option
from .tables import format_table
from .terminal import Screen, print_as_json, print_line

MAX_BAR = 20
"""Characters of the longest bar."""
_CACHE_TITLES = ("cache saved", "cache spent")
_EIGHTHS = " ▏▎▍▌▋▊▉"


@dataclass(frozen=True, kw_only=True)
class CostsOptions(StoreOptions):
    thread: str | None = name_thread("[THREAD]", ONE_THREAD, default=None)
    by: str | None = make_option(
        "WHAT",
        "day, thread, tree (a thread with its children), agent, model, purpose, turn or"
        " step; default: day, or turn for one thread.",
    )
    since: str | None = make_option("WHEN", SINCE)
    limit: int = make_option("N", "At most so many lines.", 30, short="-n", min=1)
    json: bool = make_flag("As JSON Lines; all of them.")


def costs(settings: CostsOptions) -> int:
    """What the threads have cost: calls, tokens and US dollars, with a bar for each line."""
    key = _choose_key(settings)
    store = choose_database(settings)
    since = parse_since(settings.since, time.time())
    events = read_events(store, COST_EVENTS, settings.thread)
    entries = [entry for entry in cost_entries(events) if entry.at >= since]
    groups = _sort(group_costs(entries, key), key)
    if settings.json:
        for name, total in groups.items():
            print_as_json(_to_json(key, name, total))
        return 0
    if not groups:
        when = "since then" if settings.since else "yet"
        Screen().note(f"no model was asked {when}", "dim")
        return 0
    names = list(groups)[: settings.limit]
    if key == "day":
        names = list(groups)[-settings.limit :]
    whole = sum_costs(entries)
    _print_table(key, {name: groups[name] for name in names}, whole)
    if len(names) < len(groups):
        more = len(groups) - len(names)
        Screen().note(f"there are {more:,} more lines (--limit N)", "dim")
    if whole.lost:
        lost = f"{format_count(whole.lost, 'call')} got no reply, and may have been billed"
        if whole.lost_usd:
            lost += f", at most ${whole.lost_usd:f}"
        Screen().note(lost, "yellow")
    return 0


def _print_table(key: Key, groups: Mapping[str, Total], whole: Total) -> None:
    """The table; what caches saved and what they cost have columns if any cache was used."""
    cache_used = bool(whole.usage.cached_tokens or whole.usage.cache_write_tokens)
    longest = max(_bar_value(total, whole) for total in groups.values())
    titles = (key, "calls", "in", "cached", "written", "out", "reasoning", "USD")
    rows: list[tuple[str, ...]] = [(*titles, *(_CACHE_TITLES if cache_used else ()), "")]
    for name, total in (*groups.items(), ("all", whole)):
        cells = _cells(name, total)
        if cache_used:
            cells += _cache_cells(total)
        bar = ""
        if total is not whole:
            bar = draw_bar(_bar_value(total, whole), longest)
        rows.append((*cells, bar))
    print_line(format_table(rows))


def draw_bar(value: Decimal, longest: Decimal) -> str:
    """A bar in eighths of a character; the longest value gets MAX_BAR, and only 0 gets nothing."""
    if not value or not longest:
        return ""
    eighths = max(1, round(value / longest * MAX_BAR * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def format_cost(total: Total) -> str:
    """The cost; if a part of it is unknown, the known part."""
    return _format_usd(total.known_usd, total.cost_usd is not None)


def _format_usd(known_usd: Decimal, is_known: bool) -> str:
    if is_known:
        return f"{known_usd:f}"
    if known_usd:
        return f"unknown, {known_usd:f} known"
    return "unknown"


def _choose_key(settings: CostsOptions) -> Key:
    default = "day" if settings.thread is None else "turn"
    wanted = settings.by or default
    for key in KEYS:
        if key == wanted:
            return key
    raise UsageError(f"costs can't be had by {wanted!r}; there are: {', '.join(KEYS)}")


def _sort(groups: Mapping[str, Total], key: Key) -> dict[str, Total]:
    """Days, turns and steps in their order; everything else by cost, the highest first."""
    if key in ("turn", "step"):
        return dict(groups)
    if key == "day":
        return dict(sorted(groups.items()))

    def rank(name: str) -> tuple[Decimal, int, str]:
        total = groups[name]
        return -total.known_usd, -total.usage.total_tokens, name

    return {name: groups[name] for name in sorted(groups, key=rank)}


def _bar_value(total: Total, whole: Total) -> Decimal:
    """What bars show: dollars, or tokens if nothing has a known price."""
    if whole.known_usd:
        return total.known_usd
    return Decimal(total.usage.total_tokens)


def _cells(name: str, total: Total) -> tuple[str, ...]:
    usage = total.usage
    return (
        name or "-",
        f"{total.calls:,}",
        f"{usage.input_tokens:,}",
        f"{usage.cached_tokens:,}",
        f"{usage.cache_write_tokens:,}",
        f"{usage.output_tokens:,}",
        f"{usage.reasoning_tokens:,}",
        format_cost(total),
    )


def _cache_cells(total: Total) -> tuple[str, str]:
    """What reading from a cache saved, and what writing to it cost more than plain input."""
    usage, is_known = total.usage, not total.cache_unpriced
    return (
        _format_part(usage.cached_tokens, total.cache_saved_usd, is_known),
        _format_part(usage.cache_write_tokens, total.cache_spent_usd, is_known),
    )


def _format_part(tokens: int, known_usd: Decimal, is_known: bool) -> str:
    if not tokens:
        return "-"
    return _format_usd(known_usd, is_known)


def _to_json(key: Key, name: str, total: Total) -> dict[str, object]:
    return {
        key: name,
        "calls": total.calls,
        "failed": total.failed,
        "lost": total.lost,
        "unpriced": total.unpriced,
        **{field: getattr(total.usage, field) for field in total.usage.__struct_fields__},
        "cost_usd": total.cost_usd,
        "known_usd": total.known_usd,
        "lost_usd": total.lost_usd,
        "cache_saved_usd": total.cache_saved_usd,
        "cache_spent_usd": total.cache_spent_usd,
        "cache_unpriced": total.cache_unpriced,
    }
