"""Who may speak to the server. Host and Origin are checked, then a key; and each answer has headers
by which a browser loads nothing from elsewhere.

1. A page of somebody else's can't reach the API: its Origin is another, its Host is another where a
   name was made to point here, and no header ever allows it to read an answer.
2. A person's key comes as `Authorization: Bearer KEY`. A browser gets it once, in the address that
   the server prints, as `?key=`, and keeps it in a cookie that no script and no other site can use.
3. What changes something needs its Origin too, where a browser sends one, and a body of JSON: no
   form of another page can make that.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from secrets import compare_digest
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..core.check_settings import check_kind
from ..core.errors import UsageError
from ..core.name_kind import name_kind
from .problem import write_problem

LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
"""The names under which a browser reaches a server on its own machine."""
OPEN_PATHS = ("/health", "/ready")
"""They say nothing of any thread."""
LOCAL_PERSON = "local"
"""Who speaks where no key is asked for."""

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Door:
    """Whom the guard lets in."""

    keys: Mapping[str, str]
    """By key, the person whose it is. None at all: everybody is let in, as `LOCAL_PERSON`."""
    hosts: Collection[str] = LOOPBACK
    """The names under which the server may be reached, without a port; "*": under any."""

    def __post_init__(self) -> None:
        check_kind("app(keys=)", self.keys, Mapping, '{"a long key": "ann"}')
        for key, person in self.keys.items():
            if not all(isinstance(word, str) and word.strip() for word in (key, person)):
                raise UsageError("app(keys=): each key, and whose it is, must be a text with words")
        if isinstance(self.hosts, str) or not isinstance(self.hosts, Collection):
            raise UsageError(f"app(hosts=) is {name_kind(self.hosts)}; give {{'shop.example.com'}}")

    def find_person(self, key: str) -> str | None:
        """Whose key it is. Takes as long for a wrong one, wherever it differs."""
        found = None
        for known, person in self.keys.items():
            if compare_digest(known.encode(), key.encode()):
                found = person
        return found

    def is_named(self, host: str) -> bool:
        """Whether the server may be reached under this name, which may have a port."""
        return "*" in self.hosts or _without_port(host) in map(str.lower, self.hosts)

    @property
    def cookie(self) -> str:
        """The cookie's name: another server of this machine has another one."""
        digest = hashlib.sha256("".join(sorted(self.keys)).encode()).hexdigest()
        return f"treadle_{digest[:8]}"


class Guard:
    """ASGI: lets a request through, with `person` in its state, or answers it."""

    def __init__(self, app: ASGIApp, door: Door) -> None:
        self._app = app
        self._door = door

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = self._judge(scope)
        await (refusal or self._app)(scope, receive, send_with_headers)

    def _judge(self, scope: Scope) -> Response | None:
        """The answer to who isn't let in; None lets them in."""
        if scope["path"].removeprefix(scope.get("root_path", "")) in OPEN_PATHS:
            return None
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._door.is_named(host):
            return _refuse(421, f"this server isn't {host!r}; say --allow-host to let it be")
        origin = headers.get("origin")
        if origin is not None and origin not in (f"http://{host}", f"https://{host}"):
            return _refuse(403, f"requests from pages of {origin!r} are refused")
        state = scope.setdefault("state", {})
        if not self._door.keys:
            state["person"] = LOCAL_PERSON
            return None
        if scope["method"] == "GET" and (arrival := self._take_key(scope)):
            return arrival
        person = self._door.find_person(_read_key(headers, self._door.cookie))
        if person is None:
            return _refuse(
                401,
                "the key is missing or wrong; open the address that treadle serve printed, or send"
                " 'Authorization: Bearer KEY'",
            )
        state["person"] = person
        return None

    def _take_key(self, scope: Scope) -> Response | None:
        """Where the address has a right key: keep it in a cookie, and lead to where it has none."""
        asked = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        keys = [value for name, value in asked if name == "key"]
        if not keys or self._door.find_person(keys[-1]) is None:
            return None
        rest = urlencode([(name, value) for name, value in asked if name != "key"])
        # Relative: a proxy may have taken a prefix away, and two slashes would be another host.
        path = "./" + read_raw_path(scope).rpartition("/")[2]
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(
            self._door.cookie, keys[-1], httponly=True, samesite="strict", path="/", max_age=86_400
        )
        return answer


def read_raw_path(scope: Scope) -> str:
    """The path as it was sent: decoded, a slash in a thread's name would be one of the path."""
    raw: bytes | None = scope.get("raw_path")
    if not raw:
        path: str = scope["path"]
        return path
    return raw.partition(b"?")[0].decode("latin-1")


def _without_port(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if colon and port.isascii() and port.isdigit():
        return name.lower()
    return host.lower()


def _read_key(headers: Headers, cookie: str) -> str:
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return key.strip()
    return cookie_parser(headers.get("cookie", "")).get(cookie, "")


def _refuse(status: int, message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    code = "invalid_api_key" if status == 401 else None
    body = write_problem("Refused", message, status, code)
    return Response(body, status, headers, media_type="application/json")
