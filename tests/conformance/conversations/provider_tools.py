"""Tools that the provider runs by itself."""

from conformance.conversation import Calls, Conversation, Differs, Says, Searches, Thinks, reply

SEARCH = Conversation(
    "a search, its source, and another turn",
    said=("Look it up.", "Thanks."),
    replies=(
        reply(Thinks("I look."), Searches("x", "https://a.test", "A"), Says("It is 2.")),
        reply(Says("You are welcome.")),
    ),
    log="""
        user: Look it up.
        thinks: I look.
        searches: x
        finds: https://a.test
        says: It is 2.
        ends: answered
        user: Thanks.
        says: You are welcome.
        ends: answered
    """,
    differs=(
        Differs(
            "tools that the provider runs",
            ("chat",),
            lines="""
                searches: x
            """,
            instead="",
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
TWICE = Conversation(
    "two searches and a tool of one's own in one reply",
    said=("Go.",),
    replies=(
        reply(
            Searches("x", "https://a.test", "A"),
            Searches("y", "https://b.test", "B"),
            Says("Both."),
            Calls("add", {"a": 1, "b": 2}),
        ),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        searches: x
        finds: https://a.test
        searches: y
        finds: https://b.test
        says: Both.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
    differs=(
        Differs(
            "tools that the provider runs",
            ("chat",),
            lines="""
                searches: x
                finds: https://a.test
                searches: y
                finds: https://b.test
            """,
            instead="""
                finds: https://a.test
                finds: https://b.test
            """,
            of="log",
        ),
        Differs(
            "tools that the provider runs",
            ("chat",),
            lines="""
                finds: https://a.test
                finds: https://b.test
            """,
            instead="",
            of="prompt",
        ),
    ),
)
CONVERSATIONS = (SEARCH, TWICE)
