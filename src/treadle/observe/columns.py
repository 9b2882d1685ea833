"""Lays out rows of text in columns, as plain text.

rich is imported when it is needed: that takes 0.2 s.
"""

from collections.abc import Collection, Sequence
from io import StringIO

from .visible import make_visible

MIN_LAST_COLUMN = 20
"""Characters that the last column keeps, however narrow the terminal is."""
GAP = 2


def format_columns(
    rows: Sequence[Sequence[str]], right: Collection[int] = (), width: int | None = None
) -> str:
    """The rows, all of one length, as lines; columns in `right` are aligned on the right.

    With a width the last column is wrapped to fit; no other column ever is. The cells may be
    untrusted: they are made visible, and nothing in them is markup.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not rows:
        return ""
    cells = [[make_visible(" ".join(cell.split())) for cell in row] for row in rows]
    table = Table.grid(padding=(0, GAP, 0, 0))
    widths: list[int] = []
    for index, column in enumerate(zip(*cells, strict=True)):
        widths.append(max(map(cell_len, column)))
        is_last = index == len(rows[0]) - 1
        table.add_column(
            justify="right" if index in right else "left",
            no_wrap=not is_last,
            overflow="fold",
        )
    for row in cells:
        table.add_row(*map(Text, row))
    needed = sum(widths) + GAP * (len(widths) - 1)
    if width is not None:
        least = needed - widths[-1] + min(widths[-1], MIN_LAST_COLUMN)
        needed = min(needed, max(width, least))
    console = Console(
        file=StringIO(), width=max(1, needed), color_system=None, legacy_windows=False
    )
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())
