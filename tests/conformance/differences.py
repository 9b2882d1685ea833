"""What each dialect can carry, row by row: the table of docs/models.md, and who shows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from conformance.conversation import Dialect


@dataclass(frozen=True)
class Row:
    what: str
    chat: str
    responses: str
    messages: str
    conversation: str
    """The conversation in which it can be seen, by its name."""
    fields: Mapping[Dialect, str] = field(default_factory=dict)
    """Where it stands in the body of its first request; "" if nowhere."""

    @property
    def line(self) -> str:
        """As it stands in the page."""
        return f"| {self.what} | {self.chat} | {self.responses} | {self.messages} |"


ROWS = (
    Row(
        "order of thinking, words and calls in a reply",
        "no: thinking, words, calls",
        "yes",
        "yes",
        "thoughts between words and calls",
    ),
    Row(
        "thinking goes back to its own model",
        "fields of the server's own",
        "encrypted, or in plain text",
        "signed, or encrypted",
        "a thought, a word and a call, and thoughts in the next turn too",
    ),
    Row(
        "thinking that nobody is shown",
        "kept, sent back",
        "kept, sent back",
        "kept, sent back",
        "a thought that the provider doesn't show",
    ),
    Row(
        "thinking of another model",
        "left out",
        "left out",
        "left out",
        "a thread that another model began goes on",
    ),
    Row(
        "effort",
        "`reasoning_effort`; OpenAI's families 5.6 and 6 take it without tools alone",
        "`reasoning.effort`",
        "`output_config.effort`",
        "settings that every dialect has",
        {
            "chat": "reasoning_effort",
            "responses": "reasoning.effort",
            "messages": "output_config.effort",
        },
    ),
    Row(
        "calls one by one (`parallel_tool_calls`)",
        "`parallel_tool_calls`",
        "`parallel_tool_calls`",
        "`tool_choice.disable_parallel_tool_use`",
        "settings that every dialect has",
        {
            "chat": "parallel_tool_calls",
            "responses": "parallel_tool_calls",
            "messages": "tool_choice.disable_parallel_tool_use",
        },
    ),
    Row(
        "pictures, files in a message",
        "yes; a text as words, and of a file elsewhere its address",
        "yes",
        "yes; files are PDFs or texts, of others words",
        "a PDF, a text and a file by its address",
    ),
    Row(
        "pictures, files in a tool's result",
        "beside it, in a message after",
        "in it",
        "in it",
        "a tool's picture, and a file of another one",
    ),
    Row(
        "sound in a message",
        "yes",
        "`input_audio`; for OpenAI words, since none of its models takes it",
        "words say so",
        "a person's sound",
    ),
    Row(
        "sound in a tool's result",
        "beside it",
        "beside it; for OpenAI words",
        "words say so",
        "a tool's sound",
    ),
    Row(
        "an empty message",
        "empty for OpenAI, else words",
        "words say so",
        "words say so",
        "a history in which a person said nothing, between two answers",
    ),
    Row(
        "a system message in the middle of a history",
        "words of the user",
        "words of the user",
        "words of the user",
        "a system message in the middle of a history",
    ),
    Row(
        "an answer to be completed (prefill)",
        "asked to go on",
        "asked to go on",
        "asked to go on",
        "a history that ends with the beginning of an answer",
    ),
    Row(
        "tools that the provider runs",
        "facts of what is cited, or counted",
        "facts with results and sources",
        "facts with results and sources",
        "two searches and a tool of one's own in one reply",
    ),
    Row(
        "a turn that the provider pauses",
        "isn't known there",
        "isn't known there",
        "gets its content back and goes on",
        "a turn that the provider pauses in its search",
    ),
    Row(
        "refusals",
        "yes",
        "yes",
        "yes, with their category",
        "a refusal, and another question",
    ),
    Row(
        "answers by a JSON Schema",
        "`response_format`",
        "`text.format`",
        "`output_config.format`",
        "a list as the answer",
        {
            "chat": "response_format.json_schema.schema",
            "responses": "text.format.schema",
            "messages": "output_config.format.schema",
        },
    ),
    Row(
        "… as an object of any names",
        "yes",
        "yes",
        "no: in the instructions alone",
        "an object of any names, which not every provider can be held to",
        {
            "chat": "response_format.json_schema.schema",
            "responses": "text.format.schema",
            "messages": "",
        },
    ),
    Row(
        "counts: cache read, cache written, reasoning",
        "yes",
        "yes",
        "yes",
        "counts of the cache and of reasoning",
    ),
    Row(
        "where the provider's cache is told what to keep",
        "`prompt_cache_key`, at OpenAI",
        "`prompt_cache_key`, at OpenAI",
        "cache points",
        "one tool",
        {
            "chat": "prompt_cache_key",
            "responses": "prompt_cache_key",
            "messages": "system.0.cache_control",
        },
    ),
)
