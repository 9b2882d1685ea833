"""What is counted: the cache, reasoning, and nothing where the provider says nothing."""

from conformance.conversation import Calls, Conversation, Counts, Says, Thinks, reply

CACHED = Conversation(
    "counts of the cache and of reasoning",
    said=("What is 1 + 2?",),
    replies=(
        reply(
            Thinks("A sum."),
            Calls("add", {"a": 1, "b": 2}),
            counts=Counts(2000, 40, written=1800, reasoning=20),
        ),
        reply(Says("3."), counts=Counts(2100, 10, read=1800, written=200)),
    ),
    log="""
        user: What is 1 + 2?
        thinks: A sum.
        calls: add {"a": 1, "b": 2}
        counts: 2000 in, 40 out, cache_write 1800, reasoning 20
        gives: 3
        says: 3.
        counts: 2100 in, 10 out, cached 1800, cache_write 200
        ends: answered
    """,
)
PLAIN = Conversation(
    "counts without a cache",
    said=("Go.",),
    replies=(reply(Says("Done."), counts=Counts(12, 3)),),
    log="""
        user: Go.
        says: Done.
        counts: 12 in, 3 out
        ends: answered
    """,
)
CONVERSATIONS = (CACHED, PLAIN)
