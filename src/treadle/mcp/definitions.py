"""Makes a tool of Treadle of what an MCP server says of one of its tools.

1. The name is the server's and the tool's: `time__convert_time`. The schema stays as it is.
2. All that a server says of a tool is text for a model, so its digest covers all of it.
3. A server's hints (that a tool only reads, say) count only where the user trusts the server: else
   each call needs approval. Trusted or not, what comes from outside is untrusted text.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import mcp_types as types

from ..core.tool import Tool
from ..core.values import Label

CONTEXT = "treadle context"
"""The keyword that brings the Context: no argument of a tool is likely to have this name."""
_MAX_NAME = 64


@dataclass(frozen=True)
class Definition:
    """What a server says of a tool, for a person who looks at it."""

    name: str
    description: str
    rest: dict[str, Any]
    """Its schemas and hints."""
    digest: str


def describe_definition(told: types.Tool) -> Definition:
    """All of what the server says, as far as a model or a rule goes by it."""
    said = _said(told)
    for name in ("name", "description"):
        said.pop(name, None)
    return Definition(told.name, told.description or "", said, digest_of(told))


def digest_of(told: types.Tool) -> str:
    """The digest of a definition: of its name and of all that a model or a rule may go by."""
    text = json.dumps(_said(told), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf8", "surrogatepass")).hexdigest()


def _said(told: types.Tool) -> dict[str, Any]:
    return told.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"meta", "icons"})


def make_mcp_tool(
    told: types.Tool,
    name: str,
    function: Callable[..., Any],
    poll: Callable[..., Any] | None,
    trusted: bool,
) -> Tool:
    """The tool under this name. Raises UsageError for a schema that can't be checked."""
    hints = types.ToolAnnotations()
    if trusted and told.annotations:
        hints = told.annotations
    read_only = hints.read_only_hint is True
    labels: tuple[Label, ...] = ("untrusted", "outward")
    if hints.open_world_hint is False:
        labels = ()
    return Tool(
        name,
        told.description or told.title or told.name,
        told.input_schema,
        function,
        context=CONTEXT,
        read_only=read_only,
        idempotent=read_only or hints.idempotent_hint is True,
        needs_approval=not (trusted and (read_only or hints.destructive_hint is False)),
        timeout_s=None,  # the connection has one of its own, which progress extends
        poll=poll,
        labels=labels,
        foreign=not trusted,
    )


def name_tools(server: str, names: Iterable[str]) -> dict[str, str]:
    """The names that a model knows the tools by, by the server's own names."""
    made: dict[str, str] = {}
    for own in names:
        name = re.sub(r"[^a-zA-Z0-9_-]", "_", f"{server}__{own}")
        if len(name) > _MAX_NAME or name in made.values():
            mark = hashlib.sha256(own.encode("utf8", "surrogatepass")).hexdigest()[:8]
            name = f"{name[: _MAX_NAME - 9]}_{mark}"
        made[own] = name
    return made
