"""Answers of a type."""

from pydantic import BaseModel

from conformance.conversation import Calls, Conversation, Says, reply


class City(BaseModel):
    name: str
    people: int | None = None


OBJECT = Conversation(
    "an object as the answer, after a tool",
    said=("Which city?",),
    replies=(reply(Calls("name", {})), reply(Says('{"name": "Paris", "people": 2000000}'))),
    agent={"output": City},
    log="""
        user: Which city?
        calls: name {}
        gives: Paris
        says: {"name": "Paris", "people": 2000000}
        ends: answered
    """,
    prompt="""
        system: Give the final answer as one JSON object that fits this JSON Schema, and nothing else: {"properties": {"name": {"title": "Name", "type": "string"}, "people": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null, "title": "People"}}, "required": ["name"], "title": "City", "type": "object"}
        user: Which city?
        calls: name {}
        gives: Paris
    """,
)
LIST = Conversation(
    "a list as the answer",
    said=("Count.",),
    replies=(reply(Says('{"value": [1, 2]}')),),
    agent={"output": list[int]},
    log="""
        user: Count.
        says: {"value": [1, 2]}
        ends: answered
    """,
    prompt="""
        system: Give the final answer as one JSON object that fits this JSON Schema, and nothing else: {"type": "object", "properties": {"value": {"items": {"type": "integer"}, "type": "array"}}, "required": ["value"]}
        user: Count.
    """,
)
MENDED = Conversation(
    "an answer that doesn't fit, and is mended",
    said=("Which city?",),
    replies=(reply(Says('{"people": "many"}')), reply(Says('{"name": "Paris"}'))),
    agent={"output": City},
    log="""
        user: Which city?
        says: {"people": "many"}
        rejects: the answer
        says: {"name": "Paris"}
        ends: answered
    """,
    prompt="""
        system: Give the final answer as one JSON object that fits this JSON Schema, and nothing else: {"properties": {"name": {"title": "Name", "type": "string"}, "people": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": null, "title": "People"}}, "required": ["name"], "title": "City", "type": "object"}
        user: Which city?
        says: {"people": "many"}
        user: That answer can't be used: name: Field required; people: Input should be a valid integer, unable to parse string as an integer. Answer again, corrected.
    """,
)
ANY_NAMES = Conversation(
    "an object of any names, which not every provider can be held to",
    said=("Prices?",),
    replies=(reply(Says('{"tea": 2.5}')),),
    agent={"output": dict[str, float]},
    log="""
        user: Prices?
        says: {"tea": 2.5}
        ends: answered
    """,
    prompt="""
        system: Give the final answer as one JSON object that fits this JSON Schema, and nothing else: {"additionalProperties": {"type": "number"}, "type": "object", "properties": {}}
        user: Prices?
    """,
)
CONVERSATIONS = (OBJECT, LIST, MENDED, ANY_NAMES)
