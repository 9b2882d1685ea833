"""`treadle costs`: what was paid, by whatever one asks."""

import time
from collections.abc import Mapping
from decimal import Decimal

import msgspec

from ..core.errors import UsageError
from ..observe.cost import KEYS, Key, Total, cost_entries, group_costs, sum_costs
from ..stores.sqlite import SQLiteStore
from .agents import choose_store
from .event_query import COST_EVENTS, parse_since, read_events
from .observe_options import CostsOptions
from .tables import format_table
from .terminal import Screen, print_json, print_line

MAX_BAR = 20
"""Characters of the longest bar."""
_EIGHTHS = " ▏▎▍▌▋▊▉"
_encode = msgspec.json.Encoder(decimal_format="number").encode


def costs(settings: CostsOptions) -> int:
    """What the threads have cost: calls, tokens and US dollars, with a bar for each line."""
    by = _key(settings)
    store = choose_store(settings)
    assert isinstance(store, SQLiteStore)
    since = parse_since(settings.since, time.time())
    found = [
        entry
        for entry in cost_entries(read_events(store, COST_EVENTS, settings.thread))
        if entry.at >= since
    ]
    groups = _sorted(group_costs(found, by), by)
    if settings.json:
        for name, each in groups.items():
            print_json(_encode(_json(by, name, each)))
        return 0
    if not groups:
        Screen().note("no model was asked" + (" since then" if settings.since else " yet"), "dim")
        return 0
    shown = dict(
        list(groups.items())[-settings.limit :]
        if by == "day"
        else list(groups.items())[: settings.limit]
    )
    whole = sum_costs(found)
    longest = max(_weight(each, whole) for each in shown.values())
    rows = [
        _row(name, each, draw_bar(_weight(each, whole), longest)) for name, each in shown.items()
    ]
    print_line(
        format_table(
            [
                (by, "calls", "in", "cached", "out", "reasoning", "USD", ""),
                *rows,
                _row("all", whole, ""),
            ]
        )
    )
    if len(shown) < len(groups):
        Screen().note(f"there are {len(groups) - len(shown):,} more lines (--limit N)", "dim")
    if whole.lost:
        most = f", at most ${whole.lost_usd:f}" if whole.lost_usd else ""
        Screen().note(
            f"{whole.lost:,} calls got no reply; they may have been billed{most}", "yellow"
        )
    return 0


def draw_bar(value: Decimal, longest: Decimal) -> str:
    """A bar of eighths of a character; the longest is BAR long, and what isn't 0 is seen."""
    if not value or not longest:
        return ""
    eighths = max(1, round(value / longest * MAX_BAR * 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def format_cost(each: Total) -> str:
    """The cost; where a part of it is unknown, so it says, and what is known."""
    if each.cost_usd is not None:
        return f"{each.cost_usd:f}"
    return f"unknown, {each.known_usd:f} known" if each.known_usd else "unknown"


def _key(settings: CostsOptions) -> Key:
    given = settings.by or ("day" if settings.thread is None else "turn")
    for key in KEYS:
        if key == given:
            return key
    raise UsageError(f"costs can't be had by {given!r}; there are: {', '.join(KEYS)}")


def _sorted(groups: Mapping[str, Total], by: Key) -> dict[str, Total]:
    """By day: as they came. Turns and steps: in their order. All else: the dearest first."""
    match by:
        case "day":
            return dict(sorted(groups.items()))
        case "turn" | "step":
            return dict(groups)
        case _:
            cost = {
                name: (-each.known_usd, -each.usage.total_tokens, name)
                for name, each in groups.items()
            }
            return {name: groups[name] for name in sorted(groups, key=cost.__getitem__)}


def _weight(each: Total, whole: Total) -> Decimal:
    """What bars stand for: money, and tokens where nothing has a price."""
    return each.known_usd if whole.known_usd else Decimal(each.usage.total_tokens)


def _row(name: str, each: Total, drawn: str) -> tuple[str, ...]:
    usage = each.usage
    tokens = (usage.input_tokens, usage.cached_tokens, usage.output_tokens, usage.reasoning_tokens)
    return (
        name or "-",
        f"{each.calls:,}",
        *(f"{count:,}" for count in tokens),
        format_cost(each),
        drawn,
    )


def _json(by: str, name: str, each: Total) -> dict[str, object]:
    counts = {
        "calls": each.calls,
        "failed": each.failed,
        "lost": each.lost,
        "unpriced": each.unpriced,
    }
    usage = {field: getattr(each.usage, field) for field in each.usage.__struct_fields__}
    money = {"cost_usd": each.cost_usd, "known_usd": each.known_usd, "lost_usd": each.lost_usd}
    return {by: name, **counts, **usage, **money}
