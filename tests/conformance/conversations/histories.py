"""Histories: brought in from elsewhere, begun by another model, with nothing said."""

from conformance.conversation import (
    Calls,
    Conversation,
    Differs,
    Fails,
    Says,
    Thinks,
    reply,
)
from treadle import ContextWindow
from treadle.core.events import Call, ProviderCall, Text, Thinking
from treadle.core.model import Reply as ModelReply

LONG = "word " * 300
EMPTY = Conversation(
    "a history in which a person said nothing, between two answers",
    said=("Hello.",),
    history=(
        {"role": "user", "content": "Hi."},
        {"role": "assistant", "content": "Yes?"},
        {"role": "user", "content": ""},
        {"role": "assistant", "content": "Are you there?"},
    ),
    replies=(reply(Says("Hello.")),),
    log="""
        user: Hi.
        says: Yes?
        ends: answered
        user:
        says: Are you there?
        ends: answered
        user: Hello.
        says: Hello.
        ends: answered
    """,
    differs=(
        Differs(
            "an empty message",
            ("responses", "messages"),
            lines="""
                user:
                says: Are
            """,
            instead="""
                user: (nothing was said)
                says: Are
            """,
            of="prompt",
        ),
    ),
)
BROUGHT = Conversation(
    "a history with calls is brought in",
    said=("And 2 + 2?",),
    history=(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 2?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a": 1, "b": 2}'},
                },
                {
                    "id": "call_2",
                    "type": "function",
                    "function": {"name": "gone", "arguments": "{}"},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        {"role": "tool", "tool_call_id": "call_2", "content": "away"},
        {"role": "assistant", "content": "3."},
    ),
    agent={"instructions": "Be brief."},
    replies=(reply(Says("4.")),),
    log="""
        user: 1 + 2?
        calls: add {"a": 1, "b": 2}
        calls: gone {}
        gives: 3
        gives: away
        says: 3.
        ends: answered
        user: And 2 + 2?
        says: 4.
        ends: answered
    """,
)
SYSTEM = Conversation(
    "a system message in the middle of a history",
    said=("Go on.",),
    history=(
        {"role": "user", "content": "Hello."},
        {"role": "assistant", "content": "Hello!"},
        {"role": "system", "content": "Answer in German from now on."},
        {"role": "user", "content": "Good morning."},
        {"role": "assistant", "content": "Guten Morgen."},
    ),
    replies=(reply(Says("Gern.")),),
    log="""
        user: Hello.
        says: Hello!
        ends: answered
        user: A system message of this conversation: Answer in German from now on. Good morning.
        says: Guten Morgen.
        ends: answered
        user: Go on.
        says: Gern.
        ends: answered
    """,
)
PREFILL = Conversation(
    "a history that ends with the beginning of an answer",
    said=("Go on.",),
    history=(
        {"role": "user", "content": "Count to four."},
        {"role": "assistant", "content": "1, 2,", "prefix": True},
    ),
    replies=(reply(Says("3, 4.")),),
    log="""
        user: Count to four.
        says: 1, 2,
        ends: limit
        user: Go on.
        says: 3, 4.
        ends: answered
    """,
)
ASSISTANT_FIRST = Conversation(
    "a history in which the assistant speaks first",
    said=("Tea.",),
    history=({"role": "assistant", "content": "Tea or coffee?"},),
    replies=(reply(Says("Here it is.")),),
    log="""
        user:
        says: Tea or coffee?
        ends: answered
        user: Tea.
        says: Here it is.
        ends: answered
    """,
    differs=(
        Differs(
            "an empty message",
            ("responses", "messages"),
            lines="""
                user:
                says: Tea
            """,
            instead="""
                user: (nothing was said)
                says: Tea
            """,
            of="prompt",
        ),
    ),
)
ELSEWHERE = Conversation(
    "a thread that another model began goes on",
    said=("What is 1 + 2?", "And now?"),
    before=(
        ModelReply(
            (
                Thinking("Hm.", {"type": "thinking", "signature": "elsewhere"}),
                ProviderCall("web_search", '{"query": "x"}', "", (), {"blocks": []}),
                Text("I add."),
                Call(
                    "toolu_1",
                    "add",
                    '{"a": 1, "b": 2}',
                    {"type": "tool_use", "caller": {"type": "direct"}},
                ),
            )
        ),
        ModelReply((Thinking("Easy.", {"reasoning_content": "Easy."}), Text("3."))),
    ),
    replies=(reply(Says("Still 3.")),),
    log="""
        user: What is 1 + 2?
        thinks: Hm.
        searches: x
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        thinks: Easy.
        says: 3.
        ends: answered
        user: And now?
        says: Still 3.
        ends: answered
    """,
    prompt="""
        user: What is 1 + 2?
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        user: And now?
    """,
)
SHORTENED = Conversation(
    "what was said first is left out when the prompt is too long",
    said=("One.", "Two.", "Three."),
    replies=(
        reply(Thinks("Hm."), Calls("add", {"a": 1, "b": 2})),
        reply(Says(LONG)),
        reply(Says(LONG)),
        Fails(
            400,
            "prompt is too long: 210000 tokens > 200000 maximum context length",
            "invalid_request_error",
        ),
        reply(Says("Short.")),
    ),
    agent={"context_window": ContextWindow(summarize=False)},
    log="""
        user: One.
        thinks: Hm.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: LONG
        ends: answered
        user: Two.
        says: LONG
        ends: answered
        user: Three.
        fails: overflow
        says: Short.
        ends: answered
    """.replace("LONG", LONG.strip()),
    prompt="""
        user: Three.
    """,
)
FAILED_BEFORE = Conversation(
    "a message that nobody answered, and the next one",
    said=("First.", "Second."),
    replies=(
        Fails(401, "Incorrect API key provided", "authentication_error"),
        reply(Says("Both.")),
    ),
    log="""
        user: First.
        fails: denied
        ends: failed
        user: Second.
        says: Both.
        ends: answered
    """,
    prompt="""
        user: First. Second.
    """,
)
CONVERSATIONS = (
    EMPTY,
    BROUGHT,
    SYSTEM,
    PREFILL,
    ASSISTANT_FIRST,
    ELSEWHERE,
    SHORTENED,
    FAILED_BEFORE,
)
