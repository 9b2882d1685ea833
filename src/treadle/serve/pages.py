"""The page: a shell and its files. Each thing has an address, with the same as JSON beside it.

All addresses that are given here are relative to the one that was asked for, so that the page also
works where the server is mounted below another application, or behind a proxy that takes a prefix
away.
"""

from collections.abc import Callable, Coroutine
from functools import cache
from hashlib import blake2b
from importlib.resources import files
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

SHELL = "index.html"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
JSON_OF = {
    "threads": "api/threads",
    "waiting": "api/waiting",
    "workers": "api/queue",
    "costs": "api/costs",
}
"""By the address of a list: what its .json leads to."""
ASKED_AT_FIRST = ("", "/records?last=200")
"""What thread.js asks for of a thread, to begin with."""


def make_page_routes() -> list[Route]:
    """The page's addresses and its files."""
    return [
        Route("/static/{name}", _give_file),
        *(Route(f"/{name}.json", _redirect(to)) for name, to in JSON_OF.items()),
        Route("/threads/{thread}.json", _give_thread_as_json),
        Route("/threads/{thread}", _give_shell_of_thread),
        *(Route(f"/{name}", _give_shell) for name in ("", *JSON_OF)),
    ]


@cache
def read_file(name: str, root: str = "./") -> tuple[bytes, str] | None:
    """A file of the page and its ETag; None for any other name.

    `root` is what leads from the address that was asked for to the one that all others are below.
    """
    found = {each.name: each for each in files("treadle.serve").joinpath("page").iterdir()}
    if name not in found:
        return None
    content = found[name].read_bytes()
    if name == SHELL:
        content = content.replace(b'"./', f'"{root}'.encode())
    return content, f'"{blake2b(content, digest_size=8).hexdigest()}"'


async def _give_file(request: Request) -> Response:
    return _give(request, request.path_params["name"])


async def _give_shell(request: Request) -> Response:
    return _give(request, SHELL)


async def _give_shell_of_thread(request: Request) -> Response:
    """The shell, and the hint to get the thread while the page's code still comes."""
    response = _give(request, SHELL, "../")
    thread = unquote(request.path_params["thread"])
    name = quote(thread, safe="!~*'()")  # as encodeURIComponent has it
    links = [f"<../api/threads/{name}{each}>" for each in ASKED_AT_FIRST]
    hints = [f'{link}; rel="preload"; as="fetch"; crossorigin' for link in links]
    response.headers["Link"] = ", ".join(hints)
    return response


def _give(request: Request, name: str, root: str = "./") -> Response:
    read = read_file(name, root)
    kind = next((kind for ending, kind in KINDS.items() if name.endswith(ending)), None)
    if read is None or kind is None:
        return Response("there is no such file\n", 404, media_type="text/plain")
    content, tag = read
    headers = {"ETag": tag, "Cache-Control": "no-cache"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(content, headers={**headers, "Content-Type": kind})


def _redirect(to: str) -> Callable[[Request], Coroutine[Any, Any, Response]]:
    async def lead(request: Request) -> Response:
        query = request.url.query
        return RedirectResponse(f"{to}?{query}" if query else to, 307)

    return lead


async def _give_thread_as_json(request: Request) -> Response:
    return RedirectResponse(f"../api/threads/{request.path_params['thread']}", 307)
