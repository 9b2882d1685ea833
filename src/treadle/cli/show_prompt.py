"""`treadle show --prompt`: the prompt of a model call, rebuilt from the records before it.

The log has no prompts, only their hashes. The instructions and the tools are those that the log
describes. If the options name an agent, they are those of that agent of today: then the hash is
compared, and a difference is reported.
"""

from collections.abc import Sequence

import msgspec

from ..core import events as e
from ..core.model import Message, Request
from ..core.prompt_hash import is_hash_of_said
from ..core.state import fold
from ..core.values import thinking_of
from ..core.visible import make_visible, visible_block, visible_line, visible_word
from ..models.chat.encode import encode_message, encode_tool
from ..observe.agent_changes import agent_changes
from ..observe.rebuilt_prompt import find_model_call, rebuild_prompt
from ..runtime.settings import RunSettings
from .agents import make_recorded_agent, names_agent
from .options import AgentOptions
from .terminal import Screen, print_json, print_line


def show_prompt(
    records: Sequence[e.Record], which: str, settings: AgentOptions, as_json: bool
) -> int:
    """Print the prompt. The exit code is 1 if today's agent makes another one than was sent."""
    record = find_model_call(records, which)
    assert isinstance(record.event, e.ModelCalled)
    today: RunSettings | None = None
    was = fold([each for each in records if each.seq < record.seq]).last_described
    if names_agent(settings):
        today = make_recorded_agent(settings, was).run_settings.told_as(was)
        today = today.with_model(record.event.model)
    prompt = rebuild_prompt(records, record, today)
    if as_json:
        print_json(_to_json(prompt.request))
    else:
        _print_request(prompt.request)
    recorded, rebuilt = prompt.recorded, prompt.rebuilt
    screen = Screen()
    if not recorded:
        screen.note("this call was brought in as messages: nobody recorded what the model saw")
        return 0
    if recorded == rebuilt:
        screen.note(
            f"this is what {visible_line(record.event.model, 100)} saw; prompt {rebuilt}", "dim"
        )
        return 0
    if not is_hash_of_said(recorded):
        screen.note(
            f"an older Treadle wrote this record, whose prompt {recorded} can't be compared", "dim"
        )
        return 0
    screen.note(
        f"NOT what the model saw: it saw prompt {recorded}, the agent of today gives {rebuilt}",
        "red",
    )
    for change in agent_changes(was, prompt.described):
        screen.note(f"since then {visible_line(change, 200)}", "yellow")
    return 1


def _print_request(request: Request) -> None:
    for message in request.messages:
        _print_message(message)
    for tool in request.tools:
        print_line("── tool ──", "bold")
        print_line(make_visible(encode_tool(tool).decode()))


def _print_message(message: Message) -> None:
    print_line(f"── {message.role}{f' {message.call_id}' if message.call_id else ''} ──", "bold")
    if thinking := thinking_of(message.content):
        print_line(make_visible(thinking), "dim")
    if message.text:
        print_line(make_visible(message.text))
    for part in message.parts:
        print_line(f"[{type(part).__name__.lower()}: {visible_line(part.url, 100)}]", "dim")
    for call in message.calls:
        print_line(visible_block(f"{call.id} {visible_word(call.name)} {call.arguments}"))


def _to_json(request: Request) -> bytes:
    messages = [msgspec.Raw(encode_message(message)) for message in request.messages]
    tools = [msgspec.Raw(encode_tool(tool)) for tool in request.tools]
    return msgspec.json.encode({"messages": messages, "tools": tools})
