"""Engines: they bring threads to the workers that resume them."""

from .engine import Engine, Job, Queue, Work
from .local import LocalEngine
from .open_engine import GivenEngine, open_engine

__all__ = ["Engine", "GivenEngine", "Job", "LocalEngine", "Queue", "Work", "open_engine"]
