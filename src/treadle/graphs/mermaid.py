"""Writes the picture of a graph as Mermaid text. Pure.

Models write names and reasons too, so all text is escaped for Mermaid's quoted labels.
"""

import re
from html import escape

from ..core.notebook import make_table
from ..observe.amounts import format_cost, format_seconds
from .nodes import END, START
from .picture import Arrow, Picture, Place

MAX_REASON_CHARS = 60
"""How many characters of a reason are drawn."""


def write_mermaid(picture: Picture) -> str:
    """The Mermaid text. Of a run, the way that was taken is thick and the rest is dotted."""
    end = "end"
    if picture.ran:
        end += f": {picture.ended or 'not yet'}"
    nodes = [place for place in picture.places if place.kind == "node"]
    choices = {place.id: place for place in picture.places if place.kind == "choice"}
    lines = ["flowchart TD", f"    {_id(START)}([start])", f'    {_id(END)}(["{end}"])']
    for node in nodes:
        lines.append(f'    {_id(node.id)}["{_node_label(node)}"]')
    for arrow in picture.arrows:
        if choice := choices.pop(arrow.target, None):
            lines.append(f'    {_id(choice.id)}{{"{_escape(choice.label)}"}}')
        lines.append(_write_arrow(arrow, picture.ran))
    if picture.ran:
        lines.append("    classDef taken stroke-width:3px")
        ran = [_id(node.id) for node in nodes if node.runs]
        if ran:
            lines.append(f"    class {','.join(ran)} taken")
    return "\n".join(lines) + "\n"


def _write_arrow(arrow: Arrow, ran: bool) -> str:
    line = "-->"
    label = arrow.label
    if ran and arrow.times:
        line = "==>"
        label = f"{label} ({_times(arrow.times)})".lstrip()
    elif ran:
        line = "-.->"
    if label:
        line += f'|"{_escape(label)}"|'
    return f"    {_id(arrow.source)} {line} {_id(arrow.target)}"


def _node_label(node: Place) -> str:
    parts = []
    if node.runs:
        parts += [_times(node.runs), format_seconds(node.seconds)]
    if node.cost_usd:
        parts.append(format_cost(node.cost_usd))
    if node.failed:
        parts.append("failed")
    if node.status == "waiting":
        parts.append("waits for a person")
    return f"{node.label}<br/>{', '.join(parts)}" if parts else node.label


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _id(name: str) -> str:
    """An id for Mermaid. The prefix keeps it apart from Mermaid's own words, such as `end`."""
    return f"n_{name.replace('.', '_')}"


def _escape(text: str) -> str:
    line = " ".join(text.split())
    if len(line) > MAX_REASON_CHARS:
        line = f"{line[: MAX_REASON_CHARS - 1]}…"
    return re.sub(r"[^\w .,:;…()'/+*=%$€-]", lambda found: f"#{ord(found.group())};", line)


def show_picture(name: str, picture: Picture) -> dict[str, str]:
    """For a notebook, by MIME type: Mermaid, which JupyterLab draws, and tables."""
    labels = {place.id: place.label for place in picture.places}
    nodes = [
        (place.label, place.status or "", _times(place.runs) if place.runs else "")
        for place in picture.places
        if place.kind == "node"
    ]
    arrows = [
        (labels[arrow.source], f"→ {labels[arrow.target]}", arrow.label) for arrow in picture.arrows
    ]
    text = write_mermaid(picture)
    html = f"<div><strong>{escape(name)}</strong>{make_table(nodes)}{make_table(arrows)}</div>"
    return {"text/plain": text, "text/vnd.mermaid": text, "text/html": html}
