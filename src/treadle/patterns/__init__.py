"""Recipes for several agents, in plain Python over `Agent.run`: read one, copy it, change it.

1. A recipe asks agents and decides by what they answer; where a model must decide, its answer has a type.
2. A run that fails takes nothing from the others: its Part says why. A wrong key, a wrong setting and a broken store
   are raised at once, and whatever still runs is cancelled.
3. Each run is a thread of its own, under its agent's limits. A recipe itself leaves no trace in a log: where people
   may be waited for, or a crash must not cost what is done, call it in a flow. A supervisor is an agent, and has its
   log.
"""

from .map_reduce import map_reduce
from .outcome import Outcome, Part
from .planning import Report, plan_and_execute
from .reflection import Critique, reflect
from .supervisor import supervisor
from .voting import best_of, plain, vote

__all__ = [
    "Critique",
    "Outcome",
    "Part",
    "Report",
    "best_of",
    "map_reduce",
    "plain",
    "plan_and_execute",
    "reflect",
    "supervisor",
    "vote",
]
