"""What a turn waits for, as elicitation for a person at an MCP client, and their answers. Pure."""

import hashlib
import json

import mcp_types as types

from ..core import events as e
from ..core.events import PendingDecision
from ..core.visible import visible_block, visible_command, visible_word

_APPROVAL = {
    "type": "object",
    "properties": {
        "allow": {"type": "boolean", "title": "Allow it?"},
        "reason": {"type": "string", "title": "Why not?", "description": "Told to the agent."},
    },
    "required": ["allow"],
}
_QUESTION = {
    "type": "object",
    "properties": {"answer": {"type": "string", "title": "Your answer"}},
    "required": ["answer"],
}


def key_of(call: PendingDecision) -> str:
    """What an answer is known by: the same for the same decision alone, as it is shown.

    A call's id is unique only in its thread, and children's calls are asked about together.
    """
    shown = (call.thread_id, call.id, call.status, call.digest, call.reason)
    text = json.dumps(shown).encode("utf8", "surrogatepass")
    return hashlib.blake2b(text, digest_size=12).hexdigest()


def request_of(call: PendingDecision, agent: str) -> types.ElicitRequestFormParams | None:
    """What a person is asked; None for what isn't decided at a client: work elsewhere, limits."""
    if call.status == "waiting":
        text = f"The agent {agent} wants to run {visible_word(call.name)}:"
        text += f"\n{visible_block(call.final_arguments)}"
        if call.reason:
            text += f"\n{visible_block(call.reason)}"
        return types.ElicitRequestFormParams(message=text, requested_schema=_APPROVAL)
    if call.status == "question":
        text = f"The agent {agent} asks:\n{visible_block(call.reason)}"
        return types.ElicitRequestFormParams(message=text, requested_schema=_QUESTION)
    return None


def read_response(
    call: PendingDecision, response: types.ElicitResult, by: str
) -> e.ApprovalGiven | e.UserSaid | None:
    """The event of what a person said; None where they leave it open."""
    if response.action == "cancel":
        return None
    content = response.content or {}
    declined = response.action == "decline"
    if call.status == "waiting":
        allowed = content.get("allow") is True and not declined
        reason = content.get("reason")
        if allowed or not isinstance(reason, str):
            reason = ""
        return e.ApprovalGiven(call.id, allowed, by, reason, digest=call.digest)
    answer = content.get("answer")
    if declined or not isinstance(answer, str) or not answer.strip():
        answer = "(the person declined to answer)"
    return e.UserSaid(answer, answers=call.id, by=by)


def describe_wait(call: PendingDecision, thread: str) -> str:
    """What the turn waits for, in words, and how a person decides it at a terminal."""
    then = "Then call this tool again with the thread and no message."
    match call.status:
        case "waiting":
            what = f"a person's approval of {visible_word(call.name)}: {call.final_arguments}"
            command = ["treadle", "approve", thread, call.id]
        case "question":
            what = f"a person's answer to: {call.reason}"
            command = ["treadle", "answer", thread, "ANSWER", "--call", call.id]
        case "pending":
            return f"The turn waits for work elsewhere ({call.name}). {then}"
        case _:
            what = f"a person's decision ({call.status}) about {visible_word(call.name)}"
            command = ["treadle", "explain", thread]
    return (
        f"The turn waits for {what}\nA person decides it with: {visible_command(command)}\n{then}"
    )
