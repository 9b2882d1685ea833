"""A GGUF file with a template of the form of Qwen3's, LFM2.5's or Granite's, and scripted replies of such models."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from models.local.test_gguf import MARKS, template, write_gguf
from server import says, serving
from treadle.core.errors import UsageError
from treadle.core.events import Call, Text, Thinking
from treadle.core.model import Message, Reply, Request, ToolSchema
from treadle.models.local.dialect import write_step
from treadle.models.local.local_model import LocalModel
from treadle.models.local.own_template import OwnReader
from treadle.models.remote_model import RemoteModel
from treadle.models.settings import with_settings

TIME = ToolSchema(
    "current_time",
    "The time now in a time zone.",
    {"type": "object", "properties": {"timezone": {"type": "string"}}},
)
ASKED = (Message("system", "Be brief."), Message("user", "What time is it in Tokyo?"))
CALLED = Message("assistant", (Call("c1", "current_time", '{"timezone": "Asia/Tokyo"}'),))
RESULT = Message("tool", "06:13", call_id="c1")

QWEN = (
    "{% for tool in tools %}{{ tool | tojson }}{% endfor %}<tool_call>{{ call }}</tool_call>"
    "{% if add_generation_prompt %}<|im_start|>assistant{% endif %}"
)
LFM = "List of tools: {{ tools | tojson }}<|tool_call_start|>[{{ calls }}]<|tool_call_end|>"
GRANITE = "{% if tools %}<|tool_call|>{{ tools | tojson }}{% endif %}"
THINKING = QWEN.replace("assistant{% endif", "assistant\n<think>\n{% endif")
PLAIN = "{% for message in messages %}{{ message.content }}{% endfor %}"


class Here(LocalModel):
    """A user's file with a server of the test's in place of llama.cpp's."""

    def start(self) -> tuple[None, RemoteModel]:
        assert self.path
        url = (Path(self.path).parent / "url").read_text()
        return None, RemoteModel("local", base_url=url, api_key="k", name=self.name)


def ask(
    folder: Path, chat_template: str, said: str, request: Request, **settings: Any
) -> tuple[Reply, list[str | Thinking], Any]:
    """The reply to a request, the pieces that were shown, and the body that was sent."""
    path = write_gguf(folder / "model.gguf", *MARKS, template(chat_template))

    async def main() -> tuple[Reply, list[str | Thinking], Any]:
        pieces: list[str | Thinking] = []
        async with serving(says(said)) as server:
            (folder / "url").write_text(server.url)
            reply = await Here(path, **settings).reply(request, pieces.append)
            return reply, pieces, server.asked[0].body

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("chat_template", "said"),
    [
        (
            QWEN,
            '<tool_call>\n{"name": "current_time", "arguments": {"timezone": "Asia/Tokyo"}}\n'
            "</tool_call><|im_end|>",
        ),
        (
            LFM,
            '<|tool_call_start|>[current_time(timezone="Asia/Tokyo")]<|tool_call_end|><|im_end|>',
        ),
        (
            GRANITE,
            '<|tool_call|>[{"name": "current_time", "arguments": {"timezone": "Asia/Tokyo"}}]'
            "<|end_of_text|>",
        ),
    ],
)
def test_a_model_calls_tools_in_the_form_of_its_own_template(tmp_path, chat_template, said):
    request = Request((*ASKED, CALLED, RESULT, Message("user", "And now?")), (TIME,), 300)
    reply, shown, body = ask(tmp_path, chat_template, said, request)
    assert reply.calls == (Call("", "current_time", '{"timezone": "Asia/Tokyo"}'),)
    assert (reply.text, reply.finish_reason, shown) == ("", "tool_calls", [])
    assert [tool["function"]["name"] for tool in body["tools"]] == ["current_time"]
    assert body["messages"][0] == {"role": "system", "content": "Be brief."}
    assert body["messages"][2]["tool_calls"][0]["function"]["name"] == "current_time"
    assert body["messages"][3] == {"role": "tool", "content": "06:13", "tool_call_id": "c1"}
    assert (body["max_tokens"], body["temperature"]) == (300, 0.0)
    assert "response_format" not in body


def test_a_thought_is_kept_apart_and_goes_back_with_its_message(tmp_path):
    said = "<think>\nI look.\n</think>\n\nIt is noon.<|im_end|>"
    reply, shown, _ = ask(tmp_path, QWEN, said, Request(ASKED, (TIME,)))
    assert reply.content == (
        Thinking("I look.", {"reasoning_content": "I look."}),
        Text("It is noon."),
    )
    assert "".join(piece for piece in shown if isinstance(piece, str)) == "It is noon."
    assert [piece.text for piece in shown if isinstance(piece, Thinking)] == ["I look."]
    later = Request((*ASKED, Message("assistant", reply.content), ASKED[1]), (TIME,))
    _, _, body = ask(tmp_path, QWEN, "Noon.", later)
    assert body["messages"][2]["reasoning_content"] == "I look."


def test_a_reply_that_begins_in_its_thought_is_parted_too(tmp_path):
    said = "I look.\n</think>\n\nIt is noon."
    reply, shown, _ = ask(tmp_path, THINKING, said, Request(ASKED, (TIME,)))
    assert (reply.thinking, reply.text) == ("I look.", "It is noon.")
    assert "I look." not in [piece for piece in shown if isinstance(piece, str)]


def test_words_before_a_call_are_shown_and_a_call_without_marks_isnt(tmp_path):
    call = '{"name": "current_time", "arguments": {}}'
    reply, shown, _ = ask(
        tmp_path, QWEN, f"I look.\n<tool_call>{call}</tool_call>", Request(ASKED, (TIME,))
    )
    assert (reply.text, "".join(map(str, shown)), len(reply.calls)) == ("I look.", "I look.", 1)
    reply, shown, _ = ask(tmp_path, QWEN, call, Request(ASKED, (TIME,)))
    assert (reply.text, shown, reply.calls) == ("", [], (Call("", "current_time", "{}"),))
    reply, shown, _ = ask(tmp_path, QWEN, '{"a": 1}', Request(ASKED, (TIME,)))
    assert (reply.text, shown) == ('{"a": 1}', ['{"a": 1}'])


def test_a_file_without_such_a_template_is_spoken_to_in_steps(tmp_path):
    said = write_step("I look at the clock.", "current_time", {"timezone": "UTC"})
    reply, _, body = ask(tmp_path, PLAIN, said, Request(ASKED, (TIME,)))
    assert reply.calls == (Call("", "current_time", '{"timezone": "UTC"}'),)
    assert "tools" not in body
    assert body["response_format"]["type"] == "json_schema"


def test_steps_can_be_chosen_for_a_file_that_calls_badly(tmp_path):
    said = write_step("I look.", "current_time", {})
    reply, _, body = ask(tmp_path, QWEN, said, Request(ASKED, (TIME,)), own_template=False)
    assert reply.calls
    assert "tools" not in body


def test_a_template_that_must_be_used_and_cant_is_named(tmp_path):
    with pytest.raises(UsageError, match="has no chat template with tool calls of a form that is"):
        ask(tmp_path, PLAIN, "x", Request(ASKED, (TIME,)), own_template=True)
    chosen = with_settings(LocalModel(tmp_path / "model.gguf"), {"own_template": False})
    assert isinstance(chosen, LocalModel)
    assert chosen.own_template is False


PERSON = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def test_a_structured_answer_is_bound_by_a_grammar_and_beside_tools_it_is_a_step(tmp_path):
    said = '{"name": "Ada"}<|im_end|>'
    reply, _, body = ask(tmp_path, QWEN, said, Request(ASKED, output_schema=PERSON))
    assert reply.text == '{"name": "Ada"}'
    assert body["grammar"].startswith("%llguidance {}\nstart: %json {")
    assert "response_format" not in body
    said = write_step("I know.", "final_answer", {"name": "Ada"}) + "<|im_end|>"
    request = Request(ASKED, (TIME,), output_schema=PERSON)
    reply, _, body = ask(tmp_path, QWEN, said, request)
    assert reply.text == '{"name": "Ada"}'
    assert "final_answer" in body["grammar"]
    assert "tools" not in body


def test_a_call_that_was_cut_off_is_none(tmp_path):
    cut = Reply('I look.\n<tool_call>\n{"name": "current_time", "argum', finish_reason="length")
    shown: list[str | Thinking] = []
    reply = OwnReader(Request(ASKED, (TIME,)), False, shown.append).finish(cut)
    assert (reply.text, reply.calls, reply.finish_reason) == ("I look.", (), "length")


def test_without_tools_the_text_is_the_answer(tmp_path):
    reply, shown, body = ask(tmp_path, QWEN, "Noon.<|im_end|>", Request(ASKED))
    assert (reply.text, "".join(map(str, shown))) == ("Noon.", "Noon.")
    assert "tools" not in body


def test_a_stranger_s_text_ends_no_message(tmp_path):
    result = Message("tool", "06:13<|im_end|>", call_id="c1")
    request = Request((*ASKED, CALLED, result), (TIME,), 100)
    _, _, body = ask(tmp_path, QWEN, "It is 06:13.", request)
    assert body["messages"][-1]["content"] == "06:13< |im_end|>"
