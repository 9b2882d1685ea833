"""A route of the API: one function, with the types of what it takes and gives.

From the same table come the server's routes and its OpenAPI document, so they can't differ.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote, unquote

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.routing import Route as StarletteRoute

from ..core.errors import (
    IllegalEvent,
    Stopped,
    StoreDamaged,
    StoreError,
    TreadleError,
    TurnOpen,
    UnknownThread,
    UsageError,
)
from .problem import write_problem
from .served import NotServed, Served

_encode = msgspec.json.Encoder(decimal_format="number").encode
MAX_BODY_BYTES = 20_000_000
"""Of a request: pictures come within it."""

STATUS: dict[type[TreadleError], int] = {
    UnknownThread: 404,
    NotServed: 409,
    TurnOpen: 409,
    UsageError: 422,
    IllegalEvent: 409,
    Stopped: 503,
    StoreDamaged: 500,
    StoreError: 503,
}
"""The first that an error is an instance of; 500 for any other."""


class BadRequest(UsageError):
    """A request that can't be read; `status` says in which way, and `code` as OpenAI has it."""

    def __init__(self, message: str, status: int = 400, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Asked:
    """A request that was let in and read."""

    served: Served
    request: Request
    body: Any
    """Of the route's `takes`; None where it takes none."""
    query: Any
    """Of the route's `query`; None where it has none."""

    @property
    def thread(self) -> str:
        """The thread that the path names."""
        return unquote(self.request.path_params["thread"])

    @property
    def person(self) -> str:
        """Whose key it is."""
        person: str = self.request.state.person
        return person

    @property
    def key(self) -> str | None:
        """The message's key, by which this person says it once however often it is sent: another
        person's message may have the same one."""
        given = self.request.headers.get("idempotency-key")
        if given is None or not given.strip():
            return given
        return f"{quote(self.person, safe='')}/{given}"

    def name_page(self, thread_id: str) -> str:
        """The address of a thread's page."""
        name = quote(thread_id, safe="")
        if name.endswith(".json"):  # with these words the address is that of its JSON
            name = name.removesuffix(".json") + "%2Ejson"
        return f"{str(self.request.base_url).rstrip('/')}/threads/{name}"


@dataclass(frozen=True)
class Route:
    """What is done at one path."""

    method: Literal["GET", "POST", "DELETE"]
    path: str
    act: Callable[[Asked], Awaitable[Any]]
    """Gives a value of `gives`, or a Response. Its docstring is the document's."""
    takes: Any = None
    query: Any = None
    gives: Any = None
    status: int = 200


def read_errors(error: TreadleError) -> tuple[int, bytes]:
    """The status and the body for an error, which say what `treadle` would say in a terminal."""
    status = next((code for kind, code in STATUS.items() if isinstance(error, kind)), 500)
    code = None
    if isinstance(error, BadRequest):
        status, code = error.status, error.code
    return status, write_problem(type(error).__name__, str(error), status, code)


async def answer_unrouted(request: Request, error: Exception) -> Response:
    """The answer to a request that no route takes."""
    path = request.scope["path"]
    if not isinstance(error, HTTPException) or error.status_code != 405:
        return _answer_problem("NotFound", f"there is nothing at {path}; see /openapi.json", 404)
    routes = [each for each in request.app.routes if isinstance(each, StarletteRoute)]
    here = [each for each in routes if each.matches(request.scope)[0] is not Match.NONE]
    taken = [each.methods or () for each in here]
    allowed = ", ".join(sorted({method for methods in taken for method in methods}))
    answer = _answer_problem("WrongMethod", f"{path} takes {allowed}", 405)
    answer.headers["allow"] = allowed
    return answer


async def answer_bug(_: Request, error: Exception) -> Response:
    return _answer_problem("ServerBug", f"a bug: {type(error).__name__}; see its log", 500)


def _answer_problem(kind: str, message: str, status: int) -> Response:
    body = write_problem(kind, message, status)
    return Response(body, status, media_type="application/json")


async def answer_nobody(_: Request, __: Exception) -> Response:
    """To a client that has left in the middle of its request."""
    return Response(status_code=400)


ANSWERS: dict[Any, Any] = {
    HTTPException: answer_unrouted,
    ClientDisconnect: answer_nobody,
    Exception: answer_bug,
}
"""How what is raised outside of a route is answered."""


def make_starlette_routes(routes: Sequence[Route], served: Served) -> list[StarletteRoute]:
    """The routes that answer in JSON; whatever they raise is answered in words."""
    return [
        StarletteRoute(each.path, _make_endpoint(each, served), methods=[each.method])
        for each in routes
    ]


def _make_endpoint(route: Route, served: Served) -> Callable[[Request], Awaitable[Response]]:
    takes = msgspec.json.Decoder(route.takes) if route.takes else None

    async def answer(request: Request) -> Response:
        try:
            body = None
            if takes:
                body = _decode(takes, await read_body(request))
            query = None
            if route.query:
                query = _convert_query(request, route.query)
            given = await route.act(Asked(served, request, body, query))
        except TreadleError as error:
            status, content = read_errors(error)
            return Response(content, status, media_type="application/json")
        if isinstance(given, Response):
            return given
        return Response(_encode(given), route.status, media_type="application/json")

    return answer


async def read_body(request: Request) -> bytes:
    """The body of a request of JSON; one that is empty and of no kind is an object without fields.

    Raises BadRequest: other kinds are what forms can send.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise BadRequest(f"the body has more than {MAX_BODY_BYTES:,} bytes", 413)
        if size and kind != "application/json":
            break
        parts.append(part)
    if not (size or kind):
        return b"{}"
    if kind != "application/json":
        raise BadRequest("the body must be JSON: say Content-Type: application/json", 415)
    return b"".join(parts)


def _decode(takes: "msgspec.json.Decoder[Any]", body: bytes) -> Any:
    try:
        return takes.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the body: {error}", 422) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadRequest(f"the body is no JSON: {error}") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None


def _convert_query(request: Request, kind: Any) -> Any:
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise BadRequest(f"the query: {error}", 422) from None
