"""What an editor is told of a thread: updates of its session, made of records. Pure."""

import json
from collections.abc import Sequence
from typing import Any

import acp
from acp import schema as s

from ..core import events as e
from ..runtime.listeners import Delta

RESULT_CHARS = 20_000


class Updates:
    """Makes updates of what comes of one thread, in order."""

    def __init__(self, thread_id: str) -> None:
        self._thread_id = thread_id
        self._tools: dict[str, e.ToolDescription] = {}

    def learn(self, record: e.Record) -> None:
        """Take from the record what later ones need."""
        if record.thread_id == self._thread_id and isinstance(record.event, e.AgentDescribed):
            self._tools = dict(record.event.tools)

    def of_history(self, record: e.Record) -> list[Any]:
        """What a person has said, for an editor that loads the thread."""
        match record.event:
            case e.UserSaid(text=text, answers="") if record.thread_id == self._thread_id:
                return [acp.update_user_message_text(text)]
        return []

    def make(self, item: Delta | e.Record, text: str) -> list[Any]:
        """The updates of an item; `text` is what is new in it of the model's words."""
        found: list[Any] = [acp.update_agent_message_text(text)] if text else []
        if isinstance(item, Delta) or item.thread_id != self._thread_id:
            return found
        self.learn(item)
        match item.event:
            case e.ModelReplied(calls=calls):
                found += [self._start(call) for call in calls]
            case e.StepAsked(call=call):
                found.append(self._start(call))
            case e.ToolStarted(call_id=id):
                found.append(acp.update_tool_call(id, status="in_progress"))
            case e.ToolReturned(call_id=id, content=content):
                found.append(_ended(id, "completed", content))
            case e.ToolFailed(call_id=id, message=message, retry_after_s=None):
                found.append(_ended(id, "failed", message))
            case e.OutcomeDecided(call_id=id, outcome="ran", content=content):
                found.append(_ended(id, "completed", content))
            case e.ApprovalGiven(call_id=id, allowed=False, reason=reason) if id:
                found.append(_ended(id, "failed", f"denied: {reason}" if reason else "denied"))
        return found

    def of_waiting(self, waiting: e.PendingDecision) -> s.ToolCallUpdate:
        """The call for which a person is asked, with all its arguments."""
        return s.ToolCallUpdate(
            tool_call_id=waiting.id,
            title=f"{waiting.name}({waiting.final_arguments})",
            status="pending",
            raw_input=_read(waiting.final_arguments),
        )

    def _start(self, call: e.Call) -> Any:
        described = self._tools.get(call.name)
        kind: s.ToolKind = "read" if described and described.read_only else "other"
        return acp.start_tool_call(
            call.id,
            f"{call.name}({call.arguments})",
            kind=kind,
            status="pending",
            raw_input=_read(call.arguments),
        )


def read_prompt(prompt: Sequence[Any], by: str) -> e.UserSaid:
    """What the editor's person says: texts, pictures, and files as text or by their address."""
    parts: list[str | e.Image] = []
    for block in prompt:
        match block:
            case s.TextContentBlock():
                parts.append(block.text)
            case s.ImageContentBlock():
                parts.append(e.Image(f"data:{block.mime_type};base64,{block.data}"))
            case s.ResourceContentBlock():
                parts.append(f"[{block.name}]({block.uri})")
            case s.EmbeddedResourceContentBlock(resource=s.TextResourceContents() as resource):
                parts.append(f"{resource.uri}:\n{resource.text}")
            case _:
                raise acp.RequestError.invalid_params({"message": f"{block.type} isn't taken"})
    if all(isinstance(part, str) for part in parts):
        return e.UserSaid("\n\n".join(map(str, parts)), by=by)
    return e.UserSaid(tuple(parts), by=by)


def _ended(id: str, status: s.ToolCallStatus, text: str) -> Any:
    content = [acp.tool_content(acp.text_block(text[:RESULT_CHARS]))]
    return acp.update_tool_call(id, status=status, content=content, raw_output=_read(text))


def _read(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
