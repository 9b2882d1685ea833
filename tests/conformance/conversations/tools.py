"""Tools: one, several at once, failing, unknown, with arguments as models really write them."""

from conformance.conversation import Calls, Conversation, Says, reply

ONE = Conversation(
    "one tool",
    said=("What is 1 + 2?",),
    replies=(reply(Says("I add."), Calls("add", {"a": 1, "b": 2})), reply(Says("3."))),
    agent={"instructions": "Be brief."},
    log="""
        user: What is 1 + 2?
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
AT_ONCE = Conversation(
    "three tools at once, the second of which fails",
    said=("Go.",),
    replies=(
        reply(Calls("add", {"a": 1, "b": 2}), Calls("fail", {}), Calls("add", {"a": 3, "b": 4})),
        reply(Says("3 and 7.")),
    ),
    log="""
        user: Go.
        calls: add {"a": 1, "b": 2}
        calls: fail {}
        calls: add {"a": 3, "b": 4}
        gives: 3
        gives: error: ValueError: no luck
        gives: 7
        says: 3 and 7.
        ends: answered
    """,
)
MANY_ROUNDS = Conversation(
    "tools in three rounds, and another turn",
    said=("Go.", "Thanks."),
    replies=(
        reply(Calls("add", {"a": 1, "b": 1})),
        reply(Says("More."), Calls("add", {"a": 2, "b": 2})),
        reply(Calls("add", {"a": 3, "b": 3})),
        reply(Says("6.")),
        reply(Says("You are welcome.")),
    ),
    log="""
        user: Go.
        calls: add {"a": 1, "b": 1}
        gives: 2
        says: More.
        calls: add {"a": 2, "b": 2}
        gives: 4
        calls: add {"a": 3, "b": 3}
        gives: 6
        says: 6.
        ends: answered
        user: Thanks.
        says: You are welcome.
        ends: answered
    """,
)
NO_ARGUMENTS = Conversation(
    "a tool without arguments, and no text for them",
    said=("What is the place called?",),
    replies=(reply(Calls("name", "")), reply(Says("Paris."))),
    log="""
        user: What is the place called?
        calls: name {}
        gives: Paris
        says: Paris.
        ends: answered
    """,
)
UNKNOWN = Conversation(
    "a tool that isn't there",
    said=("Go.",),
    replies=(reply(Calls("fly", {"to": "Rome"})), reply(Says("I can't fly."))),
    log="""
        user: Go.
        calls: fly {"to": "Rome"}
        gives: error: no tool named 'fly'; there are: add, name, fail, draw, hand, hear, note
        says: I can't fly.
        ends: answered
    """,
)
NOT_JSON = Conversation(
    "arguments that are no JSON, then mended",
    said=("Go.",),
    replies=(
        reply(Calls("add", '{"a": 1, "b": ')),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        calls: add '{"a": 1, "b": '
        gives: error: the arguments are not valid JSON (Expecting value: line 1 column 15 (char 14)); send one JSON object
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
    prompt="""
        user: Go.
        calls: add {"not_json": "{\\"a\\": 1, \\"b\\": "}
        gives: error: the arguments are not valid JSON (Expecting value: line 1 column 15 (char 14)); send one JSON object
        calls: add {"a": 1, "b": 2}
        gives: 3
    """,
)
WRONG_TYPE = Conversation(
    "arguments of the wrong type, then mended",
    said=("Go.",),
    replies=(
        reply(Calls("add", {"a": "one", "b": 2})),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        calls: add {"a": "one", "b": 2}
        gives: error: bad arguments: a: Input should be a valid integer, unable to parse string as an integer; it takes: a, b
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
EMPTY_RESULT = Conversation(
    "a tool that gives nothing",
    said=("Go.",),
    replies=(reply(Calls("note", {"text": "x"})), reply(Says("Noted."))),
    log="""
        user: Go.
        calls: note {"text": "x"}
        gives: done; it gave no result
        says: Noted.
        ends: answered
    """,
)
CONVERSATIONS = (
    ONE,
    AT_ONCE,
    MANY_ROUNDS,
    NO_ARGUMENTS,
    UNKNOWN,
    NOT_JSON,
    WRONG_TYPE,
    EMPTY_RESULT,
)
