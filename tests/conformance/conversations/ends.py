"""How a reply ends: refused, filtered, at its limit, paused, empty."""

from conformance.conversation import Calls, Conversation, Differs, Says, Searches, reply
from treadle import Limits

REFUSED = Conversation(
    "a refusal, and another question",
    said=("Help me to harm.", "Then say hello."),
    replies=(reply(refusal="I can't help with that."), reply(Says("Hello."))),
    log="""
        user: Help me to harm.
        says: I can't help with that.
        ends: refused
        user: Then say hello.
        says: Hello.
        ends: answered
    """,
)
FILTERED = Conversation(
    "a reply that a filter stops half way",
    said=("Tell me.",),
    replies=(reply(Says("Once upon"), end="filtered"),),
    log="""
        user: Tell me.
        says: Once upon
        ends: refused
    """,
)
FILTERED_WHOLE = Conversation(
    "a reply of which a filter leaves nothing, and another question",
    said=("Tell me.", "Something else, then."),
    replies=(reply(end="filtered"), reply(Says("Gladly."))),
    log="""
        user: Tell me.
        ends: refused
        user: Something else, then.
        says: Gladly.
        ends: answered
    """,
    prompt="""
        user: Tell me. Your last reply was empty. Call a tool or give the answer. Something else, then.
    """,
)
LENGTH = Conversation(
    "a text that is cut off at the limit of the output",
    said=("Write.", "Go on."),
    replies=(reply(Says("Half an"), end="length"), reply(Says("answer."))),
    log="""
        user: Write.
        says: Half an
        limit: output
        ends: limit
        user: Go on.
        says: answer.
        ends: answered
    """,
)
CUT_CALL = Conversation(
    "a call that is cut off at the limit, and made again",
    said=("Add.",),
    replies=(
        reply(Calls("add", '{"a": 1'), end="length"),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("3.")),
    ),
    log="""
        user: Add.
        calls: add '{"a": 1'
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
    prompt="""
        user: Add. Your last reply was cut off at 5 tokens, so its tool calls were not read. Write less at once.
        calls: add {"a": 1, "b": 2}
        gives: 3
    """,
)
PAUSED = Conversation(
    "a turn that the provider pauses in its search",
    said=("Look it up, and add 1.",),
    replies=(
        reply(Says("I look."), Searches("the number", "https://a.test", "A"), end="paused"),
        reply(Says("It is 2."), Calls("add", {"a": 2, "b": 1})),
        reply(Says("3.")),
    ),
    log="""
        user: Look it up, and add 1.
        says: I look.
        searches: the number
        finds: https://a.test
        says: It is 2.
        calls: add {"a": 2, "b": 1}
        gives: 3
        says: 3.
        ends: answered
    """,
    differs=(
        Differs(
            "tools that the provider runs",
            ("chat",),
            lines="""
                says: I look.
                searches: the number
                finds: https://a.test
                says: It is 2.
            """,
            instead="""
                finds: https://a.test
                says: I look. It is 2.
            """,
            of="log",
        ),
        Differs(
            "tools that the provider runs",
            ("chat",),
            lines="""
                finds: https://a.test
            """,
            instead="",
            of="prompt",
        ),
    ),
)
EMPTY = Conversation(
    "an empty reply, then an answer",
    said=("Go.",),
    replies=(reply(), reply(Says("Done."))),
    log="""
        user: Go.
        says: Done.
        ends: answered
    """,
    prompt="""
        user: Go. Your last reply was empty. Call a tool or give the answer.
    """,
)
LAST_WORD = Conversation(
    "a last word at the limit of steps, without tools, and another turn",
    said=("Add.", "Thanks."),
    replies=(
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("So far 3.")),
        reply(Says("You are welcome.")),
    ),
    agent={"limits": Limits(steps=1)},
    log="""
        user: Add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        limit: steps
        says: So far 3.
        ends: limit
        user: Thanks.
        says: You are welcome.
        ends: answered
    """,
)
PLANNED = Conversation(
    "a plan before the first step",
    said=("Add.",),
    replies=(
        reply(Says("1. Add.")),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("3.")),
    ),
    agent={"plan": True},
    log="""
        user: Add.
        says: 1. Add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
    prompt="""
        user: Add.
        says: 1. Add.
        user: Now carry out your plan, step by step, with the tools. Then give the answer.
        calls: add {"a": 1, "b": 2}
        gives: 3
    """,
)
CONVERSATIONS = (
    REFUSED,
    FILTERED,
    FILTERED_WHOLE,
    LENGTH,
    CUT_CALL,
    PAUSED,
    EMPTY,
    LAST_WORD,
    PLANNED,
)
