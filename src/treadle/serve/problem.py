"""The body of every answer that isn't a success: also as OpenAI's clients read it. Pure."""

import msgspec


class Problem(msgspec.Struct):
    """What went wrong."""

    kind: str
    """The error's class, as in Python."""
    message: str
    """In words, with what to do instead."""
    type: str
    """As OpenAI has it: `server_error`, else `invalid_request_error`."""
    param: str | None = None
    code: str | None = None
    """As OpenAI has it, such as `model_not_found`."""


class Failure(msgspec.Struct):
    """The body of every answer that isn't a success."""

    error: Problem


def write_problem(kind: str, message: str, status: int, code: str | None = None) -> bytes:
    """The body of an answer with this status."""
    who = "server_error" if status >= 500 else "invalid_request_error"
    return msgspec.json.encode(Failure(Problem(kind, message, who, code=code)))
