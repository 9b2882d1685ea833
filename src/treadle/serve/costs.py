"""What has been spent, by day, agent and model, over the threads that were written last."""

from decimal import Decimal

import msgspec

from ..core import events as e
from ..core.errors import TreadleError
from ..observe.cost import Entry, cost_entries, sum_costs
from ..stores.rows import from_rows
from .routes import Asked

MAX_THREADS = 5_000


class CostQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Over how many threads."""

    threads: int = 1_000
    """The last written ones, children included."""


class CostRow(msgspec.Struct):
    """What one agent has spent on one model in a day."""

    day: str
    """In UTC, such as 2026-01-31."""
    agent: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    known_usd: Decimal
    """The cost of the calls that have a price."""
    complete: bool
    """Whether every call has a price, and none was lost."""


class Costs(msgspec.Struct):
    """The sums, the last day first."""

    threads: int
    rows: list[CostRow]
    left_out: list[str]
    """Threads whose logs can't be read."""


async def read_costs(asked: Asked) -> Costs:
    """What has been spent, by day, agent and model."""
    store = asked.served.store
    infos = await store.threads(max(1, min(asked.query.threads, MAX_THREADS)))
    records: list[e.Record] = []
    left_out: list[str] = []
    for info in reversed(infos):
        try:
            records += from_rows(info.thread_id, await store.read(info.thread_id))
        except TreadleError:
            left_out.append(info.thread_id)
    groups: dict[tuple[str, str, str], list[Entry]] = {}
    for entry in cost_entries(records):
        groups.setdefault((entry.day, entry.agent, entry.model), []).append(entry)
    rows = [_make_row(*place, entries) for place, entries in groups.items()]
    rows.sort(key=lambda row: (row.day, row.known_usd), reverse=True)
    return Costs(len(infos), rows, left_out)


def _make_row(day: str, agent: str, model: str, entries: list[Entry]) -> CostRow:
    total = sum_costs(entries)
    complete = not (total.unpriced or total.lost)
    usage = total.usage
    return CostRow(
        *(day, agent, model, total.calls, usage.input_tokens, usage.output_tokens),
        total.known_usd,
        complete,
    )
