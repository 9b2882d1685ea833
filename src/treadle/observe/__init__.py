"""Readers of logs: what happened, what would happen next, and where two threads part."""

from typing import TYPE_CHECKING

from ..on_use import import_on_use

if TYPE_CHECKING:
    from .cache import CacheStep, read_cache_steps
    from .cost import Total, cost_entries, group_costs, sum_costs
    from .logs import RecordLogger
    from .stats import Stats, compute_stats
    from .timeline import Timeline
    from .tracing import Tracing
else:
    __getattr__ = import_on_use(
        __name__,
        {
            ".cache": "CacheStep read_cache_steps",
            ".cost": "Total cost_entries group_costs sum_costs",
            ".logs": "RecordLogger",
            ".stats": "Stats compute_stats",
            ".timeline": "Timeline",
            ".tracing": "Tracing",
        },
    )

__all__ = [
    "CacheStep",
    "RecordLogger",
    "Stats",
    "Timeline",
    "Total",
    "Tracing",
    "compute_stats",
    "cost_entries",
    "group_costs",
    "read_cache_steps",
    "sum_costs",
]
