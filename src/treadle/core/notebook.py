"""How a value shows itself in a notebook: as text, and as HTML without scripts. Pure.

What models and tools wrote goes in as text only.
"""

from collections.abc import Iterable, Sequence
from html import escape

from .visible import make_visible

Row = tuple[str, object]
_PRE = "white-space:pre-wrap;overflow-wrap:anywhere;text-align:left"


def show_in_notebook(title: str, rows: Iterable[Row], said: str = "") -> dict[str, str]:
    """By MIME type: a title, what was said, and a row for each name that has a value."""
    given = [(name, str(value)) for name, value in rows if value not in ("", None)]
    shown = [(name, make_visible(value)) for name, value in given]
    title, said = make_visible(title), make_visible(said)
    lines = [title, *([said] if said else []), *(f"{name}: {value}" for name, value in shown)]
    html = f"<div><strong>{escape(title)}</strong>"
    if said:
        html += f'<div style="{_PRE};margin:6px 0">{escape(said)}</div>'
    return {"text/plain": "\n".join(lines), "text/html": f"{html}{make_table(shown)}</div>"}


def make_table(rows: Sequence[Sequence[str]]) -> str:
    """A table of HTML; the first cell of each row names it. "" for no rows."""
    if not rows:
        return ""
    cells = "".join(f"<tr>{_write_row(row)}</tr>" for row in rows)
    return f"<table><tbody>{cells}</tbody></table>"


def _write_row(row: Sequence[str]) -> str:
    name, *values = row
    others = "".join(f'<td style="{_PRE}">{escape(value)}</td>' for value in values)
    return f'<th scope="row" style="text-align:left">{escape(name)}</th>{others}'


def describe_usd(cost_usd: float | None) -> str:
    """A cost for a row."""
    if cost_usd is None:
        return "unknown"
    return f"${cost_usd:.2f}" if cost_usd >= 1 else f"${cost_usd:.2g}"
