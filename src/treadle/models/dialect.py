"""What a dialect is: how one kind of endpoint writes requests and replies. Pure.

What a request asks for beside its messages and tools is in `Request.settings`, with the model's own
merged in. A dialect names in `Dialect.settings` those that it can write; any other is refused
before a request is made.

A RemoteModel is an address (endpoint.py), a dialect, and the table of what that provider accepts
(accepted_fields.py). Each dialect is a folder beside this file; none knows another.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..core.events import Thinking, Usage
from ..core.model import Reply, Request
from ..core.model_settings import ModelSettings
from .accepted_fields import EFFORT, AcceptedFields, find_accepted_fields
from .service import OPENAI, Service


@dataclass(frozen=True)
class RequestFields:
    """What is sent beside the messages, the tools and the limits of a Request."""

    model: str
    """The model's name at the provider."""
    accepted: AcceptedFields = AcceptedFields()
    added: Mapping[str, Any] = field(default_factory=dict)
    """Fields that Treadle adds for this model by itself; None removes one that it sends else."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """`extra` of the request's settings. They win over all that Treadle sends; None removes one."""

    @property
    def provider_tools(self) -> list[Any]:
        """The tools that the provider runs: the user's field `tools`, sent after the agent's."""
        given = self.extra.get("tools")
        return list(given) if isinstance(given, list | tuple) else []


class ReplyBuilder(Protocol):
    """Makes one Reply from the answer to one request. Raises nothing but ModelErrors."""

    pieces: list[str | Thinking]
    """The new text and thinking, for the listeners; the reader takes them out."""
    done: bool
    """Whether the server has said that nothing follows. Later events aren't added."""

    @property
    def usage(self) -> Usage | None:
        """The server's count, as far as it has sent one."""
        ...

    @property
    def whole(self) -> bool:
        """Whether all of the reply has come; only its usage may follow."""
        ...

    def add(self, name: bytes, data: bytes) -> None:
        """Add a server-sent event: its name, b"" if it has none, and its data."""
        ...

    def add_body(self, body: bytes) -> None:
        """Add the one JSON object that a server sent instead of a stream."""
        ...

    def reply(self, usage: Usage) -> Reply:
        """The whole reply; `usage` is an estimate, for a server that didn't count."""
        ...


@dataclass(frozen=True)
class Dialect:
    """One way to write requests and replies, as three functions and where they are spoken."""

    name: str
    """For settings and error messages, e.g. `chat`."""
    path: str
    """Added to the base URL, e.g. `/chat/completions`."""
    encode: Callable[[Request, RequestFields], bytes]
    """The request's body. Each message is encoded once: `Message.encoded` keeps its bytes."""
    build_reply: Callable[[], ReplyBuilder]
    """A new ReplyBuilder, for one answer."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """The names of the ModelSettings that `encode` writes beside `max_output_tokens` and `extra`,
    and the fields of the body that they are written to."""
    service: Service = OPENAI
    """Where it is spoken unless an address is given."""
    find_accepted: Callable[[str, str], AcceptedFields] = find_accepted_fields
    """What a model accepts in this dialect, by host and the model's name."""

    def own_fields(self, settings: ModelSettings) -> frozenset[str]:
        """The fields of the body that the user has set, also by their names in chat completions."""
        own = set(settings.extra)
        own |= {self.settings[name] for name in settings.given() if name in self.settings}
        if settings.effort is not None:
            own.add(EFFORT)
        return frozenset(own)


def find_settings(request: Request, names: Mapping[str, str]) -> dict[str, Any]:
    """The settings that are given, by these names of fields for those of ModelSettings.

    Providers refuse `parallel_tool_calls` without tools.
    """
    fields = {sent: getattr(request.settings, name) for name, sent in names.items()}
    if not request.tools:
        del fields["parallel_tool_calls"]
    return {name: value for name, value in fields.items() if value not in (None, ())}


def set_tool_choice(
    settings: dict[str, Any], request: Request, fields: RequestFields, none: Any = "none"
) -> None:
    """Let no tool be called where the request says so; `none` is how the dialect says that."""
    forbids = request.tools and request.tool_choice == "none"
    if forbids and "tool_choice" not in fields.accepted.left_out:
        settings["tool_choice"] = none
    if not (request.tools or fields.provider_tools):
        settings.pop("tool_choice", None)  # refused without any


def join_body(fields: bytes, lists: Mapping[str, Sequence[bytes]]) -> bytes:
    """A request's body: this JSON object, which has fields, with lists of what is encoded already.

    The whole is joined at once. Each further copy of a long history, above all one by `%`, may cost
    more than all else that is done for a request.
    """
    pieces = [fields[:-1]]
    for name, items in lists.items():
        first, *others = items or (b"",)
        pieces += (b'"%s":[' % name.encode() + first, *others)
        pieces[-1] += b"]"
    pieces[-1] += b"}"
    return b",".join(pieces)
