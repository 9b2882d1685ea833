"""Lists the tools that ship. Importing this module imports none of them."""

from ..core.tool import Tool


def load_shipped_tools() -> dict[str, Tool]:
    """By name, every shipped tool that needs no settings, in the order that models see."""
    from .ask import ask_user
    from .calculator import calculator
    from .clock import current_time
    from .dates import date_calculator
    from .docs import search_docs
    from .files import list_files, read_file, search_files, write_file
    from .query import query_data
    from .web_fetch import web_fetch
    from .web_search import web_search

    tools = (
        calculator,
        current_time,
        date_calculator,
        read_file,
        list_files,
        search_files,
        query_data,
        write_file,
        search_docs,
        web_search,
        web_fetch,
        ask_user,
    )
    return {tool.name: tool for tool in tools}
