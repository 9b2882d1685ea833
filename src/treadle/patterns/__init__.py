"""Recipes for several agents, in plain Python over `Agent.run`: read one, copy it, change it.

1. A recipe asks agents and decides by their answers. If a model must decide, its answer has a type.
2. A run that fails doesn't stop the others: its Part says why. A wrong key, a wrong setting or a
   broken store is raised at once, and the runs that are left are cancelled.
3. Each run has a thread of its own, with its agent's limits. A recipe itself isn't recorded: call
   it in a flow if it may wait for people, or if a crash must not lose what is done. A supervisor is
   an agent, so it has a log.
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
