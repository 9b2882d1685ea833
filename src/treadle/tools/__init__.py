"""The tools that ship, one small file each. What a tool is: core/tool.py."""

from .ask import ask_user
from .calculator import calculator
from .clock import current_time
from .dates import date_calculator
from .docs import docs_tool
from .files import file_tools
from .on_demand import on_demand
from .query import data_tool
from .shipped import load_shipped_tools
from .skills import skills
from .web_fetch import web_fetch
from .web_search import web_search

__all__ = [
    "ask_user",
    "calculator",
    "current_time",
    "data_tool",
    "date_calculator",
    "docs_tool",
    "file_tools",
    "load_shipped_tools",
    "on_demand",
    "skills",
    "web_fetch",
    "web_search",
]
