"""What the line does: replies in other forms, broken ones, errors, overload, another model."""

from conformance.conversation import Calls, Conversation, Fails, Says, Thinks, reply

ASKED = (Thinks("Hm."), Says("I add."), Calls("add", {"a": 1, "b": 2}))
LOG = """
    user: Go.
    thinks: Hm.
    says: I add.
    calls: add {"a": 1, "b": 2}
    gives: 3
    says: 3.
    ends: answered
"""
BYTES = Conversation(
    "a reply that comes byte by byte",
    said=("Go.",),
    replies=(reply(*ASKED, sent="bytes"), reply(Says("3."), sent="bytes")),
    log=LOG,
)
BODY = Conversation(
    "a reply that comes as one body",
    said=("Go.",),
    replies=(reply(*ASKED, sent="body"), reply(Says("3."), sent="body")),
    log=LOG,
)
UNKNOWN = Conversation(
    "fields and events that nobody knows yet",
    said=("Go.",),
    replies=(reply(*ASKED, sent="unknown"), reply(Says("3."), sent="unknown")),
    log=LOG,
)
CUT = Conversation(
    "a stream that breaks off, and one that ends early, are asked for again",
    said=("Go.",),
    replies=(
        reply(*ASKED, sent="cut"),
        reply(*ASKED, sent="ends early"),
        reply(*ASKED),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        fails: unavailable
        fails: unavailable
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
ERROR = Conversation(
    "an error in the middle of a stream",
    said=("Go.",),
    replies=(reply(*ASKED, sent="error"), reply(*ASKED), reply(Says("3."))),
    log="""
        user: Go.
        fails: unavailable
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
OVERLOAD = Conversation(
    "overload, twice, as its provider says it",
    said=("Go.",),
    replies=(
        Fails(529, "Overloaded", "overloaded_error"),
        Fails(503, "The server is overloaded or not ready yet.", "server_error"),
        reply(*ASKED),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        fails: unavailable
        fails: unavailable
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
RATE = Conversation(
    "a limit of requests a minute",
    said=("Go.",),
    replies=(
        Fails(
            429,
            "Rate limit reached for requests. Please try again in 20ms.",
            "rate_limit_error",
            retry_after_s=None,
        ),
        reply(Says("Done.")),
    ),
    log="""
        user: Go.
        fails: unavailable
        says: Done.
        ends: answered
    """,
)
PAGE = Conversation(
    "a page of HTML in the place of an answer, from an address that has answered before",
    said=("Go.",),
    replies=(reply(*ASKED), Fails(200, "Maintenance", page=True), reply(Says("3."))),
    log="""
        user: Go.
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        fails: unavailable
        says: 3.
        ends: answered
    """,
)
DENIED = Conversation(
    "a key that is refused",
    said=("Go.",),
    replies=(Fails(401, "Incorrect API key provided", "authentication_error"),),
    log="""
        user: Go.
        fails: denied
        ends: failed
    """,
)
OTHER_MODEL = Conversation(
    "one model is down, and the next one goes on with the turn",
    said=("Go.",),
    replies=(
        reply(*ASKED),
        *[Fails(529, "Overloaded", "overloaded_error")] * 1,
        reply(Says("3.")),
    ),
    two_models=True,
    log="""
        user: Go.
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        fails: unavailable
        says: 3.
        ends: answered
    """,
)
CONVERSATIONS = (BYTES, BODY, UNKNOWN, CUT, ERROR, OVERLOAD, RATE, PAGE, DENIED, OTHER_MODEL)
