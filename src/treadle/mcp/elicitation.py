"""What an MCP server asks a person in mid-call, as a question of the call in the log.

1. Each question is known by what it says. So an answer fits the same question when it is asked
   again: by a server that was restarted, or that forgot what it had asked.
2. The newer protocol gives a call back with its questions, and is called again with the answers.
   The older one asks while the call runs: it is told `cancel`, and called again once the answer is
   there. What such a server does before it asks, it does again.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import mcp_types as types

from ..core.context import Context
from ..core.errors import ToolError
from ..core.json_schema import make_check
from ..core.question import Question

DECLINE = "decline"
_BOOLEAN = {"yes": True, "true": True, "y": True, "no": False, "false": False, "n": False}
_CONSENT = ("yes", "y", "true", "ok", "{}")
_DONE = ("done", "yes")
"""Of an address that a person opens by themselves."""
_REFUSAL = ("no", "n", "false", "cancel", DECLINE)


@dataclass
class Questions:
    """The questions of one call, and their answers so far."""

    server: str
    known: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By a question's digest, the answer as the protocol has it."""
    keys: dict[str, str] = field(default_factory=dict)
    """Of the newer protocol: the digest of each question that the server waits for, by its key."""
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By its digest, each question that has no answer yet."""
    request_state: str | None = None
    task: str = ""
    """The task that has asked; "" for the call itself."""

    @classmethod
    def of(cls, context: Context, server: str) -> "Questions":
        """As the call has left them. Raises Question again where the last answer didn't fit."""
        if not context.answers:
            return cls(server)
        last = context.answers[-1]
        questions = cls(server, **last.state)
        digest = next(iter(questions.asked))
        params = questions.asked[digest]
        try:
            questions.known[digest] = read_answer(params, last.text)
        except ToolError as error:
            raise questions._question(digest, f"{error}\n\n") from None
        del questions.asked[digest]
        questions.ask_next()
        return questions

    def ask_next(self) -> None:
        """Raise the next question that has no answer yet, if there is one."""
        for digest in self.asked:
            raise self._question(digest)

    def must_answer(self, result: types.InputRequiredResult, task: str = "") -> None:
        """Take what the server asks. Raises Question, or ToolError for what nobody here gives."""
        self.request_state = result.request_state
        self.task = task
        self.keys.clear()
        for key, request in (result.input_requests or {}).items():
            if not isinstance(request, types.ElicitRequest):
                raise ToolError(f"the MCP server {self.server} asks for what isn't given to it")
            params = _dump(request.params)
            digest = _digest_of(params)
            self.keys[key] = digest
            if digest not in self.known:
                self.asked[digest] = params
        self.ask_next()

    def responses(self) -> types.InputResponses | None:
        """The answers that the server waits for, by its keys."""
        if not self.keys:
            return None
        found = {key: self.known[digest] for key, digest in self.keys.items()}
        return {key: types.ElicitResult.model_validate(answer) for key, answer in found.items()}

    def forget_round(self) -> None:
        """The server doesn't know any more what it has asked: it is called afresh."""
        self.keys.clear()
        self.request_state = None

    def answer_at_once(self, params: types.ElicitRequestParams) -> types.ElicitResult:
        """What the older protocol gets while the call runs: the answer, or `cancel` for now."""
        told = _dump(params)
        digest = _digest_of(told)
        if digest in self.known:
            return types.ElicitResult.model_validate(self.known[digest])
        self.asked[digest] = told
        return types.ElicitResult(action="cancel")

    def _question(self, digest: str, before: str = "") -> Question:
        state = vars(self) | {"asked": {digest: self.asked[digest], **self.asked}}
        del state["server"]
        return Question(before + describe(self.server, self.asked[digest]), state=state)


def describe(server: str, params: Mapping[str, Any]) -> str:
    """A server's question in words, with what an answer looks like."""
    text = f"The MCP server {server} asks: {params.get('message', '')}"
    if url := params.get("url"):
        return f"{text}\nIt wants you to open {url} yourself. Answer done, or {DECLINE}."
    schema = params.get("requestedSchema") or {}
    fields = [_describe_field(name, field, schema) for name, field in _properties(schema).items()]
    if not fields:
        return f"{text}\nAnswer yes, or {DECLINE}."
    listed = "\n".join(f"- {each}" for each in fields)
    how = "the value" if len(fields) == 1 else "a JSON object"
    return f"{text}\n{listed}\nAnswer with {how}, or with {DECLINE}."


def read_answer(params: Mapping[str, Any], text: str) -> dict[str, Any]:
    """A person's words as the protocol has them. Raises ToolError, which says what is wrong.

    Consent is only what says so: no other words are taken for it.
    """
    text = text.strip()
    word = _word_of(text)
    if word == DECLINE:
        return {"action": "decline"}
    schema = params.get("requestedSchema") or {}
    properties = _properties(schema)
    if params.get("url"):
        return {"action": _decide(word, _DONE)}
    if not properties:
        action = _decide(word, _CONSENT)
        return {"action": action, "content": {}} if action == "accept" else {"action": action}
    if not text:
        raise ToolError(f"that says nothing; answer, or {DECLINE}")
    content = _read_content(text, properties)
    content = dict(make_check("answer", {**schema, "type": "object"})(content))
    return {"action": "accept", "content": content}


def _decide(word: str, consent: tuple[str, ...]) -> str:
    if word in _REFUSAL:
        return "decline"
    if word in consent:
        return "accept"
    raise ToolError(f"answer {consent[0]}, or {DECLINE}")


def _word_of(text: str) -> str:
    """A text as one word, without what people write after it."""
    return text.lower().rstrip(".!, ")


def _read_content(text: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if isinstance(value, dict):
        return value
    if len(properties) > 1:
        raise ToolError('that is no JSON object, such as {"name": "value"}')
    [(name, told)] = properties.items()
    match told.get("type"):
        case "boolean":
            value = _BOOLEAN.get(_word_of(text), value)
        case "string":
            value = text
    return {name: value}


def _describe_field(name: str, told: Any, schema: Mapping[str, Any]) -> str:
    if not isinstance(told, dict):
        return name
    parts = [str(told.get("title") or ""), str(told.get("description") or "")]
    choices = told.get("enum") or [each.get("const") for each in told.get("oneOf", ())]
    kind = f"one of {', '.join(map(str, choices))}" if choices else str(told.get("type", ""))
    need = "" if name in schema.get("required", ()) else "may be left out"
    said = "; ".join(part for part in (*parts, kind, need) if part)
    return f"{name}: {said}"


def _properties(schema: Mapping[str, Any]) -> dict[str, Any]:
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _dump(params: types.ElicitRequestParams) -> dict[str, Any]:
    return params.model_dump(
        mode="json", by_alias=True, exclude_none=True, exclude={"meta", "task", "elicitation_id"}
    )


def _digest_of(params: Mapping[str, Any]) -> str:
    text = json.dumps(params, sort_keys=True)
    return hashlib.blake2b(text.encode("utf8", "surrogatepass"), digest_size=12).hexdigest()
