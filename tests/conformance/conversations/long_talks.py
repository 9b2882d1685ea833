"""Long talks and odd words: summaries, repetitions, texts of all kinds and of none."""

from conformance.conversation import Calls, Conversation, Differs, Says, Searches, Thinks, reply
from treadle import ContextWindow
from treadle.core.events import Image, UserSaid

PICTURE = "data:image/png;base64,iVBORw0KGgo="
SUMMARY = Conversation(
    "a summary takes the place of what was said first",
    said=("One.", "Two.", "Three."),
    replies=(
        reply(Thinks("Hm."), Says("I add."), Calls("add", {"a": 1, "b": 2})),
        reply(Thinks(), Searches("x", "https://a.test", "A"), Says("3.")),
        reply(Says("- One was asked, and it was 3.")),
        reply(Says("Second.")),
        reply(Thinks("So."), Says("Third.")),
    ),
    agent={"context_window": ContextWindow(max_messages=4)},
    log="""
        user: One.
        thinks: Hm.
        says: I add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        thinks: [sealed]
        searches: x
        finds: https://a.test
        says: 3.
        ends: answered
        user: Two.
        sums up: - One was asked, and it was 3.
        says: Second.
        ends: answered
        user: Three.
        thinks: So.
        says: Third.
        ends: answered
    """,
    prompt="""
        user: What was said before, in short: - One was asked, and it was 3. Two.
        says: Second.
        user: Three.
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
    ),
)
SAME_WORDS = Conversation(
    "the same call again, which is told to the model",
    said=("Go.",),
    replies=(
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Calls("add", {"a": 1, "b": 2})),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        calls: add {"a": 1, "b": 2}
        gives: 3
        calls: add {"a": 1, "b": 2}
        gives: 3
        calls: add {"a": 1, "b": 2}
        gives: error: not run: you have made this very call 2 times in this turn, and its results are above. Use them, change the arguments, or give the answer now; the next repetition ends the turn
        calls: add {"a": 1, "b": 2}
        limit: repeats
        says: 3.
        ends: limit
    """,
    prompt="""
        user: Go.
        calls: add {"a": 1, "b": 2}
        gives: 3
        calls: add {"a": 1, "b": 2}
        gives: 3
        calls: add {"a": 1, "b": 2}
        gives: error: not run: you have made this very call 2 times in this turn, and its results are above. Use them, change the arguments, or give the answer now; the next repetition ends the turn
        calls: add {"a": 1, "b": 2}
        gives: not run: the turn ended before this call
        user: No more tools can be used in this turn. Give the best answer you can from what is above, now.
    """,
)
UNICODE = Conversation(
    "words of all kinds, in text, arguments and results",
    said=("Grüße \u2028 und 🙂 \x85?",),
    replies=(
        reply(
            Thinks("ž\u2028ý"), Says("naïve 北京 🙂"), Calls("note", {"text": '🙂 \u2028 \\ " \n'})
        ),
        reply(Says("👍🏽 done")),
    ),
    log="""
        user: Grüße und 🙂 ?
        thinks: ž ý
        says: naïve 北京 🙂
        calls: note {"text": "\\ud83d\\ude42 \\u2028 \\\\ \\" \\n"}
        gives: done; it gave no result
        says: 👍🏽 done
        ends: answered
    """,
)
ONLY_PICTURE = Conversation(
    "a picture without a word",
    said=(UserSaid((Image(PICTURE),)),),
    replies=(reply(Says("A cat.")),),
    log="""
        user: [picture image/png iVBORw0KGgo=]
        says: A cat.
        ends: answered
    """,
)
BLANK = Conversation(
    "a text of white space before a call, and one after a thought",
    said=("Go.",),
    replies=(
        reply(Thinks("Hm."), Says("\n\n"), Calls("add", {"a": 1, "b": 2})),
        reply(
            Thinks("Hm."),
            Says("  "),
        ),
        reply(Says("3.")),
    ),
    log="""
        user: Go.
        thinks: Hm.
        calls: add {"a": 1, "b": 2}
        gives: 3
        thinks: Hm.
        says: 3.
        ends: answered
    """,
    prompt="""
        user: Go.
        thinks: Hm.
        calls: add {"a": 1, "b": 2}
        gives: 3
        user: Your last reply was empty. Call a tool or give the answer.
    """,
)
CONVERSATIONS = (SUMMARY, SAME_WORDS, UNICODE, ONLY_PICTURE, BLANK)
