"""Settings of the model, under the names that each dialect has for them."""

from conformance.conversation import Calls, Conversation, Says, reply
from treadle import ModelSettings

GIVEN = Conversation(
    "settings that every dialect has",
    said=("Add.",),
    replies=(reply(Calls("add", {"a": 1, "b": 2})), reply(Says("3."))),
    agent={
        "settings": ModelSettings(
            effort="low", parallel_tool_calls=False, service_tier="auto", max_output_tokens=2000
        )
    },
    log="""
        user: Add.
        calls: add {"a": 1, "b": 2}
        gives: 3
        says: 3.
        ends: answered
    """,
)
CONVERSATIONS = (GIVEN,)
