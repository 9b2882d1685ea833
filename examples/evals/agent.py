"""The agent that tools.yaml tries: tools that ship, on a copy of files/ that it may write to."""

import atexit
import shutil
import tempfile
from pathlib import Path

from treadle import Agent, Limits
from treadle.tools import (
    calculator,
    current_time,
    data_tool,
    date_calculator,
    docs_tool,
    file_tools,
)

FOLDER = tempfile.mkdtemp(prefix="treadle-evals-")
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
FILES = Path(FOLDER) / "files"
shutil.copytree(Path(__file__).parent / "files", FILES)

agent = Agent(
    "You are an assistant with tools. Use a tool where it knows better than you do: the calculator"
    " for every calculation, current_time for the time, date_calculator for days and dates, the"
    " file tools for files, query_data for the rows of a table, search_docs for questions about the"
    " house. Never guess what a tool can tell you. If a tool fails, read why and try another way."
    " Answer briefly.",
    name="house",
    tools=[
        calculator,
        current_time,
        date_calculator,
        *file_tools(FILES),
        data_tool(FILES),
        docs_tool(FILES / "docs"),
    ],
    limits=Limits(steps=8, seconds=900),
)
