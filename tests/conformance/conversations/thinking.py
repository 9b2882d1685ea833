"""Thinking: shown, sealed, between calls, and again in later turns."""

from conformance.conversation import Calls, Conversation, Differs, Says, Thinks, reply

SHOWN = Conversation(
    "a thought, a word and a call, and thoughts in the next turn too",
    said=("What is 1 + 2?", "And 3 + 4?"),
    replies=(
        reply(Thinks("I need a sum."), Says("I add."), Calls("add", {"a": 1, "b": 2})),
        reply(Thinks("Easy."), Says("3.")),
        reply(Thinks("Again."), Calls("add", {"a": 3, "b": 4})),
        reply(Says("7.")),
    ),
    agent={"instructions": "Be brief."},
    log="""
        user: What is 1 + 2?
        thinks: I need a sum.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        thinks: Easy.
        says: 3.
        ends: answered
        user: And 3 + 4?
        thinks: Again.
        calls: add {"a": 3, "b": 4}
        gives: 7
        says: 7.
        ends: answered
    """,
)
SEALED = Conversation(
    "a thought that the provider doesn't show",
    said=("What is 1 + 2?",),
    replies=(reply(Thinks(), Calls("add", {"a": 1, "b": 2})), reply(Thinks(), Says("3."))),
    log="""
        user: What is 1 + 2?
        thinks: [sealed]
        calls: add {"a": 1, "b": 2}
        gives: 3
        thinks: [sealed]
        says: 3.
        ends: answered
    """,
)
BETWEEN = Conversation(
    "thoughts between words and calls",
    said=("Go.",),
    replies=(
        reply(
            Thinks("First."),
            Says("One."),
            Thinks("Then."),
            Calls("add", {"a": 1, "b": 2}),
        ),
        reply(Says("Two.")),
    ),
    log="""
        user: Go.
        thinks: First.
        says: One.
        thinks: Then.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: Two.
        ends: answered
    """,
    differs=(
        Differs(
            "order of thinking, words and calls in a reply",
            ("chat",),
            lines="""
                thinks: First.
                says: One.
                thinks: Then.
            """,
            instead="""
                thinks: First.Then.
                says: One.
            """,
        ),
    ),
)
ONLY = Conversation(
    "a reply of thinking alone, then an answer",
    said=("Go.",),
    replies=(reply(Thinks("Hm.")), reply(Says("Done."))),
    log="""
        user: Go.
        thinks: Hm.
        says: Done.
        ends: answered
    """,
    prompt="""
        user: Go. Your last reply was empty. Call a tool or give the answer.
    """,
)
USED_UP = Conversation(
    "a reply used up by thinking",
    said=("Go.",),
    replies=(reply(Thinks("Hm, and so on"), end="length"),),
    log="""
        user: Go.
        thinks: Hm, and so on
        limit: output
        ends: limit
    """,
)
CONVERSATIONS = (SHOWN, SEALED, BETWEEN, ONLY, USED_UP)
