"""Pictures, files and sounds: of a person, and of a tool."""

from conformance.conversation import Calls, Conversation, Differs, Fails, Says, reply
from treadle.core.events import Audio, File, Image, UserSaid

PICTURE = "data:image/png;base64,iVBORw0KGgo="
PDF = "data:application/pdf;base64,JVBERi0xLjQ="
NOTES = "data:text/plain;base64,aGVsbG8="
SOUND = "data:audio/wav;base64,UklGRg=="

PICTURES = Conversation(
    "a person's pictures between words",
    said=(
        UserSaid(("What is", Image(PICTURE), "and what is", Image("https://a.test/b.png"), "?")),
    ),
    replies=(reply(Says("Two cats.")),),
    log="""
        user: What is [picture image/png iVBORw0KGgo=] and what is [picture https://a.test/b.png] ?
        says: Two cats.
        ends: answered
    """,
)
DRAWN = Conversation(
    "a tool's picture, and a file of another one",
    said=("Draw a cat, and hand me the file.",),
    replies=(
        reply(Calls("draw", {"what": "a cat"}), Calls("hand", {})),
        reply(Says("There they are.")),
    ),
    log="""
        user: Draw a cat, and hand me the file.
        calls: draw {"what": "a cat"}
        calls: hand {}
        gives: Here is a cat. [picture 1] [picture image/png iVBORw0KGgo=]
        gives: [file 1: a.pdf] [file a.pdf: application/pdf JVBERi0xLjQ=]
        says: There they are.
        ends: answered
    """,
    differs=(
        Differs(
            "pictures, files in a tool's result",
            ("chat",),
            lines="""
                gives: Here is a cat. [picture 1] [picture image/png iVBORw0KGgo=]
                gives: [file 1: a.pdf] [file a.pdf: application/pdf JVBERi0xLjQ=]
            """,
            instead="""
                gives: Here is a cat. [picture 1]
                gives: [file 1: a.pdf]
                beside: [picture image/png iVBORw0KGgo=] What the calls above gave besides text: [file a.pdf: application/pdf JVBERi0xLjQ=]
            """,
            of="prompt",
        ),
    ),
)
FILES = Conversation(
    "a PDF, a text and a file by its address",
    said=(
        UserSaid(
            ("Compare", File("a.pdf", PDF), File("n.txt", NOTES), File("", "https://a.test/c.pdf"))
        ),
    ),
    replies=(reply(Says("They differ.")),),
    log="""
        user: Compare [file a.pdf: application/pdf JVBERi0xLjQ=] [file n.txt: text/plain aGVsbG8=] [file : https://a.test/c.pdf]
        says: They differ.
        ends: answered
    """,
    differs=(
        Differs(
            "pictures, files in a message",
            ("chat",),
            lines="[file : https://a.test/c.pdf]",
            instead="The file is at https://a.test/c.pdf",
            of="prompt",
        ),
        Differs(
            "pictures, files in a message",
            ("chat",),
            lines="[file n.txt: text/plain aGVsbG8=]",
            instead="The file n.txt: hello",
            of="prompt",
        ),
        Differs(
            "pictures, files in a message",
            ("messages",),
            lines="[file n.txt: text/plain aGVsbG8=]",
            instead="[file n.txt: hello]",
            of="prompt",
        ),
    ),
)
HEARD = Conversation(
    "a person's sound",
    said=(UserSaid(("Listen:", Audio(SOUND))), "And?"),
    replies=(reply(Says("A bird.")), reply(Says("Nothing."))),
    log="""
        user: Listen: [sound]
        says: A bird.
        ends: answered
        user: And?
        says: Nothing.
        ends: answered
    """,
    differs=(
        Differs(
            "sound in a message",
            ("responses", "messages"),
            lines="[sound]",
            instead="(Here was a sound. This model takes none.)",
            of="prompt",
        ),
    ),
)
TOOL_SOUND = Conversation(
    "a tool's sound",
    said=("Listen.",),
    replies=(reply(Calls("hear", {})), reply(Says("A bird."))),
    log="""
        user: Listen.
        calls: hear {}
        gives: [sound 1] [sound]
        says: A bird.
        ends: answered
    """,
    differs=(
        Differs(
            "sound in a tool's result",
            ("chat",),
            lines="gives: [sound 1] [sound]",
            instead="""
                gives: [sound 1]
                beside: [sound]
            """,
            of="prompt",
        ),
        Differs(
            "sound in a tool's result",
            ("responses", "messages"),
            lines="[sound 1] [sound]",
            instead="[sound 1] (Here was a sound. This model takes none.)",
            of="prompt",
        ),
    ),
)
REFUSED = Conversation(
    "a picture that the provider refuses, and words in its place from then on",
    said=(UserSaid(("Look:", Image(PICTURE))), "And without it?"),
    replies=(
        Fails(400, "Could not process image: the image is broken", "invalid_request_error"),
        reply(Says("I see nothing.")),
    ),
    log="""
        user: Look: [picture image/png iVBORw0KGgo=]
        fails: rejected
        ends: failed
        user: And without it?
        says: I see nothing.
        ends: answered
    """,
    prompt="""
        user: Look: [a picture was here, which the provider refused: nobody has seen it] And without it?
    """,
)
CONVERSATIONS = (PICTURES, DRAWN, FILES, HEARD, TOOL_SOUND, REFUSED)
